package escrow

import (
	"errors"
	"fmt"

	"github.com/koinon/koinon/internal/mechanism/discount"
	"github.com/koinon/koinon/internal/mechanism/split"
	"github.com/koinon/koinon/receipt"
)

// Status is the state of a grant on the ledger.
type Status int

// A grant is unknown to the ledger until its provider activates it; it closes
// when everything is redeemed, when the provider closes it, or when it lapses.
const (
	Active Status = iota + 1
	Closed
)

// Grant is a grant that its provider has activated.
type Grant struct {
	receipt.Grant
	ID           receipt.Digest
	Status       Status
	Redeemed     uint64         // index of the last redeemed ticket
	LastTicket   receipt.Digest // its preimage; the anchor when Redeemed is 0
	ReceiptsRoot receipt.Digest
	Receipts     uint64
	ActivatedAt  int64
	// ReleaseAt is when the grant lapses and its rest goes back: expiry and the
	// grace of its activation, whatever the parameters say later. Unix seconds.
	ReleaseAt int64
	// DiscountBps of the treasury's part of each redemption go back to the payer, as
	// its schedule said at activation.
	DiscountBps uint32
}

// Rest is what is still locked for the grant, in ucredit.
func (g Grant) Rest() uint64 {
	if g.Status != Active {
		return 0
	}
	return (g.Tickets - g.Redeemed) * g.TicketValue
}

// Activate locks a signed grant's cap in its payer's escrow, on the word of its
// provider. known says whether the ledger has seen the grant before; it keeps
// every grant until it can no longer be replayed (see Prunable).
func Activate(p Params, a Account, known bool, s receipt.SignedGrant, sender, chainID string, now int64) (Account, Grant, error) {
	refuse := func(err error) (Account, Grant, error) { return a, Grant{}, err }
	if err := s.Validate(); err != nil {
		return refuse(err)
	}
	switch {
	case s.ChainID != chainID:
		return refuse(fmt.Errorf("%w: %s, not %s", ErrWrongChain, s.ChainID, chainID))
	case s.Provider != sender:
		return refuse(ErrWrongProvider)
	case s.Payer != a.Payer:
		return refuse(ErrWrongPayer)
	case known:
		return refuse(ErrAlreadyActive)
	case now >= s.Expiry:
		return refuse(fmt.Errorf("%w: at %d, it is %d", ErrGrantExpired, s.Expiry, now))
	case s.Expiry-now > p.MaxGrantSeconds:
		return refuse(fmt.Errorf("%w: in %d seconds, %d are allowed", ErrGrantTooLong, s.Expiry-now, p.MaxGrantSeconds))
	case s.Tickets > p.MaxTickets:
		return refuse(fmt.Errorf("%w: %d, %d are allowed", ErrTooManyTickets, s.Tickets, p.MaxTickets))
	case len(a.GrantKey) == 0:
		return refuse(ErrNoGrantKey)
	}
	if err := s.Verify(a.GrantKey); err != nil {
		return refuse(err)
	}
	amount, err := s.Cap()
	if err != nil {
		return refuse(err)
	}
	if amount > a.Available {
		return refuse(fmt.Errorf("%w: the grant needs %d ucredit, %d ucredit are available", ErrInsufficient, amount, a.Available))
	}
	a.Available -= amount
	a.Locked += amount // fits, as Deposit saw to their sum
	return a, Grant{
		Grant: s.Grant, ID: s.ID(), Status: Active, LastTicket: s.Anchor, ActivatedAt: now, ReleaseAt: s.Expiry + p.RedeemGrace,
	}, nil
}

// Redemption is what a provider shows to be paid.
type Redemption struct {
	Index        uint64         // the highest ticket revealed
	Ticket       receipt.Digest // its preimage
	ReceiptsRoot receipt.Digest // Merkle root over the grant's receipts so far
	Receipts     uint64
	// Close gives the rest back to the payer at once. With it, the ticket may
	// be the last one redeemed, so that an unused grant can be closed.
	Close bool
}

