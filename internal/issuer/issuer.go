// Package issuer is what everyone who issues credit against dollars does alike,
// whether the dollars come by card or by bank: mint once for each payment, and
// pay once for each cash-out. The ledger itself is the book that refuses a
// payment's second mint, so that an issuer may forget, crash and try again.
package issuer

import (
	"context"
	"errors"
	"fmt"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/mechanism/escrow"
)

// Ledger is the ledger as an issuer needs it, with the issuer's account.
type Ledger interface {
	// Address is the issuer's.
	Address() string
	// Check says whether text is an account's address.
	Check(address string) error
	// Mint creates credit under a reference and returns when a block has it:
	// escrow.ErrReplayed if the reference was used. After any other error it
	// may or may not have happened, and asking again is safe.
	Mint(ctx context.Context, recipient string, ucredit uint64, reference string) error
	// Entry is what happened under a reference, if anything did.
	Entry(ctx context.Context, reference string) (e escrowv1.Entry, known bool, err error)
	// CashOuts lists what the issuer owes, oldest first.
	CashOuts(ctx context.Context) ([]escrowv1.CashOut, error)
	// Settle says that a cash-out is paid: escrow.ErrNotOwed if it was already.
	Settle(ctx context.Context, id uint64, payment string) error
}

// ErrConflict is returned for a payment under whose reference the ledger has
// something else.
var ErrConflict = errors.New("the ledger has another mint under this payment's reference")

// Payment is dollars that arrived and the credit to be minted for them.
type Payment struct {
	Reference string // unlike any other payment's
	Recipient string
	Ucredit   uint64
}

// Issue mints for a payment unless that was done before, and says whether it
// was done now.
func Issue(ctx context.Context, l Ledger, p Payment) (minted bool, err error) {
	err = l.Mint(ctx, p.Recipient, p.Ucredit, p.Reference)
	if !errors.Is(err, escrow.ErrReplayed) {
		return err == nil, err
	}
	e, _, err := l.Entry(ctx, p.Reference)
	if err != nil {
		return false, err
	}
	return false, Same(e, p)
}

// Same says whether what happened under a payment's reference is its mint.
func Same(e escrowv1.Entry, p Payment) error {
	if e.Recipient != p.Recipient || e.Amount != p.Ucredit {
		return fmt.Errorf("%w: %s got %d ucredit, this payment says %d for %s", ErrConflict, e.Recipient, e.Amount, p.Ucredit, p.Recipient)
	}
	return nil
}
