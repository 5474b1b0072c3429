package escrow

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/escrow"
)

// Mint implements escrowv1.MsgServer.
func (m messages) Mint(ctx context.Context, msg *escrowv1.MsgMint) (*escrowv1.MsgMintResponse, error) {
	recipient, err := account.Parse(m.addresses, msg.Recipient)
	if err != nil {
		return nil, err
	}
	if m.bank.BlockedAddr(recipient) {
		return nil, fmt.Errorf("%w: %s", ErrRecipient, msg.Recipient)
	}
	issuer, known, err := m.issuerAndReference(ctx, msg.Issuer, msg.Reference)
	if err != nil {
		return nil, err
	}
	if issuer, err = escrow.Mint(issuer, msg.Amount, msg.Reference, known); err != nil {
		return nil, err
	}
	if err := m.create(ctx, recipient, msg.Amount); err != nil {
		return nil, err
	}
	if err := m.issuers.Set(ctx, issuer.Address, storedIssuer(issuer)); err != nil {
		return nil, err
	}
	if err := m.enter(ctx, escrowv1.Entry{Issuer: msg.Issuer, Reference: msg.Reference, Recipient: msg.Recipient, Amount: msg.Amount}); err != nil {
		return nil, err
	}
	return &escrowv1.MsgMintResponse{}, emit(ctx, &escrowv1.EventMinted{
		Issuer: issuer.Address, Recipient: msg.Recipient, Amount: msg.Amount, Outstanding: issuer.Outstanding, Reference: msg.Reference})
}

// create makes credit. All that exists fits in 64 bits, so that no sum of it
// can overflow.
func (k *Keeper) create(ctx context.Context, recipient sdk.AccAddress, amount uint64) error {
	if supply := k.bank.GetSupply(ctx, CreditDenom).Amount; !supply.Add(sdkmath.NewIntFromUint64(amount)).IsUint64() {
		return fmt.Errorf("%w: %s ucredit exist, %d more are asked for", escrow.ErrOverflow, supply, amount)
	}
	if err := k.bank.MintCoins(ctx, ModuleName, coins(amount)); err != nil {
		return err
	}
	return k.bank.SendCoinsFromModuleToAccount(ctx, ModuleName, recipient, coins(amount))
}

// destroy takes credit from an account and out of the world.
func (k *Keeper) destroy(ctx context.Context, from sdk.AccAddress, amount uint64) error {
	if err := k.bank.SendCoinsFromAccountToModule(ctx, from, ModuleName, coins(amount)); err != nil {
		return err
	}
	return k.bank.BurnCoins(ctx, ModuleName, coins(amount))
}

// Burn implements escrowv1.MsgServer.
func (m messages) Burn(ctx context.Context, msg *escrowv1.MsgBurn) (*escrowv1.MsgBurnResponse, error) {
	from, err := account.Parse(m.addresses, msg.Issuer)
	if err != nil {
		return nil, err
	}
	issuer, known, err := m.issuerAndReference(ctx, msg.Issuer, msg.Reference)
	if err != nil {
		return nil, err
	}
	if issuer, err = escrow.Burn(issuer, msg.Amount, msg.Reference, known); err != nil {
		return nil, err
	}
	if err := m.destroy(ctx, from, msg.Amount); err != nil {
		return nil, err
	}
	if err := m.issuers.Set(ctx, issuer.Address, storedIssuer(issuer)); err != nil {
		return nil, err
	}
	if err := m.enter(ctx, escrowv1.Entry{Issuer: msg.Issuer, Reference: msg.Reference, Amount: msg.Amount}); err != nil {
		return nil, err
	}
	return &escrowv1.MsgBurnResponse{}, emit(ctx, &escrowv1.EventBurned{
		Issuer: issuer.Address, Amount: msg.Amount, Outstanding: issuer.Outstanding, Reference: msg.Reference})
}

// CashOut implements escrowv1.MsgServer.
func (m messages) CashOut(ctx context.Context, msg *escrowv1.MsgCashOut) (*escrowv1.MsgCashOutResponse, error) {
	holder, err := account.Parse(m.addresses, msg.Holder)
	if err != nil {
		return nil, err
	}
	issuer, err := m.loadIssuer(ctx, msg.Issuer)
	if err != nil {
		return nil, err
	}
	id, err := m.nextCashOut.Next(ctx)
	if err != nil {
		return nil, err
	}
	issuer, asked, err := escrow.Request(issuer, id, msg.Holder, msg.Amount, msg.Destination)
	if err != nil {
		return nil, err
	}
	if err := m.destroy(ctx, holder, msg.Amount); err != nil {
		return nil, err
	}
	if err := m.issuers.Set(ctx, issuer.Address, storedIssuer(issuer)); err != nil {
		return nil, err
	}
	stored := escrowv1.CashOut{
		Id: asked.ID, Holder: asked.Holder, Issuer: asked.Issuer, Amount: asked.Amount, Destination: asked.Destination, RequestedAt: blockTime(ctx),
	}
	if err := m.cashOuts.Set(ctx, collections.Join(asked.Issuer, asked.ID), stored); err != nil {
		return nil, err
	}
	return &escrowv1.MsgCashOutResponse{Id: id}, emit(ctx, &escrowv1.EventCashedOut{
		Id: id, Holder: asked.Holder, Issuer: asked.Issuer, Amount: asked.Amount, Destination: asked.Destination})
}

