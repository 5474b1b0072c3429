package pool

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	poolv1 "github.com/koinon/koinon/api/koinon/pool/v1"
	"github.com/koinon/koinon/internal/mechanism/pool"
)

// DefaultGenesis has the parameters of a public network: a fee of 0.3 %, at most
// a tenth of movement a block, prices averaged over half an hour to an hour.
func DefaultGenesis() *poolv1.GenesisState {
	return &poolv1.GenesisState{Params: poolv1.Params{FeeBps: 30, MoveBps: 1_000, WindowSeconds: 1_800}}
}

// initGenesis stores a genesis and refuses one that does not add up.
func (k *Keeper) initGenesis(ctx context.Context, s poolv1.GenesisState) error {
	if err := errors.Join(paramsOf(s.Params).Validate(), k.params.Set(ctx, s.Params)); err != nil {
		return err
	}
	for _, p := range s.Pools {
		if err := k.pools.Set(ctx, p.Denom, p); err != nil {
			return err
		}
	}
	for _, v := range s.Stakes {
		if err := k.stakes.Set(ctx, collections.Join(v.Owner, v.Denom), v); err != nil {
			return err
		}
	}
	return k.CheckBooks(ctx)
}

// exportGenesis returns the whole state, in the order of its keys. Heights begin
// anew with it.
func (k *Keeper) exportGenesis(ctx context.Context) (*poolv1.GenesisState, error) {
	params, err := k.params.Get(ctx)
	s := &poolv1.GenesisState{Params: params}
	err = errors.Join(err, collect(ctx, k.pools, &s.Pools), collect(ctx, k.stakes, &s.Stakes))
	for i := range s.Pools {
		s.Pools[i].Height = 0
	}
	return s, err
}

// collect appends all values of a map, in the order of their keys.
func collect[K, V any](ctx context.Context, m collections.Map[K, V], into *[]V) error {
	return m.Walk(ctx, nil, func(_ K, v V) (bool, error) {
		*into = append(*into, v)
		return false, nil
	})
}

// CheckBooks compares each pool with its owners' parts, and all with what the
// module's account holds.
func (k *Keeper) CheckBooks(ctx context.Context) error {
	parts := map[string]uint64{}
	credit := sdkmath.ZeroInt()
	err := errors.Join(
		k.stakes.Walk(ctx, nil, func(_ stakeKey, s poolv1.Stake) (bool, error) {
			parts[s.Denom] += s.Parts
			return false, nil
		}),
		k.pools.Walk(ctx, nil, func(denom string, p poolv1.Pool) (bool, error) {
			credit = credit.Add(sdkmath.NewIntFromUint64(p.Credit))
			if parts[denom]+pool.Locked != p.Parts {
				return true, fmt.Errorf("%w: the pool of %s has %d parts, its owners %d and nobody %d", ErrBooks, denom, p.Parts, parts[denom], pool.Locked)
			}
			return false, k.holds(ctx, denom, sdkmath.NewIntFromUint64(p.Asset))
		}))
	return errors.Join(err, k.holds(ctx, creditDenom, credit))
}

// holds refuses a balance of the module that is not what its pools say.
func (k *Keeper) holds(ctx context.Context, denom string, want sdkmath.Int) error {
	if has := k.bank.GetBalance(ctx, k.account, denom).Amount; !has.Equal(want) {
		return fmt.Errorf("%w: %s %s are in the pools, %s are held", ErrBooks, want, denom, has)
	}
	return nil
}
