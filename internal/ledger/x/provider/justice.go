package provider

import (
	"context"
	"fmt"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/mechanism/bond"
)

// Bonded is all that a provider can lose, in ukoin: its bond, and what of it is
// on its way back.
func (k *Keeper) Bonded(ctx context.Context, provider string) (uint64, error) {
	p, err := k.Provider(ctx, provider)
	if err != nil {
		return 0, err
	}
	sum := p.Bond
	err = k.eachUnbonding(ctx, provider, func(u providerv1.Unbonding) error {
		sum, err = bond.Add(sum, u.Amount)
		return err
	})
	return sum, err
}

// eachUnbonding visits a provider's unbondings, the next to be paid first.
func (k *Keeper) eachUnbonding(ctx context.Context, provider string, do func(providerv1.Unbonding) error) error {
	var list []providerv1.Unbonding
	err := k.leaving.Walk(ctx, collections.NewPrefixedPairRange[string, int64](provider), func(key collections.Pair[string, int64]) (bool, error) {
		u, err := k.unbondings.Get(ctx, collections.Join(key.K2(), key.K1()))
		list = append(list, u)
		return false, err
	})
	for _, u := range list {
		if err != nil {
			return err
		}
		err = do(u)
	}
	return err
}

// Slash moves so many ukoin of what a provider can lose into another module's
// account: of its bond first, then of what is on its way back. It is for the
// module that convicts.
func (k *Keeper) Slash(ctx context.Context, provider string, amount uint64, to string) error {
	p, err := k.Provider(ctx, provider)
	if err != nil || amount == 0 {
		return err
	}
	rest := amount - min(amount, p.Bond)
	p.Bond -= amount - rest
	if err := k.providers.Set(ctx, provider, p); err != nil {
		return err
	}
	err = k.eachUnbonding(ctx, provider, func(u providerv1.Unbonding) error {
		taken := min(rest, u.Amount)
		rest -= taken
		switch u.Amount -= taken; {
		case taken == 0:
			return nil
		case u.Amount == 0:
			return k.removeUnbonding(ctx, u)
		}
		return k.storeUnbonding(ctx, u)
	})
	if err != nil {
		return err
	}
	if rest > 0 {
		return fmt.Errorf("%w: %d ukoin more than %s has", ErrTooMuch, rest, provider)
	}
	if err := k.bank.SendCoinsFromModuleToModule(ctx, ModuleName, to, coins(amount)); err != nil {
		return err
	}
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(&providerv1.EventSlashed{Provider: provider, Amount: amount, Bond: p.Bond})
}

// Jail keeps a provider from selling until a time, Unix seconds, or for good.
func (k *Keeper) Jail(ctx context.Context, provider string, until int64, tombstone bool) error {
	p, err := k.Provider(ctx, provider)
	if err != nil {
		return err
	}
	p.Status, p.JailedUntil, p.Tombstoned = providerv1.Status_STATUS_JAILED, max(p.JailedUntil, until), p.Tombstoned || tombstone
	if err := k.providers.Set(ctx, provider, p); err != nil {
		return err
	}
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(
		&providerv1.EventJailed{Provider: provider, Until: p.JailedUntil, Tombstoned: p.Tombstoned})
}

// Unjail implements providerv1.MsgServer.
func (m messages) Unjail(ctx context.Context, msg *providerv1.MsgUnjail) (*providerv1.MsgUnjailResponse, error) {
	p, err := m.Provider(ctx, msg.Provider)
	if err != nil {
		return nil, err
	}
	params, err := m.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	switch now := sdkCtx.BlockTime().Unix(); {
	case p.Status != providerv1.Status_STATUS_JAILED:
		return nil, ErrNotJailed
	case p.Tombstoned:
		return nil, ErrTombstoned
	case now < p.JailedUntil:
		return nil, fmt.Errorf("%w: until %d, it is %d", ErrStillIn, p.JailedUntil, now)
	case p.Bond < params.MinBond:
		return nil, fmt.Errorf("%w: %d of %d ukoin; add to it first", ErrTooLittle, p.Bond, params.MinBond)
	}
	p.Status, p.JailedUntil = providerv1.Status_STATUS_ACTIVE, 0
	if err := m.providers.Set(ctx, p.Address, p); err != nil {
		return nil, err
	}
	return &providerv1.MsgUnjailResponse{}, sdkCtx.EventManager().EmitTypedEvent(&providerv1.EventUnjailed{Provider: p.Address})
}

// Exposure is how much a provider may have in active grants, in ucredit, by its
// bond; bounded is false if nothing bounds it.
func (k *Keeper) Exposure(ctx context.Context, provider string) (ucredit uint64, bounded bool, err error) {
	params, err := k.params.Get(ctx)
	if err != nil || params.ExposurePerKoin == 0 {
		return 0, false, err
	}
	p, err := k.Provider(ctx, provider)
	return bond.Exposure(p.Bond, params.ExposurePerKoin), true, err
}
