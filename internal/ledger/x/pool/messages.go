package pool

import (
	"context"
	"fmt"

	poolv1 "github.com/koinon/koinon/api/koinon/pool/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/pool"
)

// messages serves transactions.
type messages struct{ *Keeper }

// Add implements poolv1.MsgServer.
func (m messages) Add(ctx context.Context, msg *poolv1.MsgAdd) (*poolv1.MsgAddResponse, error) {
	from, err := account.Parse(m.addresses, msg.Owner)
	if err != nil {
		return nil, err
	}
	_, p, err := m.begin(ctx, msg.Denom)
	if err != nil {
		return nil, err
	}
	p, credit, asset, parts, err := pool.Add(p, msg.Credit, msg.Asset)
	if err != nil {
		return nil, err
	}
	if parts < msg.LeastParts {
		return nil, fmt.Errorf("%w: %d parts, not %d", pool.ErrLimit, parts, msg.LeastParts)
	}
	taken := coins(creditDenom, credit).Add(coins(msg.Denom, asset)...)
	if err := m.bank.SendCoinsFromAccountToModule(ctx, from, ModuleName, taken); err != nil {
		return nil, err
	}
	before, err := m.owned(ctx, msg.Owner, msg.Denom)
	if err != nil {
		return nil, err
	}
	if err := m.setOwned(ctx, msg.Owner, msg.Denom, before+parts); err != nil {
		return nil, err
	}
	if err := m.store(ctx, msg.Denom, p); err != nil {
		return nil, err
	}
	return &poolv1.MsgAddResponse{Credit: credit, Asset: asset, Parts: parts}, emit(ctx,
		&poolv1.EventAdded{Owner: msg.Owner, Denom: msg.Denom, Credit: credit, Asset: asset, Parts: parts})
}

// Remove implements poolv1.MsgServer.
func (m messages) Remove(ctx context.Context, msg *poolv1.MsgRemove) (*poolv1.MsgRemoveResponse, error) {
	to, err := account.Parse(m.addresses, msg.Owner)
	if err != nil {
		return nil, err
	}
	_, p, err := m.begin(ctx, msg.Denom)
	if err != nil {
		return nil, err
	}
	owned, err := m.owned(ctx, msg.Owner, msg.Denom)
	if err != nil {
		return nil, err
	}
	p, credit, asset, err := pool.Remove(p, owned, msg.Parts)
	if err != nil {
		return nil, err
	}
	if err := m.setOwned(ctx, msg.Owner, msg.Denom, owned-msg.Parts); err != nil {
		return nil, err
	}
	if err := m.store(ctx, msg.Denom, p); err != nil {
		return nil, err
	}
	given := coins(creditDenom, credit).Add(coins(msg.Denom, asset)...)
	if err := m.bank.SendCoinsFromModuleToAccount(ctx, ModuleName, to, given); err != nil {
		return nil, err
	}
	return &poolv1.MsgRemoveResponse{Credit: credit, Asset: asset}, emit(ctx,
		&poolv1.EventRemoved{Owner: msg.Owner, Denom: msg.Denom, Credit: credit, Asset: asset, Parts: msg.Parts})
}

// Swap implements poolv1.MsgServer.
func (m messages) Swap(ctx context.Context, msg *poolv1.MsgSwap) (*poolv1.MsgSwapResponse, error) {
	trader, err := account.Parse(m.addresses, msg.Trader)
	if err != nil {
		return nil, err
	}
	in, out, side := creditDenom, msg.Denom, pool.Credit
	switch msg.Side {
	case poolv1.Side_SIDE_CREDIT:
	case poolv1.Side_SIDE_ASSET:
		in, out, side = out, in, pool.Asset
	default:
		return nil, fmt.Errorf("%w: side must be credit or asset", ErrDenom)
	}
	params, p, err := m.begin(ctx, msg.Denom)
	if err != nil {
		return nil, err
	}
	p, got, err := pool.Swap(params, p, side, msg.In, msg.Least)
	if err != nil {
		return nil, err
	}
	if err := m.bank.SendCoinsFromAccountToModule(ctx, trader, ModuleName, coins(in, msg.In)); err != nil {
		return nil, err
	}
	if err := m.bank.SendCoinsFromModuleToAccount(ctx, ModuleName, trader, coins(out, got)); err != nil {
		return nil, err
	}
	if err := m.store(ctx, msg.Denom, p); err != nil {
		return nil, err
	}
	return &poolv1.MsgSwapResponse{Out: got}, emit(ctx,
		&poolv1.EventSwapped{Trader: msg.Trader, Denom: msg.Denom, Side: msg.Side, In: msg.In, Out: got})
}

// UpdateParams implements poolv1.MsgServer.
func (m messages) UpdateParams(ctx context.Context, msg *poolv1.MsgUpdateParams) (*poolv1.MsgUpdateParamsResponse, error) {
	if msg.Authority != m.authority {
		return nil, fmt.Errorf("%w: %s", ErrAuthority, m.authority)
	}
	if err := paramsOf(msg.Params).Validate(); err != nil {
		return nil, err
	}
	return &poolv1.MsgUpdateParamsResponse{}, m.params.Set(ctx, msg.Params)
}