// Settle implements escrowv1.MsgServer.
func (m messages) Settle(ctx context.Context, msg *escrowv1.MsgSettle) (*escrowv1.MsgSettleResponse, error) {
	key := collections.Join(msg.Issuer, msg.Id)
	stored, err := m.cashOuts.Get(ctx, key)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return nil, err
	}
	owed := err == nil
	known, err := m.entries.Has(ctx, collections.Join(msg.Issuer, msg.Payment))
	if err != nil {
		return nil, err
	}
	if err := escrow.Settle(escrow.CashOut{ID: stored.Id, Issuer: stored.Issuer}, owed, msg.Issuer, msg.Payment, known); err != nil {
		return nil, err
	}
	if err := m.cashOuts.Remove(ctx, key); err != nil {
		return nil, err
	}
	if err := m.enter(ctx, escrowv1.Entry{Issuer: msg.Issuer, Reference: msg.Payment, Recipient: stored.Holder, Amount: stored.Amount}); err != nil {
		return nil, err
	}
	return &escrowv1.MsgSettleResponse{}, emit(ctx, &escrowv1.EventSettled{
		Id: stored.Id, Issuer: stored.Issuer, Amount: stored.Amount, Payment: msg.Payment})
}

// SetIssuer implements escrowv1.MsgServer.
func (m messages) SetIssuer(ctx context.Context, msg *escrowv1.MsgSetIssuer) (*escrowv1.MsgSetIssuerResponse, error) {
	if msg.Authority != m.authority {
		return nil, fmt.Errorf("%w: %s", ErrAuthority, m.authority)
	}
	issuer := escrow.Issuer{Address: msg.Address, Name: msg.Name, Cap: msg.Cap, Backing: msg.Backing}
	if msg.Backing != "" && msg.Address == "" {
		var err error
		if issuer.Address, err = m.backedBy(msg.Backing); err != nil {
			return nil, err
		}
	} else if _, err := account.Parse(m.addresses, msg.Address); err != nil {
		return nil, err
	} else if msg.Backing != "" {
		return nil, fmt.Errorf("%w: give no address with it", escrow.ErrBacking)
	}
	old, err := m.loadIssuer(ctx, issuer.Address)
	if err != nil && !errors.Is(err, escrow.ErrNotIssuer) {
		return nil, err
	}
	issuer.Outstanding = old.Outstanding
	if err := issuer.Validate(); err != nil {
		return nil, err
	}
	if err := m.issuers.Set(ctx, issuer.Address, storedIssuer(issuer)); err != nil {
		return nil, err
	}
	return &escrowv1.MsgSetIssuerResponse{}, emit(ctx, &escrowv1.EventIssuerSet{Address: issuer.Address, Name: issuer.Name, Cap: issuer.Cap, Backing: issuer.Backing})
}

// issuerAndReference returns an issuer, and whether it has used a reference.
func (k *Keeper) issuerAndReference(ctx context.Context, address, reference string) (escrow.Issuer, bool, error) {
	issuer, err := k.loadIssuer(ctx, address)
	if err != nil {
		return issuer, false, err
	}
	known, err := k.entries.Has(ctx, collections.Join(address, reference))
	return issuer, known, err
}

// enter notes what an issuer did under a reference, if it gave one.
func (k *Keeper) enter(ctx context.Context, e escrowv1.Entry) error {
	if e.Reference == "" {
		return nil
	}
	e.At = blockTime(ctx)
	return k.entries.Set(ctx, collections.Join(e.Issuer, e.Reference), e)
}

func (k *Keeper) loadIssuer(ctx context.Context, address string) (escrow.Issuer, error) {
	known, err := k.issuers.Has(ctx, address)
	if err != nil {
		return escrow.Issuer{}, err
	}
	if !known {
		return escrow.Issuer{}, fmt.Errorf("%w: %s is none", escrow.ErrNotIssuer, address)
	}
	i, err := k.issuers.Get(ctx, address)
	return issuerOf(i), err
}
