package client

import (
	"context"

	"github.com/cosmos/cosmos-sdk/types/query"

	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
)

// Issue returns a model's shares and how many there are, or ErrNotFound.
func (c *Client) Issue(ctx context.Context, model string) (*sharev1.QueryIssueResponse, error) {
	r, err := sharev1.NewQueryClient(c.conn).Issue(ctx, &sharev1.QueryIssueRequest{Model: model})
	return r, asked(err)
}

// Holders returns who holds shares of a model.
func (c *Client) Holders(ctx context.Context, model string) ([]sharev1.Held, error) {
	q := sharev1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]sharev1.Held, *query.PageResponse, error) {
		r, err := q.Holders(ctx, &sharev1.QueryHoldersRequest{Model: model, Pagination: page})
		return r.GetHolders(), r.GetPagination(), err
	})
}

// Holder returns what somebody holds of a model.
func (c *Client) Holder(ctx context.Context, model, holder string) (sharev1.Held, error) {
	r, err := sharev1.NewQueryClient(c.conn).Holder(ctx, &sharev1.QueryHolderRequest{Model: model, Holder: holder})
	if err != nil {
		return sharev1.Held{}, asked(err)
	}
	return r.Held, nil
}

// Vestings returns a holder's schedules for a model's shares.
func (c *Client) Vestings(ctx context.Context, model, holder string) ([]sharev1.Schedule, error) {
	q := sharev1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]sharev1.Schedule, *query.PageResponse, error) {
		r, err := q.Vestings(ctx, &sharev1.QueryVestingsRequest{Model: model, Holder: holder, Pagination: page})
		return r.GetSchedules(), r.GetPagination(), err
	})
}

// Bid returns a bid for a model's shares, or ErrNotFound.
func (c *Client) Bid(ctx context.Context, id uint64) (sharev1.Bid, error) {
	r, err := sharev1.NewQueryClient(c.conn).Bid(ctx, &sharev1.QueryBidRequest{Id: id})
	if err != nil {
		return sharev1.Bid{}, asked(err)
	}
	return r.Bid, nil
}

// Bids returns all bids that are not over.
func (c *Client) Bids(ctx context.Context) ([]sharev1.Bid, error) {
	q := sharev1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]sharev1.Bid, *query.PageResponse, error) {
		r, err := q.Bids(ctx, &sharev1.QueryBidsRequest{Pagination: page})
		return r.GetBids(), r.GetPagination(), err
	})
}
