package stripe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/stripe/stripe-go/v82"

	"github.com/koinon/koinon/internal/mechanism/escrow"
)

// cashOutKey is where a refund's metadata has the cash-out that it pays.
const cashOutKey = "koinon_cash_out"

// refund pays a cash-out back to the card and settles it. Whatever was lost in
// between, the card is paid once: a refund that carries the cash-out's number
// is found again, and Stripe itself refuses the same idempotency key twice.
func (i *Issuer) refund(ctx context.Context, c escrow.CashOut) error {
	p, err := i.store.get(c.Destination)
	cents := int64(c.Amount / microPerCent) // what is left of a cent stays with the issuer
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("cash-out %d names session %s, which is not known here", c.ID, c.Destination)
	case err != nil:
		return err
	case p.Address != c.Holder:
		return fmt.Errorf("cash-out %d is %s's, session %s was for %s", c.ID, c.Holder, p.Session, p.Address)
	}
	noted, again := p.Refunded[c.ID]
	switch {
	case again && noted != cents:
		return fmt.Errorf("cash-out %d was of %d cents, now of %d", c.ID, noted, cents)
	case cents == 0 || !again && cents > p.rest():
		return fmt.Errorf("cash-out %d wants %d cents of session %s, which has %d left to refund", c.ID, cents, p.Session, p.rest())
	}
	if !again { // what is about to be paid is on disk first
		if p.Refunded == nil {
			p.Refunded = map[uint64]int64{}
		}
		p.Refunded[c.ID] = cents
		if err := i.store.put(p); err != nil {
			return err
		}
	}
	id, err := i.payBack(ctx, p, c.ID, cents)
	if err != nil {
		return fmt.Errorf("cash-out %d: %w", c.ID, err)
	}
	if err := i.ledger.Settle(ctx, c.ID, id); err != nil && !errors.Is(err, escrow.ErrNotOwed) {
		return fmt.Errorf("cash-out %d is paid by %s, and not settled: %w", c.ID, id, err)
	}
	i.state.refunded.Add(float64(cents * microPerCent))
	i.log.Info("refunded", "cash_out", c.ID, "session", p.Session, "cents", cents, "refund", id)
	return nil
}

// payBack returns the id of the refund that pays a cash-out.
func (i *Issuer) payBack(ctx context.Context, p payment, cashOut uint64, cents int64) (string, error) {
	number := strconv.FormatUint(cashOut, 10)
	for r, err := range i.api.V1Refunds.List(ctx, &stripe.RefundListParams{PaymentIntent: stripe.String(p.Intent)}) {
		if err != nil {
			return "", err
		}
		if r.Metadata[cashOutKey] == number && r.Status != stripe.RefundStatusFailed && r.Status != stripe.RefundStatusCanceled {
			return r.ID, nil
		}
	}
	params := &stripe.RefundCreateParams{
		PaymentIntent: stripe.String(p.Intent), Amount: stripe.Int64(cents), Metadata: map[string]string{cashOutKey: number},
	}
	params.SetIdempotencyKey("koinon-" + p.Session + "-cash-out-" + number)
	refund, err := i.api.V1Refunds.Create(ctx, params)
	if err != nil {
		return "", err
	}
	return refund.ID, nil
}
