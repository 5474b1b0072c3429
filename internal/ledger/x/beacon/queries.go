package beacon

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/types/query"

	beaconv1 "github.com/koinon/koinon/api/koinon/beacon/v1"
)

// queries serves reads.
type queries struct{ *Keeper }

// Latest implements beaconv1.QueryServer.
func (q queries) Latest(ctx context.Context, _ *beaconv1.QueryLatestRequest) (*beaconv1.QueryLatestResponse, error) {
	height, r, err := q.Keeper.Latest(ctx)
	return &beaconv1.QueryLatestResponse{Height: height, Randomness: r[:]}, err
}

// Randomness implements beaconv1.QueryServer.
func (q queries) Randomness(ctx context.Context, r *beaconv1.QueryRandomnessRequest) (*beaconv1.QueryRandomnessResponse, error) {
	randomness, err := q.Keeper.Randomness(ctx, r.Height)
	if err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	return &beaconv1.QueryRandomnessResponse{Randomness: randomness[:]}, nil
}

// Standings implements beaconv1.QueryServer.
func (q queries) Standings(ctx context.Context, r *beaconv1.QueryStandingsRequest) (*beaconv1.QueryStandingsResponse, error) {
	list, page, err := query.CollectionPaginate(ctx, q.standings, r.Pagination,
		func(_ []byte, s beaconv1.Standing) (beaconv1.Standing, error) { return s, nil })
	return &beaconv1.QueryStandingsResponse{Standings: list, Pagination: page}, err
}

// Params implements beaconv1.QueryServer.
func (q queries) Params(ctx context.Context, _ *beaconv1.QueryParamsRequest) (*beaconv1.QueryParamsResponse, error) {
	p, err := q.params.Get(ctx)
	return &beaconv1.QueryParamsResponse{Params: p}, err
}
