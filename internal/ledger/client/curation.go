package client

import (
	"context"

	"github.com/cosmos/cosmos-sdk/types/query"

	curationv1 "github.com/koinon/koinon/api/koinon/curation/v1"
)

// Ranking returns the first listings of a kind (model, provider, app), those
// with the most stake first.
func (c *Client) Ranking(ctx context.Context, kind string, limit uint64) ([]curationv1.Standing, error) {
	r, err := curationv1.NewQueryClient(c.conn).Ranking(ctx, &curationv1.QueryRankingRequest{
		Kind: kind, Pagination: &query.PageRequest{Limit: limit},
	})
	if err != nil {
		return nil, asked(err)
	}
	return r.Standings, nil
}

// Signals returns what a curator has staked, and what it earned.
func (c *Client) Signals(ctx context.Context, curator string) ([]curationv1.Holding, error) {
	q := curationv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]curationv1.Holding, *query.PageResponse, error) {
		r, err := q.Signals(ctx, &curationv1.QuerySignalsRequest{Curator: curator, Pagination: page})
		return r.GetHoldings(), r.GetPagination(), err
	})
}
