package offering

import (
	"context"

	"cosmossdk.io/collections"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/types/query"

	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
)

// queries serves reads.
type queries struct{ *Keeper }

// Offering implements offeringv1.QueryServer.
func (q queries) Offering(ctx context.Context, r *offeringv1.QueryOfferingRequest) (*offeringv1.QueryOfferingResponse, error) {
	o, err := q.Keeper.Offering(ctx, r.Id)
	if err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	return &offeringv1.QueryOfferingResponse{Offering: o}, nil
}

// Offerings implements offeringv1.QueryServer.
func (q queries) Offerings(ctx context.Context, r *offeringv1.QueryOfferingsRequest) (*offeringv1.QueryOfferingsResponse, error) {
	if r.Model == "" {
		list, page, err := query.CollectionPaginate(ctx, q.offerings, r.Pagination,
			func(_ uint64, o offeringv1.Offering) (offeringv1.Offering, error) { return o, nil })
		return &offeringv1.QueryOfferingsResponse{Offerings: list, Pagination: page}, err
	}
	list, page, err := query.CollectionPaginate(ctx, q.byModel, r.Pagination,
		func(key modelKey, _ collections.NoValue) (offeringv1.Offering, error) {
			return q.offerings.Get(ctx, key.K2())
		},
		query.WithCollectionPaginationPairPrefix[string, uint64](r.Model))
	return &offeringv1.QueryOfferingsResponse{Offerings: list, Pagination: page}, err
}

// Positions implements offeringv1.QueryServer.
func (q queries) Positions(ctx context.Context, r *offeringv1.QueryPositionsRequest) (*offeringv1.QueryPositionsResponse, error) {
	list, page, err := query.CollectionPaginate(ctx, q.positions, r.Pagination,
		func(_ positionKey, p offeringv1.Position) (offeringv1.Position, error) { return p, nil },
		query.WithCollectionPaginationPairPrefix[uint64, string](r.Offering))
	return &offeringv1.QueryPositionsResponse{Positions: list, Pagination: page}, err
}

// Evaluations implements offeringv1.QueryServer.
func (q queries) Evaluations(ctx context.Context, r *offeringv1.QueryEvaluationsRequest) (*offeringv1.QueryEvaluationsResponse, error) {
	c, err := q.theCouncil(ctx)
	if err != nil {
		return nil, err
	}
	prefix := collections.TriplePrefix[string, string, string](r.ModelDigest)
	list, page, err := query.CollectionPaginate(ctx, q.evaluations, r.Pagination,
		func(_ evaluationKey, e offeringv1.Evaluation) (offeringv1.Evaluation, error) { return e, nil },
		func(o *query.CollectionsPaginateOptions[evaluationKey]) { o.Prefix = &prefix })
	return &offeringv1.QueryEvaluationsResponse{Evaluations: list, Council: c, Pagination: page}, err
}
