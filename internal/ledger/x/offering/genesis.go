package offering

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
)

// initGenesis stores a genesis and refuses one that does not add up.
func (k *Keeper) initGenesis(ctx context.Context, s offeringv1.GenesisState) error {
	for _, o := range s.Offerings {
		if err := k.add(ctx, o); err != nil {
			return err
		}
	}
	for _, p := range s.Positions {
		if err := k.setPosition(ctx, p); err != nil {
			return err
		}
	}
	for _, o := range s.Orders {
		if err := k.orders.Set(ctx, collections.Join(o.Offering, o.Id), o); err != nil {
			return err
		}
	}
	for _, v := range s.Settling {
		if err := k.settling.Set(ctx, v.Offering, v); err != nil {
			return err
		}
	}
	for _, e := range s.Evaluations {
		if err := k.setEvaluation(ctx, e); err != nil {
			return err
		}
	}
	if err := errors.Join(councilOf(s.Council).Validate(), k.council.Set(ctx, s.Council)); err != nil {
		return err
	}
	if err := errors.Join(k.nextOffering.Set(ctx, s.NextOffering), k.nextOrder.Set(ctx, s.NextOrder)); err != nil {
		return err
	}
	return k.CheckBooks(ctx)
}

// exportGenesis returns the whole state, in the order of its keys.
func (k *Keeper) exportGenesis(ctx context.Context) (*offeringv1.GenesisState, error) {
	s := &offeringv1.GenesisState{}
	var err, err2, err3 error
	s.NextOffering, err = k.nextOffering.Peek(ctx)
	s.NextOrder, err2 = k.nextOrder.Peek(ctx)
	s.Council, err3 = k.theCouncil(ctx)
	return s, errors.Join(err, err2, err3, collect(ctx, k.evaluations, &s.Evaluations),
		collect(ctx, k.offerings, &s.Offerings), collect(ctx, k.positions, &s.Positions),
		collect(ctx, k.orders, &s.Orders), collect(ctx, k.settling, &s.Settling))
}

// collect appends all values of a map, in the order of their keys.
func collect[K, V any](ctx context.Context, m collections.Map[K, V], into *[]V) error {
	return m.Walk(ctx, nil, func(_ K, v V) (bool, error) {
		*into = append(*into, v)
		return false, nil
	})
}

// CheckBooks compares each offering with its buyers' positions, and all with
// what the module's account holds.
func (k *Keeper) CheckBooks(ctx context.Context) error {
	contributed, owed, denoms := map[uint64]uint64{}, map[uint64]uint64{}, map[uint64]string{}
	holds := map[string]sdkmath.Int{creditDenom: sdkmath.ZeroInt()}
	add := func(denom string, amount uint64) {
		if _, known := holds[denom]; !known {
			holds[denom] = sdkmath.ZeroInt()
		}
		holds[denom] = holds[denom].Add(sdkmath.NewIntFromUint64(amount))
	}
	err := errors.Join(
		k.positions.Walk(ctx, nil, func(_ positionKey, p offeringv1.Position) (bool, error) {
			contributed[p.Offering] += p.Raised
			owed[p.Offering] += p.Shares
			return false, nil
		}),
		k.offerings.Walk(ctx, nil, func(id uint64, o offeringv1.Offering) (bool, error) {
			add(creditDenom, o.Held)
			add(creditDenom, o.Reserve)
			add(o.Denom, o.Stock)
			denoms[id] = o.Denom
			if contributed[id] != o.Contributed || owed[id] > o.Stock || o.Held > o.Raised {
				return true, fmt.Errorf("%w: offering %d: buyers raised %d and are owed %d shares; it says %+v", ErrBooks, id, contributed[id], owed[id], o)
			}
			if c := termsOf(o.Terms).Curve; c != nil {
				if need, err := c.Reserve(o.Sold); err != nil || need != o.Reserve {
					return true, fmt.Errorf("%w: offering %d has a reserve of %d, its curve needs %d: %w", ErrBooks, id, o.Reserve, need, errors.Join(err))
				}
			}
			return false, nil
		}),
		k.orders.Walk(ctx, nil, func(_ orderKey, o offeringv1.Order) (bool, error) {
			add(creditDenom, o.Budget)
			add(denoms[o.Offering], o.Shares)
			return false, nil
		}))
	if err != nil {
		return err
	}
	for _, denom := range slices.Sorted(maps.Keys(holds)) {
		if has := k.bank.GetBalance(ctx, k.account, denom).Amount; !has.Equal(holds[denom]) {
			return fmt.Errorf("%w: %s %s are owed, %s held", ErrBooks, holds[denom], denom, has)
		}
	}
	return nil
}
