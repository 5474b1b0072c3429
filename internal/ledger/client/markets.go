package client

import (
	"context"

	"github.com/cosmos/cosmos-sdk/types/query"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
	poolv1 "github.com/koinon/koinon/api/koinon/pool/v1"
)

// Pool returns the pool of credit and a denomination with its prices, or
// ErrNotFound, and x/pool's parameters.
func (c *Client) Pool(ctx context.Context, denom string) (poolv1.Quote, poolv1.Params, error) {
	q := poolv1.NewQueryClient(c.conn)
	p, err := q.Pool(ctx, &poolv1.QueryPoolRequest{Denom: denom})
	if err != nil {
		return poolv1.Quote{}, poolv1.Params{}, asked(err)
	}
	params, err := q.Params(ctx, &poolv1.QueryParamsRequest{})
	if err != nil {
		return poolv1.Quote{}, poolv1.Params{}, asked(err)
	}
	return p.Quote, params.Params, nil
}

// Pools returns all pools with their prices.
func (c *Client) Pools(ctx context.Context) ([]poolv1.Quote, error) {
	q := poolv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]poolv1.Quote, *query.PageResponse, error) {
		r, err := q.Pools(ctx, &poolv1.QueryPoolsRequest{Pagination: page})
		return r.GetQuotes(), r.GetPagination(), err
	})
}

// Stakes returns what somebody owns of pools.
func (c *Client) Stakes(ctx context.Context, owner string) ([]poolv1.Stake, error) {
	q := poolv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]poolv1.Stake, *query.PageResponse, error) {
		r, err := q.Stakes(ctx, &poolv1.QueryStakesRequest{Owner: owner, Pagination: page})
		return r.GetStakes(), r.GetPagination(), err
	})
}

// Offering returns one offering, or ErrNotFound.
func (c *Client) Offering(ctx context.Context, id uint64) (offeringv1.Offering, error) {
	r, err := offeringv1.NewQueryClient(c.conn).Offering(ctx, &offeringv1.QueryOfferingRequest{Id: id})
	if err != nil {
		return offeringv1.Offering{}, asked(err)
	}
	return r.Offering, nil
}

// Offerings returns the offerings of a model, or all.
func (c *Client) Offerings(ctx context.Context, model string) ([]offeringv1.Offering, error) {
	q := offeringv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]offeringv1.Offering, *query.PageResponse, error) {
		r, err := q.Offerings(ctx, &offeringv1.QueryOfferingsRequest{Model: model, Pagination: page})
		return r.GetOfferings(), r.GetPagination(), err
	})
}

// Positions returns the buyers of an offering.
func (c *Client) Positions(ctx context.Context, offering uint64) ([]offeringv1.Position, error) {
	q := offeringv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]offeringv1.Position, *query.PageResponse, error) {
		r, err := q.Positions(ctx, &offeringv1.QueryPositionsRequest{Offering: offering, Pagination: page})
		return r.GetPositions(), r.GetPagination(), err
	})
}

// Proposal returns what a model's shareholders vote on, or ErrNotFound.
func (c *Client) Proposal(ctx context.Context, id uint64) (assemblyv1.Proposal, error) {
	r, err := assemblyv1.NewQueryClient(c.conn).Proposal(ctx, &assemblyv1.QueryProposalRequest{Id: id})
	if err != nil {
		return assemblyv1.Proposal{}, asked(err)
	}
	return r.Proposal, nil
}

// Proposals returns those of a model, or all.
func (c *Client) Proposals(ctx context.Context, model string) ([]assemblyv1.Proposal, error) {
	q := assemblyv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]assemblyv1.Proposal, *query.PageResponse, error) {
		r, err := q.Proposals(ctx, &assemblyv1.QueryProposalsRequest{Model: model, Pagination: page})
		return r.GetProposals(), r.GetPagination(), err
	})
}

// Ceilings returns the highest prices of all models that have one.
func (c *Client) Ceilings(ctx context.Context) ([]assemblyv1.ModelCeiling, error) {
	r, err := assemblyv1.NewQueryClient(c.conn).Ceilings(ctx, &assemblyv1.QueryCeilingsRequest{})
	return r.GetCeilings(), asked(err)
}

// Decided returns what a model's shareholders decided, their charter and the
// model's treasury.
func (c *Client) Decided(ctx context.Context, model string) (assemblyv1.QuerySettingsResponse, error) {
	r, err := assemblyv1.NewQueryClient(c.conn).Settings(ctx, &assemblyv1.QuerySettingsRequest{Model: model})
	if err != nil {
		return assemblyv1.QuerySettingsResponse{}, asked(err)
	}
	return *r, nil
}
