// Package onledger gives an issuer its view of the ledger over a node's gRPC
// address.
package onledger

import (
	"context"
	"errors"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/issuer"
	"github.com/koinon/koinon/internal/ledger/client"
)

var _ issuer.Ledger = (*Account)(nil)

// Account is an [issuer.Ledger].
type Account struct {
	client *client.Client
	key    client.Key
}

// New binds a connection to the issuer's account.
func New(c *client.Client, key client.Key) *Account { return &Account{c, key} }

// Address is the issuer's.
func (a *Account) Address() string { return a.key.Address() }

// Check says whether text is an account's address.
func (a *Account) Check(address string) error { return client.CheckAddress(address) }

// Mint creates credit under a reference.
func (a *Account) Mint(ctx context.Context, recipient string, ucredit uint64, reference string) error {
	_, err := a.client.Send(ctx, a.key, &escrowv1.MsgMint{Issuer: a.Address(), Recipient: recipient, Amount: ucredit, Reference: reference})
	return err
}

// Entry reads what happened under a reference.
func (a *Account) Entry(ctx context.Context, reference string) (escrowv1.Entry, bool, error) {
	e, err := a.client.Entry(ctx, a.Address(), reference)
	if errors.Is(err, client.ErrNotFound) {
		return e, false, nil
	}
	return e, err == nil, err
}

// CashOuts lists what the issuer owes.
func (a *Account) CashOuts(ctx context.Context) ([]escrowv1.CashOut, error) {
	return a.client.CashOuts(ctx, a.Address())
}

// Settle says that a cash-out is paid.
func (a *Account) Settle(ctx context.Context, id uint64, payment string) error {
	_, err := a.client.Send(ctx, a.key, &escrowv1.MsgSettle{Issuer: a.Address(), Id: id, Payment: payment})
	return err
}
