package provider

import (
	"context"

	"cosmossdk.io/collections"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/types/query"

	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
)

// queries serves reads.
type queries struct{ *Keeper }

// Provider implements providerv1.QueryServer.
func (q queries) Provider(ctx context.Context, r *providerv1.QueryProviderRequest) (*providerv1.QueryProviderResponse, error) {
	p, err := q.Keeper.Provider(ctx, r.Address)
	if err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	response := &providerv1.QueryProviderResponse{Provider: p}
	err = q.leaving.Walk(ctx, collections.NewPrefixedPairRange[string, int64](r.Address), func(key collections.Pair[string, int64]) (bool, error) {
		u, err := q.unbondings.Get(ctx, collections.Join(key.K2(), key.K1()))
		response.Unbondings = append(response.Unbondings, u)
		return false, err
	})
	return response, err
}

// Providers implements providerv1.QueryServer.
func (q queries) Providers(ctx context.Context, r *providerv1.QueryProvidersRequest) (*providerv1.QueryProvidersResponse, error) {
	list, page, err := query.CollectionPaginate(ctx, q.providers, r.Pagination,
		func(_ string, p providerv1.Provider) (providerv1.Provider, error) { return p, nil })
	return &providerv1.QueryProvidersResponse{Providers: list, Pagination: page}, err
}

// Offers implements providerv1.QueryServer.
func (q queries) Offers(ctx context.Context, r *providerv1.QueryOffersRequest) (*providerv1.QueryOffersResponse, error) {
	type key = collections.Pair[string, string]
	if r.Provider != "" {
		list, page, err := query.CollectionFilteredPaginate(ctx, q.byProvider, r.Pagination,
			func(k key, _ collections.NoValue) (bool, error) {
				return r.ModelDigest == "" || k.K2() == r.ModelDigest, nil
			},
			func(k key, _ collections.NoValue) (providerv1.Offer, error) {
				return q.offers.Get(ctx, collections.Join(k.K2(), k.K1()))
			}, query.WithCollectionPaginationPairPrefix[string, string](r.Provider))
		return &providerv1.QueryOffersResponse{Offers: list, Pagination: page}, err
	}
	var options []func(*query.CollectionsPaginateOptions[key])
	if r.ModelDigest != "" {
		options = append(options, query.WithCollectionPaginationPairPrefix[string, string](r.ModelDigest))
	}
	list, page, err := query.CollectionPaginate(ctx, q.offers, r.Pagination,
		func(_ key, o providerv1.Offer) (providerv1.Offer, error) { return o, nil }, options...)
	return &providerv1.QueryOffersResponse{Offers: list, Pagination: page}, err
}

// Params implements providerv1.QueryServer.
func (q queries) Params(ctx context.Context, _ *providerv1.QueryParamsRequest) (*providerv1.QueryParamsResponse, error) {
	p, err := q.params.Get(ctx)
	return &providerv1.QueryParamsResponse{Params: p}, err
}
