package pin

import (
	"context"

	"cosmossdk.io/collections"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/types/query"

	pinv1 "github.com/koinon/koinon/api/koinon/pin/v1"
)

// queries serves reads.
type queries struct{ *Keeper }

// Pin implements pinv1.QueryServer.
func (q queries) Pin(ctx context.Context, r *pinv1.QueryPinRequest) (*pinv1.QueryPinResponse, error) {
	p, err := q.pin(ctx, r.Id)
	if err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	list, err := q.holders(ctx, r.Id)
	return &pinv1.QueryPinResponse{Pin: p, Holds: list}, err
}

// Pins implements pinv1.QueryServer.
func (q queries) Pins(ctx context.Context, r *pinv1.QueryPinsRequest) (*pinv1.QueryPinsResponse, error) {
	list, page, err := query.CollectionPaginate(ctx, q.pins, r.Pagination,
		func(_ uint64, p pinv1.Pin) (pinv1.Pin, error) { return p, nil })
	return &pinv1.QueryPinsResponse{Pins: list, Pagination: page}, err
}

// Duties implements pinv1.QueryServer.
func (q queries) Duties(ctx context.Context, r *pinv1.QueryDutiesRequest) (*pinv1.QueryDutiesResponse, error) {
	list, page, err := query.CollectionPaginate(ctx, q.duties, r.Pagination,
		func(key dutyKey, _ collections.NoValue) (pinv1.Hold, error) {
			return q.holds.Get(ctx, collections.Join(key.K2(), key.K1()))
		},
		query.WithCollectionPaginationPairPrefix[string, uint64](r.Holder))
	return &pinv1.QueryDutiesResponse{Holds: list, Pagination: page}, err
}

// Params implements pinv1.QueryServer.
func (q queries) Params(ctx context.Context, _ *pinv1.QueryParamsRequest) (*pinv1.QueryParamsResponse, error) {
	p, err := q.params.Get(ctx)
	return &pinv1.QueryParamsResponse{Params: p}, err
}