// Redeem pays for the tickets revealed since the last redemption: their value
// leaves the locked credit and is split by the model's policy. The provider's
// part is due after the challenge window, the others' now; the grant's discount on
// the treasury's goes back to the payer's available credit. It returns the value
// redeemed, of which the payouts and the discount are the whole.
func Redeem(p Params, a Account, g Grant, policy split.Policy, r Redemption, sender, treasury string, now int64) (Account, Grant, []Payout, uint64, error) {
	refuse := func(err error) (Account, Grant, []Payout, uint64, error) { return a, g, nil, 0, err }
	switch {
	case g.Provider != sender:
		return refuse(ErrWrongProvider)
	case g.Payer != a.Payer:
		return refuse(ErrWrongPayer)
	case g.Status != Active:
		return refuse(ErrGrantClosed)
	case now >= g.ReleaseAt:
		return refuse(fmt.Errorf("%w: redeemable until %d, it is %d", ErrGrantExpired, g.ReleaseAt, now))
	case r.Index > g.Tickets:
		return refuse(fmt.Errorf("%w: %d of %d", receipt.ErrTicketIndex, r.Index, g.Tickets))
	case r.Index < g.Redeemed, r.Index == g.Redeemed && !r.Close:
		return refuse(fmt.Errorf("%w: %d after %d", ErrNothingToRedeem, r.Index, g.Redeemed))
	case r.Receipts < g.Receipts:
		return refuse(fmt.Errorf("%w: %d after %d", ErrReceipts, r.Receipts, g.Receipts))
	}
	if r.Index > g.Redeemed {
		if err := receipt.VerifyTicket(g.LastTicket, g.Redeemed, r.Ticket, r.Index); err != nil {
			return refuse(err)
		}
	}
	amount := (r.Index - g.Redeemed) * g.TicketValue // at most the cap
	payouts, back, err := payouts(p, g, policy, amount, r.Index, treasury, now)
	if err != nil {
		return refuse(err)
	}
	a.Locked -= amount
	a.Available += back // fits, as what was locked did
	if r.Index > g.Redeemed {
		g.Redeemed, g.LastTicket = r.Index, r.Ticket
	}
	g.ReceiptsRoot, g.Receipts = r.ReceiptsRoot, r.Receipts
	if r.Close || g.Redeemed == g.Tickets {
		a, g = release(a, g)
	}
	return a, g, payouts, amount, nil
}

// payouts divides what is redeemed, and returns what of it goes back.
func payouts(p Params, g Grant, policy split.Policy, amount, index uint64, treasury string, now int64) (out []Payout, back uint64, err error) {
	parts, err := split.Split(amount, policy, split.Parties{Provider: g.Provider, App: g.App, Treasury: treasury, Model: g.Model.String()})
	if err != nil {
		return nil, 0, err
	}
	for _, part := range parts {
		if part.Role == split.Treasury {
			back = discount.Of(part.Amount, g.DiscountBps)
			part.Amount -= back
		}
		if part.Amount == 0 {
			continue
		}
		due := now
		if part.Role == split.Provider || part.Role == split.Curators {
			due += p.ChallengeWindow
		}
		out = append(out, Payout{
			DueAt: due, Source: fmt.Sprintf("%s/%d", g.ID.Hex(), index),
			Recipient: part.Recipient, Role: part.Role, Amount: part.Amount, Provider: g.Provider,
		})
	}
	return out, back, nil
}

// release closes a grant and gives what is left of it back to its payer.
func release(a Account, g Grant) (Account, Grant) {
	rest := g.Rest()
	a.Locked -= rest
	a.Available += rest
	g.Status = Closed
	return a, g
}

// Expire closes a grant that can no longer be redeemed and returns what went
// back to its payer.
func Expire(a Account, g Grant, now int64) (Account, Grant, uint64, error) {
	switch {
	case g.Payer != a.Payer:
		return a, g, 0, ErrWrongPayer
	case g.Status != Active:
		return a, g, 0, ErrGrantClosed
	case now < g.ReleaseAt:
		return a, g, 0, fmt.Errorf("%w: until %d, it is %d", ErrNotExpired, g.ReleaseAt, now)
	}
	rest := g.Rest()
	a, g = release(a, g)
	return a, g, rest, nil
}

// Prunable says whether a grant may be forgotten: it is closed, and expired, so
// that it cannot be activated again.
func Prunable(g Grant, now int64) bool { return g.Status == Closed && now >= g.Expiry }

// FreeUse counts a buyer's transactions without gas in one window.
type FreeUse struct {
	Window uint64
	Count  uint32
}

// ErrFreeLimit is returned when a buyer has used up its window.
var ErrFreeLimit = errors.New("too many transactions without gas; wait, or pay a fee")

// UseFree counts one more transaction at a height.
func UseFree(p Params, u FreeUse, height int64) (FreeUse, error) {
	window := uint64(height) / p.FreeWindowBlocks
	if u.Window != window {
		u = FreeUse{Window: window}
	}
	if u.Count >= p.FreeTxsPerWindow {
		return u, fmt.Errorf("%w: %d in %d blocks are allowed", ErrFreeLimit, p.FreeTxsPerWindow, p.FreeWindowBlocks)
	}
	u.Count++
	return u, nil
}
