package curation

import (
	"context"

	"cosmossdk.io/collections"

	"github.com/cosmos/cosmos-sdk/types/query"

	curationv1 "github.com/koinon/koinon/api/koinon/curation/v1"
	"github.com/koinon/koinon/internal/mechanism/curation"
)

// queries serves reads.
type queries struct{ *Keeper }

// Ranking implements curationv1.QueryServer.
func (q queries) Ranking(ctx context.Context, r *curationv1.QueryRankingRequest) (*curationv1.QueryRankingResponse, error) {
	page := &query.PageRequest{}
	if r.Pagination != nil {
		copied := *r.Pagination
		page = &copied
	}
	page.Reverse = !page.Reverse // keys ascend; the most staked comes first
	list, next, err := query.CollectionPaginate(ctx, q.ranks, page,
		func(key rankKey, _ collections.NoValue) (curationv1.Standing, error) {
			id := key.K2().K2()
			l, err := q.listing(ctx, id)
			return standing(id, l), err
		},
		query.WithCollectionPaginationPairPrefix[string, standKey](r.Kind))
	return &curationv1.QueryRankingResponse{Standings: list, Pagination: next}, err
}

// Listing implements curationv1.QueryServer.
func (q queries) Listing(ctx context.Context, r *curationv1.QueryListingRequest) (*curationv1.QueryListingResponse, error) {
	l, err := q.listing(ctx, r.Id)
	return &curationv1.QueryListingResponse{Listing: storedListing(r.Id, l), Standing: standing(r.Id, l)}, err
}

// Signals implements curationv1.QueryServer.
func (q queries) Signals(ctx context.Context, r *curationv1.QuerySignalsRequest) (*curationv1.QuerySignalsResponse, error) {
	list, page, err := query.CollectionPaginate(ctx, q.signals, r.Pagination,
		func(_ textsKey, s curationv1.Signal) (curationv1.Holding, error) {
			l, err := q.listing(ctx, s.Listing)
			return curationv1.Holding{Signal: s, Worth: curation.Worth(l, s.Units), Fees: curation.Pending(l, positionOf(s))}, err
		},
		query.WithCollectionPaginationPairPrefix[string, string](r.Curator))
	return &curationv1.QuerySignalsResponse{Holdings: list, Pagination: page}, err
}

// Leavings implements curationv1.QueryServer.
func (q queries) Leavings(ctx context.Context, r *curationv1.QueryLeavingsRequest) (*curationv1.QueryLeavingsResponse, error) {
	list, page, err := query.CollectionPaginate(ctx, q.byCurator, r.Pagination,
		func(key collections.Pair[string, leavingKey], _ collections.NoValue) (curationv1.Leaving, error) {
			return q.leavings.Get(ctx, key.K2())
		},
		query.WithCollectionPaginationPairPrefix[string, leavingKey](r.Curator))
	return &curationv1.QueryLeavingsResponse{Leavings: list, Pagination: page}, err
}

// Params implements curationv1.QueryServer.
func (q queries) Params(ctx context.Context, _ *curationv1.QueryParamsRequest) (*curationv1.QueryParamsResponse, error) {
	p, err := q.params.Get(ctx)
	return &curationv1.QueryParamsResponse{Params: p}, err
}
