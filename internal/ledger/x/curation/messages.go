package curation

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	curationv1 "github.com/koinon/koinon/api/koinon/curation/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/curation"
)

// messages serves transactions.
type messages struct{ *Keeper }

// load returns what a curator's message is about.
func (m messages) load(ctx context.Context, curator, id string) (curation.Listing, curation.Position, error) {
	l, err := m.listing(ctx, id)
	if err != nil {
		return l, curation.Position{}, err
	}
	p, err := m.position(ctx, curator, id)
	return l, p, err
}

// store keeps what became of it, and pays fees.
func (m messages) store(ctx context.Context, curator, id string, l curation.Listing, p curation.Position, fees uint64) error {
	if err := m.setListing(ctx, id, l); err != nil {
		return err
	}
	if err := m.setPosition(ctx, curator, id, p); err != nil {
		return err
	}
	return m.payFees(ctx, curator, id, fees)
}

// Signal implements curationv1.MsgServer.
func (m messages) Signal(ctx context.Context, msg *curationv1.MsgSignal) (*curationv1.MsgSignalResponse, error) {
	if err := m.check(ctx, msg.Listing); err != nil {
		return nil, err
	}
	from, err := account.Parse(m.addresses, msg.Curator)
	if err != nil {
		return nil, err
	}
	params, err := m.loadParams(ctx)
	if err != nil {
		return nil, err
	}
	l, p, err := m.load(ctx, msg.Curator, msg.Listing)
	if err != nil {
		return nil, err
	}
	l, p, tax, fees, err := curation.Signal(params, l, p, msg.Amount)
	if err != nil {
		return nil, err
	}
	if err := m.bank.SendCoinsFromAccountToModule(ctx, from, ModuleName, coins(stakeDenom, msg.Amount)); err != nil {
		return nil, err
	}
	if err := m.toTreasury(ctx, stakeDenom, tax); err != nil {
		return nil, err
	}
	if err := m.store(ctx, msg.Curator, msg.Listing, l, p, fees); err != nil {
		return nil, err
	}
	return &curationv1.MsgSignalResponse{Tax: tax, Fees: fees}, emit(ctx, &curationv1.EventSignalled{
		Curator: msg.Curator, Listing: msg.Listing, Amount: msg.Amount, Tax: tax, Staked: l.Staked})
}

// Leave implements curationv1.MsgServer.
func (m messages) Leave(ctx context.Context, msg *curationv1.MsgLeave) (*curationv1.MsgLeaveResponse, error) {
	params, err := m.loadParams(ctx)
	if err != nil {
		return nil, err
	}
	l, p, err := m.load(ctx, msg.Curator, msg.Listing)
	if err != nil {
		return nil, err
	}
	l, p, units, fees, dust, err := curation.Leave(l, p, msg.Amount)
	if err != nil {
		return nil, err
	}
	if err := m.store(ctx, msg.Curator, msg.Listing, l, p, fees); err != nil {
		return nil, err
	}
	if err := m.toTreasury(ctx, feeDenom, dust); err != nil {
		return nil, err
	}
	at := blockTime(ctx) + params.Delay
	if err := m.addLeaving(ctx, curationv1.Leaving{Curator: msg.Curator, Listing: msg.Listing, Units: units, ReleaseAt: at}); err != nil {
		return nil, err
	}
	return &curationv1.MsgLeaveResponse{ReleaseAt: at, Fees: fees}, emit(ctx, &curationv1.EventLeft{
		Curator: msg.Curator, Listing: msg.Listing, Units: units, ReleaseAt: at, Staked: l.Staked})
}

// addLeaving stores a stake on its way back; two of one second come together.
func (k *Keeper) addLeaving(ctx context.Context, v curationv1.Leaving) error {
	key := collections.Join3(v.ReleaseAt, v.Curator, v.Listing)
	before, err := k.leavings.Get(ctx, key)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return err
	}
	v.Units += before.Units
	return errors.Join(k.leavings.Set(ctx, key, v), k.byCurator.Set(ctx, collections.Join(v.Curator, key)))
}

// Collect implements curationv1.MsgServer.
func (m messages) Collect(ctx context.Context, msg *curationv1.MsgCollect) (*curationv1.MsgCollectResponse, error) {
	l, p, err := m.load(ctx, msg.Curator, msg.Listing)
	if err != nil {
		return nil, err
	}
	l, p, fees, err := curation.Collect(l, p)
	if err != nil {
		return nil, err
	}
	return &curationv1.MsgCollectResponse{Fees: fees}, m.store(ctx, msg.Curator, msg.Listing, l, p, fees)
}

// Rate implements curationv1.MsgServer.
func (m messages) Rate(ctx context.Context, msg *curationv1.MsgRate) (*curationv1.MsgRateResponse, error) {
	key := collections.Join(msg.Payer, msg.Listing)
	spent, err := m.spent.Get(ctx, key)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return nil, err
	}
	old, err := m.ratings.Get(ctx, key)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return nil, err
	}
	l, err := m.listing(ctx, msg.Listing)
	if err != nil {
		return nil, err
	}
	l, rating, err := curation.Rate(l, curation.Rating{Stars: old.Stars, Weight: old.Weight}, msg.Stars, spent.Amount)
	if err != nil {
		return nil, err
	}
	if err := m.setListing(ctx, msg.Listing, l); err != nil {
		return nil, err
	}
	stored := curationv1.Rating{Payer: msg.Payer, Listing: msg.Listing, Stars: rating.Stars, Weight: rating.Weight}
	if err := m.ratings.Set(ctx, key, stored); err != nil {
		return nil, err
	}
	return &curationv1.MsgRateResponse{Weight: rating.Weight}, emit(ctx, &curationv1.EventRated{
		Payer: msg.Payer, Listing: msg.Listing, Stars: rating.Stars, Weight: rating.Weight})
}

// UpdateParams implements curationv1.MsgServer.
func (m messages) UpdateParams(ctx context.Context, msg *curationv1.MsgUpdateParams) (*curationv1.MsgUpdateParamsResponse, error) {
	if msg.Authority != m.authority {
		return nil, fmt.Errorf("%w: %s", ErrAuthority, m.authority)
	}
	if err := paramsOf(msg.Params).Validate(); err != nil {
		return nil, err
	}
	return &curationv1.MsgUpdateParamsResponse{}, m.params.Set(ctx, msg.Params)
}
