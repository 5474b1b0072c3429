package pool

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/types/query"

	poolv1 "github.com/koinon/koinon/api/koinon/pool/v1"
)

// queries serves reads.
type queries struct{ *Keeper }

// Pool implements poolv1.QueryServer.
func (q queries) Pool(ctx context.Context, r *poolv1.QueryPoolRequest) (*poolv1.QueryPoolResponse, error) {
	params, err := q.loadParams(ctx)
	if err != nil {
		return nil, err
	}
	p, err := q.load(ctx, r.Denom)
	if err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	return &poolv1.QueryPoolResponse{Quote: quote(params, storedPool(r.Denom, p), blockTime(ctx))}, nil
}

// Pools implements poolv1.QueryServer.
func (q queries) Pools(ctx context.Context, r *poolv1.QueryPoolsRequest) (*poolv1.QueryPoolsResponse, error) {
	params, err := q.loadParams(ctx)
	if err != nil {
		return nil, err
	}
	list, page, err := query.CollectionPaginate(ctx, q.pools, r.Pagination,
		func(_ string, p poolv1.Pool) (poolv1.Quote, error) { return quote(params, p, blockTime(ctx)), nil })
	return &poolv1.QueryPoolsResponse{Quotes: list, Pagination: page}, err
}

// Stakes implements poolv1.QueryServer.
func (q queries) Stakes(ctx context.Context, r *poolv1.QueryStakesRequest) (*poolv1.QueryStakesResponse, error) {
	list, page, err := query.CollectionPaginate(ctx, q.stakes, r.Pagination,
		func(_ stakeKey, s poolv1.Stake) (poolv1.Stake, error) { return s, nil },
		query.WithCollectionPaginationPairPrefix[string, string](r.Owner))
	return &poolv1.QueryStakesResponse{Stakes: list, Pagination: page}, err
}

// Params implements poolv1.QueryServer.
func (q queries) Params(ctx context.Context, _ *poolv1.QueryParamsRequest) (*poolv1.QueryParamsResponse, error) {
	p, err := q.params.Get(ctx)
	return &poolv1.QueryParamsResponse{Params: p}, err
}
