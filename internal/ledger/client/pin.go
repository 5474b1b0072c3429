package client

import (
	"context"

	"github.com/cosmos/cosmos-sdk/types/query"

	pinv1 "github.com/koinon/koinon/api/koinon/pin/v1"
)

// Pin returns a pin and who holds it, or ErrNotFound.
func (c *Client) Pin(ctx context.Context, id uint64) (pinv1.Pin, []pinv1.Hold, error) {
	r, err := pinv1.NewQueryClient(c.conn).Pin(ctx, &pinv1.QueryPinRequest{Id: id})
	if err != nil {
		return pinv1.Pin{}, nil, asked(err)
	}
	return r.Pin, r.Holds, nil
}

// Pins returns all pins.
func (c *Client) Pins(ctx context.Context) ([]pinv1.Pin, error) {
	q := pinv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]pinv1.Pin, *query.PageResponse, error) {
		r, err := q.Pins(ctx, &pinv1.QueryPinsRequest{Pagination: page})
		return r.GetPins(), r.GetPagination(), err
	})
}

// Pinned returns what an account holds for others.
func (c *Client) Pinned(ctx context.Context, holder string) ([]pinv1.Hold, error) {
	q := pinv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]pinv1.Hold, *query.PageResponse, error) {
		r, err := q.Duties(ctx, &pinv1.QueryDutiesRequest{Holder: holder, Pagination: page})
		return r.GetHolds(), r.GetPagination(), err
	})
}
