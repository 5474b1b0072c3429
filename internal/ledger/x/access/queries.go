package access

import (
	"context"
	"errors"

	"cosmossdk.io/collections"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/types/query"

	accessv1 "github.com/koinon/koinon/api/koinon/access/v1"
	"github.com/koinon/koinon/internal/mechanism/access"
)

// queries serves reads.
type queries struct{ *Keeper }

// Policy implements accessv1.QueryServer.
func (q queries) Policy(ctx context.Context, r *accessv1.QueryPolicyRequest) (*accessv1.QueryPolicyResponse, error) {
	p, err := q.policy(ctx, r.Digest)
	return &accessv1.QueryPolicyResponse{Policy: p}, err
}

// Policies implements accessv1.QueryServer.
func (q queries) Policies(ctx context.Context, r *accessv1.QueryPoliciesRequest) (*accessv1.QueryPoliciesResponse, error) {
	list, page, err := query.CollectionPaginate(ctx, q.policies, r.Pagination,
		func(_ string, p accessv1.Policy) (accessv1.Policy, error) { return p, nil })
	return &accessv1.QueryPoliciesResponse{Policies: list, Pagination: page}, err
}

// Plans implements accessv1.QueryServer.
func (q queries) Plans(ctx context.Context, r *accessv1.QueryPlansRequest) (*accessv1.QueryPlansResponse, error) {
	if r.Model == "" {
		list, page, err := query.CollectionPaginate(ctx, q.plans, r.Pagination,
			func(_ uint64, p accessv1.Plan) (accessv1.Plan, error) { return p, nil })
		return &accessv1.QueryPlansResponse{Plans: list, Pagination: page}, err
	}
	list, page, err := query.CollectionPaginate(ctx, q.byModel, r.Pagination,
		func(key plansKey, _ collections.NoValue) (accessv1.Plan, error) { return q.plans.Get(ctx, key.K2()) },
		query.WithCollectionPaginationPairPrefix[string, uint64](r.Model))
	return &accessv1.QueryPlansResponse{Plans: list, Pagination: page}, err
}

// Token implements accessv1.QueryServer.
func (q queries) Token(ctx context.Context, r *accessv1.QueryTokenRequest) (*accessv1.QueryTokenResponse, error) {
	t, err := q.token(ctx, r.Id)
	if err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	return &accessv1.QueryTokenResponse{Token: t}, nil
}

// Tokens implements accessv1.QueryServer.
func (q queries) Tokens(ctx context.Context, r *accessv1.QueryTokensRequest) (*accessv1.QueryTokensResponse, error) {
	if r.Holder == "" {
		list, page, err := query.CollectionPaginate(ctx, q.tokens, r.Pagination,
			func(_ uint64, t accessv1.Token) (accessv1.Token, error) { return t, nil })
		return &accessv1.QueryTokensResponse{Tokens: list, Pagination: page}, err
	}
	list, page, err := query.CollectionPaginate(ctx, q.byHolder, r.Pagination,
		func(key tokensKey, _ collections.NoValue) (accessv1.Token, error) { return q.tokens.Get(ctx, key.K2()) },
		query.WithCollectionPaginationPairPrefix[string, uint64](r.Holder))
	return &accessv1.QueryTokensResponse{Tokens: list, Pagination: page}, err
}

// Admission implements accessv1.QueryServer.
func (q queries) Admission(ctx context.Context, r *accessv1.QueryAdmissionRequest) (*accessv1.QueryAdmissionResponse, error) {
	_, _, next, err := q.admission(ctx, access.Request{Payer: r.Payer, Right: r.Right, Calls: r.Calls}, r.Digest)
	switch {
	case refused(err):
		return &accessv1.QueryAdmissionResponse{Refusal: err.Error()}, nil
	case err != nil:
		return nil, status.Error(codes.NotFound, err.Error())
	case next != nil:
		return &accessv1.QueryAdmissionResponse{Until: next.Until}, nil
	}
	return &accessv1.QueryAdmissionResponse{}, nil
}

// refused says whether an error is a rule's, or that there is no such token.
func refused(err error) bool {
	for _, rule := range append([]error{ErrNoToken}, rules...) {
		if errors.Is(err, rule) {
			return true
		}
	}
	return false
}
