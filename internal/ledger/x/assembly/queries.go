package assembly

import (
	"context"

	"cosmossdk.io/collections"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/types/query"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
)

// queries serves reads.
type queries struct{ *Keeper }

// Proposal implements assemblyv1.QueryServer.
func (q queries) Proposal(ctx context.Context, r *assemblyv1.QueryProposalRequest) (*assemblyv1.QueryProposalResponse, error) {
	p, err := q.proposal(ctx, r.Id)
	if err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	return &assemblyv1.QueryProposalResponse{Proposal: p}, nil
}

// Proposals implements assemblyv1.QueryServer.
func (q queries) Proposals(ctx context.Context, r *assemblyv1.QueryProposalsRequest) (*assemblyv1.QueryProposalsResponse, error) {
	if r.Model == "" {
		list, page, err := query.CollectionPaginate(ctx, q.proposals, r.Pagination,
			func(_ uint64, p assemblyv1.Proposal) (assemblyv1.Proposal, error) { return p, nil })
		return &assemblyv1.QueryProposalsResponse{Proposals: list, Pagination: page}, err
	}
	list, page, err := query.CollectionPaginate(ctx, q.byModel, r.Pagination,
		func(key modelKey, _ collections.NoValue) (assemblyv1.Proposal, error) {
			return q.proposals.Get(ctx, key.K2())
		},
		query.WithCollectionPaginationPairPrefix[string, uint64](r.Model))
	return &assemblyv1.QueryProposalsResponse{Proposals: list, Pagination: page}, err
}

// Settings implements assemblyv1.QueryServer.
func (q queries) Settings(ctx context.Context, r *assemblyv1.QuerySettingsRequest) (*assemblyv1.QuerySettingsResponse, error) {
	s, err := q.Keeper.Settings(ctx, r.Model)
	if err != nil {
		return nil, err
	}
	charter, err := q.charter(ctx, r.Model)
	if err != nil {
		return nil, err
	}
	treasury, err := q.addresses.BytesToString(Treasury(r.Model))
	return &assemblyv1.QuerySettingsResponse{Settings: s, Charter: charter, Treasury: treasury}, err
}

// Ceilings implements assemblyv1.QueryServer.
func (q queries) Ceilings(ctx context.Context, _ *assemblyv1.QueryCeilingsRequest) (*assemblyv1.QueryCeilingsResponse, error) {
	r := &assemblyv1.QueryCeilingsResponse{}
	return r, q.settings.Walk(ctx, nil, func(model string, s assemblyv1.Settings) (bool, error) {
		if s.Ceiling != (assemblyv1.Ceiling{}) {
			r.Ceilings = append(r.Ceilings, assemblyv1.ModelCeiling{Model: model, Ceiling: s.Ceiling})
		}
		return false, nil
	})
}

// Params implements assemblyv1.QueryServer.
func (q queries) Params(ctx context.Context, _ *assemblyv1.QueryParamsRequest) (*assemblyv1.QueryParamsResponse, error) {
	p, err := q.params.Get(ctx)
	return &assemblyv1.QueryParamsResponse{Params: p}, err
}
