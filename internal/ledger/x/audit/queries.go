package audit

import (
	"context"
	"errors"

	"cosmossdk.io/collections"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/types/query"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
)

// queries serves reads.
type queries struct{ *Keeper }

// Auditor implements auditv1.QueryServer.
func (q queries) Auditor(ctx context.Context, r *auditv1.QueryAuditorRequest) (*auditv1.QueryAuditorResponse, error) {
	a, err := q.auditor(ctx, r.Address)
	if err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	leaving, err := q.leavingOf(ctx, r.Address)
	return &auditv1.QueryAuditorResponse{Auditor: a, Unbondings: leaving}, err
}

// Auditors implements auditv1.QueryServer.
func (q queries) Auditors(ctx context.Context, r *auditv1.QueryAuditorsRequest) (*auditv1.QueryAuditorsResponse, error) {
	list, page, err := query.CollectionPaginate(ctx, q.auditors, r.Pagination,
		func(_ string, a auditv1.Auditor) (auditv1.Auditor, error) { return a, nil })
	return &auditv1.QueryAuditorsResponse{Auditors: list, Pagination: page}, err
}

// Case implements auditv1.QueryServer.
func (q queries) Case(ctx context.Context, r *auditv1.QueryCaseRequest) (*auditv1.QueryCaseResponse, error) {
	c, err := q.cases.Get(ctx, r.Id)
	if errors.Is(err, collections.ErrNotFound) {
		return nil, status.Errorf(codes.NotFound, "there is no case %d", r.Id)
	}
	return &auditv1.QueryCaseResponse{Case: c}, err
}

// Cases implements auditv1.QueryServer.
func (q queries) Cases(ctx context.Context, r *auditv1.QueryCasesRequest) (*auditv1.QueryCasesResponse, error) {
	if r.Address != "" {
		list, page, err := query.CollectionPaginate(ctx, q.parties, r.Pagination,
			func(key partyKey, _ collections.NoValue) (auditv1.Case, error) { return q.cases.Get(ctx, key.K2()) },
			query.WithCollectionPaginationPairPrefix[string, uint64](r.Address))
		return &auditv1.QueryCasesResponse{Cases: list, Pagination: page}, err
	}
	list, page, err := query.CollectionPaginate(ctx, q.cases, r.Pagination,
		func(_ uint64, c auditv1.Case) (auditv1.Case, error) { return c, nil })
	return &auditv1.QueryCasesResponse{Cases: list, Pagination: page}, err
}

// Sealed implements auditv1.QueryServer.
func (q queries) Sealed(ctx context.Context, r *auditv1.QuerySealedRequest) (*auditv1.QuerySealedResponse, error) {
	ciphertext, err := q.sealed.Get(ctx, r.Id)
	if errors.Is(err, collections.ErrNotFound) {
		return nil, status.Errorf(codes.NotFound, "nothing is sealed in case %d, or it is closed", r.Id)
	}
	return &auditv1.QuerySealedResponse{Ciphertext: ciphertext}, err
}

// Record implements auditv1.QueryServer.
func (q queries) Record(ctx context.Context, r *auditv1.QueryRecordRequest) (*auditv1.QueryRecordResponse, error) {
	record, err := q.record(ctx, r.Address)
	if err != nil {
		return nil, err
	}
	params, err := q.params.Get(ctx)
	return &auditv1.QueryRecordResponse{Record: record, Rate: rateOf(record, params)}, err
}

// Convictions implements auditv1.QueryServer.
func (q queries) Convictions(ctx context.Context, r *auditv1.QueryConvictionsRequest) (*auditv1.QueryConvictionsResponse, error) {
	if r.Convict != "" {
		list, page, err := query.CollectionPaginate(ctx, q.byConvict, r.Pagination,
			func(key textsKey, _ collections.NoValue) (auditv1.Conviction, error) {
				return q.verdicts.Get(ctx, key.K2())
			},
			query.WithCollectionPaginationPairPrefix[string, string](r.Convict))
		return &auditv1.QueryConvictionsResponse{Convictions: list, Pagination: page}, err
	}
	list, page, err := query.CollectionPaginate(ctx, q.verdicts, r.Pagination,
		func(_ string, v auditv1.Conviction) (auditv1.Conviction, error) { return v, nil })
	return &auditv1.QueryConvictionsResponse{Convictions: list, Pagination: page}, err
}

// Epoch implements auditv1.QueryServer.
func (q queries) Epoch(ctx context.Context, _ *auditv1.QueryEpochRequest) (*auditv1.QueryEpochResponse, error) {
	e, err := q.epoch.Get(ctx)
	if errors.Is(err, collections.ErrNotFound) {
		return nil, status.Error(codes.NotFound, "no epoch has begun yet: wait for a block")
	}
	return &auditv1.QueryEpochResponse{Epoch: e}, err
}

// Profile implements auditv1.QueryServer.
func (q queries) Profile(ctx context.Context, r *auditv1.QueryProfileRequest) (*auditv1.QueryProfileResponse, error) {
	p, err := q.profiles.Get(ctx, r.ModelDigest)
	if errors.Is(err, collections.ErrNotFound) {
		return nil, status.Errorf(codes.NotFound, "model %s has no profile: governance sets it", r.ModelDigest)
	}
	return &auditv1.QueryProfileResponse{Profile: p}, err
}

// Invariants implements auditv1.QueryServer.
func (q queries) Invariants(ctx context.Context, _ *auditv1.QueryInvariantsRequest) (*auditv1.QueryInvariantsResponse, error) {
	i, err := q.Keeper.Invariants(ctx)
	return &auditv1.QueryInvariantsResponse{Invariants: i}, err
}

// Params implements auditv1.QueryServer.
func (q queries) Params(ctx context.Context, _ *auditv1.QueryParamsRequest) (*auditv1.QueryParamsResponse, error) {
	p, err := q.params.Get(ctx)
	return &auditv1.QueryParamsResponse{Params: p}, err
}
