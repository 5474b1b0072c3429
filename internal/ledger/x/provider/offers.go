package provider

import (
	"context"

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

// HasOffer says whether a provider offers a model version.
func (k *Keeper) HasOffer(ctx context.Context, model, provider string) (bool, error) {
	return k.offers.Has(ctx, collections.Join(model, provider))
}
