package curation

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	curationv1 "github.com/koinon/koinon/api/koinon/curation/v1"
)

// DefaultGenesis has the parameters of a public network: 1 % of tax, a week of
// delay, signals of at least a KOIN.
func DefaultGenesis() *curationv1.GenesisState {
	return &curationv1.GenesisState{Params: curationv1.Params{TaxBps: 100, DelaySeconds: 7 * 24 * 3600, MinSignal: 1_000_000}}
}

// initGenesis stores a genesis and refuses one that does not add up.
func (k *Keeper) initGenesis(ctx context.Context, s curationv1.GenesisState) error {
	if err := errors.Join(paramsOf(s.Params).Validate(), k.params.Set(ctx, s.Params)); err != nil {
		return err
	}
	for _, l := range s.Listings {
		if err := k.setListing(ctx, l.Id, listingOf(l)); err != nil {
			return err
		}
	}
	for _, p := range s.Signals {
		if err := k.signals.Set(ctx, collections.Join(p.Curator, p.Listing), p); err != nil {
			return err
		}
	}
	for _, v := range s.Leavings {
		if err := k.addLeaving(ctx, v); err != nil {
			return err
		}
	}
	for _, r := range s.Ratings {
		if err := k.ratings.Set(ctx, collections.Join(r.Payer, r.Listing), r); err != nil {
			return err
		}
	}
	for _, p := range s.Spent {
		if err := k.spent.Set(ctx, collections.Join(p.Payer, p.Listing), p); err != nil {
			return err
		}
	}
	return k.CheckBooks(ctx)
}

// exportGenesis returns the whole state, in the order of its keys.
func (k *Keeper) exportGenesis(ctx context.Context) (*curationv1.GenesisState, error) {
	params, err := k.params.Get(ctx)
	s := &curationv1.GenesisState{Params: params}
	return s, errors.Join(err,
		collect(ctx, k.listings, &s.Listings), collect(ctx, k.signals, &s.Signals), collect(ctx, k.leavings, &s.Leavings),
		collect(ctx, k.ratings, &s.Ratings), collect(ctx, k.spent, &s.Spent))
}

// collect appends all values of a map, in the order of their keys.
func collect[K, V any](ctx context.Context, m collections.Map[K, V], into *[]V) error {
	return m.Walk(ctx, nil, func(_ K, v V) (bool, error) {
		*into = append(*into, v)
		return false, nil
	})
}

// sums are what the curators of one listing claim.
type sums struct{ units, shares, stars, weight uint64 }

// CheckBooks compares each listing with its signals, and all with what the
// module's account holds.
func (k *Keeper) CheckBooks(ctx context.Context) error {
	all := map[string]sums{}
	add := func(id string, more sums) {
		s := all[id]
		all[id] = sums{s.units + more.units, s.shares + more.shares, s.stars + more.stars, s.weight + more.weight}
	}
	staked, held := sdkmath.ZeroInt(), sdkmath.ZeroInt()
	err := errors.Join(
		k.signals.Walk(ctx, nil, func(_ textsKey, s curationv1.Signal) (bool, error) {
			add(s.Listing, sums{units: s.Units, shares: s.Shares})
			return false, nil
		}),
		k.leavings.Walk(ctx, nil, func(_ leavingKey, v curationv1.Leaving) (bool, error) {
			add(v.Listing, sums{units: v.Units})
			return false, nil
		}),
		k.ratings.Walk(ctx, nil, func(_ textsKey, r curationv1.Rating) (bool, error) {
			add(r.Listing, sums{stars: uint64(r.Stars) * r.Weight, weight: r.Weight})
			return false, nil
		}),
		k.listings.Walk(ctx, nil, func(id string, l curationv1.Listing) (bool, error) {
			staked = staked.Add(sdkmath.NewIntFromUint64(l.Staked))
			held = held.Add(sdkmath.NewIntFromUint64(l.Held))
			if want := (sums{l.Units, l.Shares, l.Stars, l.Weight}); all[id] != want {
				return true, fmt.Errorf("%w: listing %s says %+v, its signals and ratings %+v", ErrBooks, id, want, all[id])
			}
			return false, nil
		}))
	if err != nil {
		return err
	}
	for _, c := range []struct {
		denom string
		owed  sdkmath.Int
	}{{stakeDenom, staked}, {feeDenom, held}} {
		if has := k.bank.GetBalance(ctx, k.account, c.denom).Amount; !has.Equal(c.owed) {
			return fmt.Errorf("%w: %s %s are owed, %s held", ErrBooks, c.owed, c.denom, has)
		}
	}
	return nil
}
