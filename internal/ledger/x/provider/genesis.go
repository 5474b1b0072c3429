package provider

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
)

// DefaultGenesis has the parameters of a public network and nobody in it.
func DefaultGenesis() *providerv1.GenesisState {
	return &providerv1.GenesisState{Params: providerv1.Params{
		MinBond: 100_000_000, UnbondingSeconds: 14 * 24 * 3600, MaxOffersPerProvider: 256,
		ExposurePerKoin: 10_000_000,
	}}
}

// initGenesis stores a genesis and refuses one whose bonds do not add up.
func (k *Keeper) initGenesis(ctx context.Context, state providerv1.GenesisState) error {
	if err := validateParams(state.Params); err != nil {
		return err
	}
	if err := k.params.Set(ctx, state.Params); err != nil {
		return err
	}
	for _, p := range state.Providers {
		if taken, err := k.keys.Has(ctx, p.PublicKey); err != nil || taken {
			return errors.Join(err, fmt.Errorf("%w: of %s", ErrKeyTaken, p.Address))
		}
		if err := errors.Join(k.providers.Set(ctx, p.Address, p), k.keys.Set(ctx, p.PublicKey, p.Address)); err != nil {
			return err
		}
	}
	for _, o := range state.Offers {
		if known, err := k.providers.Has(ctx, o.Provider); err != nil || !known {
			return errors.Join(err, fmt.Errorf("an offer of %s, who is no provider", o.Provider))
		}
		if err := k.storeOffer(ctx, o); err != nil {
			return err
		}
	}
	for _, u := range state.Unbondings {
		if err := k.storeUnbonding(ctx, u); err != nil {
			return err
		}
	}
	return k.CheckBonds(ctx)
}

// exportGenesis returns the whole state, in the order of its keys.
func (k *Keeper) exportGenesis(ctx context.Context) (*providerv1.GenesisState, error) {
	params, err := k.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	state := &providerv1.GenesisState{Params: params}
	return state, errors.Join(
		k.providers.Walk(ctx, nil, func(_ string, p providerv1.Provider) (bool, error) {
			state.Providers = append(state.Providers, p)
			return false, nil
		}),
		k.offers.Walk(ctx, nil, func(_ collections.Pair[string, string], o providerv1.Offer) (bool, error) {
			state.Offers = append(state.Offers, o)
			return false, nil
		}),
		k.unbondings.Walk(ctx, nil, func(_ collections.Pair[int64, string], u providerv1.Unbonding) (bool, error) {
			state.Unbondings = append(state.Unbondings, u)
			return false, nil
		}))
}
