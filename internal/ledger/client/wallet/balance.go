package wallet

import (
	"context"
	"errors"
	"time"

	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/ledger/x/escrow"
	"github.com/koinon/koinon/internal/ledger/x/provider"
)

// Balance is all that an account has. Amounts but Koin are in ucredit.
type Balance struct {
	Address   string   `json:"address"`
	Account   uint64   `json:"account_ucredit"`
	Available uint64   `json:"escrow_available_ucredit"` // may back new grants or be withdrawn
	Locked    uint64   `json:"escrow_locked_ucredit"`    // backs active grants
	OnItsWay  uint64   `json:"on_its_way_ucredit"`       // the sum of Payouts
	Koin      uint64   `json:"account_ukoin"`
	Payouts   []Payout `json:"payouts"`
}

// Payout is money that becomes the account's at a time.
type Payout struct {
	Due     time.Time `json:"due_at"`
	Ucredit uint64    `json:"ucredit"`
	Role    string    `json:"role"`
}

// Dollars is all of an account's credit, in ucredit.
func (b Balance) Dollars() uint64 { return b.Account + b.Available + b.Locked + b.OnItsWay }

// Read asks the ledger what an account has.
func Read(ctx context.Context, c *client.Client, address string) (Balance, error) {
	b := Balance{Address: address, Payouts: []Payout{}}
	var err error
	if b.Account, err = c.Balance(ctx, address, escrow.CreditDenom); err != nil {
		return b, err
	}
	if b.Koin, err = c.Balance(ctx, address, provider.BondDenom); err != nil {
		return b, err
	}
	held, err := c.Escrow(ctx, address)
	if err != nil && !errors.Is(err, client.ErrNotFound) {
		return b, err
	}
	b.Available, b.Locked = held.Available, held.Locked
	payouts, err := c.Payouts(ctx, address)
	if err != nil {
		return b, err
	}
	for _, p := range payouts {
		b.OnItsWay += p.Amount
		b.Payouts = append(b.Payouts, Payout{time.Unix(p.DueAt, 0).UTC(), p.Amount, escrow.RoleName(p.Role)})
	}
	return b, nil
}
