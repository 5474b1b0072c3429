package escrow

import (
	"errors"
	"fmt"

	"github.com/koinon/koinon/internal/mechanism/split"
)

// MaxBatch is how many redemptions one message has at most.
const MaxBatch = 128

// Errors of batches.
var (
	ErrBatch        = fmt.Errorf("a redemption message has 1 to %d redemptions", MaxBatch)
	ErrUnknownGrant = errors.New("the ledger has no such grant: it was never activated, or has lapsed")
)

// Claim is one redemption of a batch.
type Claim struct {
	ID string // the grant's, in hexadecimal digits
	Redemption
}

// Outcome is what came of one claim: a refusal, which changed nothing, or money.
type Outcome struct {
	Refusal error
	Grant   Grant // as it is afterwards
	Amount  uint64
	Payouts []Payout
	// Discount is what of the amount went back to the payer; with it, the payouts are
	// the whole.
	Discount uint64
	// Returned went back to the payer, as the grant closed.
	Returned uint64
}

// Book is where a batch finds grants and leaves what became of them.
type Book interface {
	// Load returns a grant with its payer's account and its model's policy, or
	// ErrUnknownGrant; any other error ends the batch. It is called in the
	// order of the claims, and sees what was stored before.
	Load(c Claim) (Account, Grant, split.Policy, error)
	// Store keeps what an accepted claim changed; an error ends the batch.
	Store(a Account, o Outcome) error
}

// RedeemBatch judges many claims of one provider, each on its own: one that is
// refused does not cost the others their pay. Only if all are refused is the
// batch, with the first one's reason, so that it pays for nothing.
func RedeemBatch(p Params, book Book, claims []Claim, sender, treasury string, now int64) ([]Outcome, error) {
	if len(claims) == 0 || len(claims) > MaxBatch {
		return nil, fmt.Errorf("%w, not %d", ErrBatch, len(claims))
	}
	outcomes := make([]Outcome, len(claims))
	accepted := false
	for i, c := range claims {
		a, g, policy, err := book.Load(c)
		if errors.Is(err, ErrUnknownGrant) {
			outcomes[i].Refusal = fmt.Errorf("%w: %s", err, c.ID)
			continue
		}
		if err != nil {
			return nil, err
		}
		locked := g.Rest()
		a, g, payouts, amount, err := Redeem(p, a, g, policy, c.Redemption, sender, treasury, now)
		if err != nil {
			outcomes[i].Refusal = err
			continue
		}
		outcomes[i] = Outcome{Grant: g, Amount: amount, Payouts: payouts, Discount: amount}
		for _, out := range payouts {
			outcomes[i].Discount -= out.Amount
		}
		if g.Status == Closed {
			outcomes[i].Returned = locked - amount
		}
		if err := book.Store(a, outcomes[i]); err != nil {
			return nil, err
		}
		accepted = true
	}
	if !accepted {
		return nil, outcomes[0].Refusal
	}
	return outcomes, nil
}
