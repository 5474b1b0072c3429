package provider

import (
	"context"
	"errors"
	"math"

	"cosmossdk.io/collections"

	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
)

// OffersAfter lists up to n offers in the order of model and provider, from the
// first after a given one; empty strings come before all.
func (k *Keeper) OffersAfter(ctx context.Context, model, provider string, n int) ([]providerv1.Offer, error) {
	var list []providerv1.Offer
	after := new(collections.Range[collections.Pair[string, string]]).StartExclusive(collections.Join(model, provider))
	err := k.offers.Walk(ctx, after, func(_ collections.Pair[string, string], o providerv1.Offer) (bool, error) {
		list = append(list, o)
		return len(list) >= n, nil
	})
	return list, err
}

// MaySell refuses a provider of a version whose offer is above what the model's
// shareholders allow by now, or who has none where they allow anything at all.
func (k *Keeper) MaySell(ctx context.Context, model, provider string) error {
	o, err := k.offers.Get(ctx, collections.Join(model, provider))
	switch {
	case errors.Is(err, collections.ErrNotFound):
		o.InputPrice, o.OutputPrice = math.MaxUint64, math.MaxUint64
	case err != nil:
		return err
	}
	return k.ceilings.Allows(ctx, model, o.InputPrice, o.OutputPrice)
}

// HasOffer says whether a provider offers a model version.
func (k *Keeper) HasOffer(ctx context.Context, model, provider string) (bool, error) {
	return k.offers.Has(ctx, collections.Join(model, provider))
}
