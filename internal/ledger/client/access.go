package client

import (
	"context"

	"github.com/cosmos/cosmos-sdk/types/query"

	accessv1 "github.com/koinon/koinon/api/koinon/access/v1"
)

// Admission says whether the ledger would take a grant of a payer's for a version
// under a right, for so many calls.
func (c *Client) Admission(ctx context.Context, digest, payer, right string, calls uint64) (accessv1.QueryAdmissionResponse, error) {
	r, err := accessv1.NewQueryClient(c.conn).Admission(ctx, &accessv1.QueryAdmissionRequest{Digest: digest, Payer: payer, Right: right, Calls: calls})
	if err != nil {
		return accessv1.QueryAdmissionResponse{}, asked(err)
	}
	return *r, nil
}

// Access returns a version's policy.
func (c *Client) Access(ctx context.Context, digest string) (accessv1.Policy, error) {
	r, err := accessv1.NewQueryClient(c.conn).Policy(ctx, &accessv1.QueryPolicyRequest{Digest: digest})
	if err != nil {
		return accessv1.Policy{}, asked(err)
	}
	return r.Policy, nil
}

// Policies returns those of all versions that ever had one.
func (c *Client) Policies(ctx context.Context) ([]accessv1.Policy, error) {
	q := accessv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]accessv1.Policy, *query.PageResponse, error) {
		r, err := q.Policies(ctx, &accessv1.QueryPoliciesRequest{Pagination: page})
		return r.GetPolicies(), r.GetPagination(), err
	})
}

// Plans returns the kinds of access token of a model, or of all.
func (c *Client) Plans(ctx context.Context, model string) ([]accessv1.Plan, error) {
	q := accessv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]accessv1.Plan, *query.PageResponse, error) {
		r, err := q.Plans(ctx, &accessv1.QueryPlansRequest{Model: model, Pagination: page})
		return r.GetPlans(), r.GetPagination(), err
	})
}

// AccessToken returns one, or ErrNotFound.
func (c *Client) AccessToken(ctx context.Context, id uint64) (accessv1.Token, error) {
	r, err := accessv1.NewQueryClient(c.conn).Token(ctx, &accessv1.QueryTokenRequest{Id: id})
	if err != nil {
		return accessv1.Token{}, asked(err)
	}
	return r.Token, nil
}

// AccessTokens returns those of a holder, or all.
func (c *Client) AccessTokens(ctx context.Context, holder string) ([]accessv1.Token, error) {
	q := accessv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]accessv1.Token, *query.PageResponse, error) {
		r, err := q.Tokens(ctx, &accessv1.QueryTokensRequest{Holder: holder, Pagination: page})
		return r.GetTokens(), r.GetPagination(), err
	})
}
