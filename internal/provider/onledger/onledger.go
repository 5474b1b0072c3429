// Package onledger gives a provider its view of the chain over a node's gRPC
// address.
package onledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/cosmos/gogoproto/proto"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	pinv1 "github.com/koinon/koinon/api/koinon/pin/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/receipt"
)

var _ provider.Ledger = (*Account)(nil)

// Account is a [provider.Ledger].
type Account struct {
	client *client.Client
	key    client.Key
}

// New binds a connection to the account that signs.
func New(c *client.Client, key client.Key) *Account { return &Account{c, key} }

// Address is the account that signs.
func (a *Account) Address() string { return a.key.Address() }

// ChainID names the chain.
func (a *Account) ChainID() string { return a.client.ChainID() }

// Send signs and sends one transaction, and waits for its block.
func (a *Account) Send(ctx context.Context, msgs ...proto.Message) error {
	_, err := a.client.Send(ctx, a.key, msgs...)
	if client.Refused(err) {
		return fmt.Errorf("%w: %w", provider.ErrRefused, err)
	}
	return err
}

// Redeem sends a batch of redemptions, and waits for its block.
func (a *Account) Redeem(ctx context.Context, msg *escrowv1.MsgRedeem) ([]error, error) {
	refusals, err := a.client.Redeem(ctx, a.key, msg)
	if client.Refused(err) {
		return nil, fmt.Errorf("%w: %w", provider.ErrRefused, err)
	}
	for i, refusal := range refusals {
		if refusal != nil {
			refusals[i] = fmt.Errorf("%w: %w", provider.ErrRefused, refusal)
		}
	}
	return refusals, err
}

// Version reads a model version.
func (a *Account) Version(ctx context.Context, digest string) (modelv1.Version, error) {
	v, err := a.client.Version(ctx, digest)
	return v, found(err)
}

// Provider reads a provider's entry.
func (a *Account) Provider(ctx context.Context, address string) (providerv1.Provider, error) {
	v, err := a.client.Provider(ctx, address)
	return v, found(err)
}

// Offers lists one provider's offers.
func (a *Account) Offers(ctx context.Context, address string) ([]providerv1.Offer, error) {
	v, err := a.client.Offers(ctx, "", address)
	return v, found(err)
}

// Escrow reads a payer's escrow.
func (a *Account) Escrow(ctx context.Context, payer string) (escrowv1.Escrow, error) {
	v, err := a.client.Escrow(ctx, payer)
	return v, found(err)
}

// Grant reads an activated grant by the hexadecimal digits of its identity.
func (a *Account) Grant(ctx context.Context, id string) (escrowv1.ActiveGrant, error) {
	v, err := a.client.Grant(ctx, id)
	return v, found(err)
}

// Admission asks whether the ledger would take a grant under the right it names.
func (a *Account) Admission(ctx context.Context, g receipt.Grant) (until int64, err error) {
	r, err := a.client.Admission(ctx, g.Model.String(), g.Payer, g.Right, g.Calls)
	if err == nil && r.Refusal != "" {
		err = fmt.Errorf("%w: %s", provider.ErrRefused, r.Refusal)
	}
	return r.Until, found(err)
}

// Ceiling reads the highest price that a model's shareholders allow.
func (a *Account) Ceiling(ctx context.Context, model string) (receipt.Price, error) {
	s, err := a.client.Decided(ctx, model)
	return receipt.Price{Input: s.Settings.Ceiling.InputPrice, Output: s.Settings.Ceiling.OutputPrice}, found(err)
}

// EscrowParams reads x/escrow's parameters.
func (a *Account) EscrowParams(ctx context.Context) (escrowv1.Params, error) {
	return a.client.EscrowParams(ctx)
}

// Cases lists the open cases in which an account has a part.
func (a *Account) Cases(ctx context.Context, address string) ([]auditv1.Case, error) {
	return a.client.Cases(ctx, address)
}

// Duties lists the epoch challenges that the account has to answer.
func (a *Account) Duties(ctx context.Context) ([]challengev1.Duty, error) {
	return a.client.Duties(ctx, a.Address())
}

// found names the absence of an entry as a provider does.
func found(err error) error {
	if errors.Is(err, client.ErrNotFound) {
		return fmt.Errorf("%w: %w", provider.ErrNotFound, err)
	}
	return err
}

// Pin returns a pin.
func (a *Account) Pin(ctx context.Context, id uint64) (pinv1.Pin, error) {
	pin, _, err := a.client.Pin(ctx, id)
	return pin, found(err)
}

// Holds lists the pins that the account holds.
func (a *Account) Holds(ctx context.Context) ([]pinv1.Hold, error) {
	return a.client.Pinned(ctx, a.Address())
}
