package client

import (
	"context"

	"github.com/cosmos/cosmos-sdk/types/query"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
)

// Duties returns the epoch challenges that a provider has to answer.
func (c *Client) Duties(ctx context.Context, provider string) ([]challengev1.Duty, error) {
	r, err := challengev1.NewQueryClient(c.conn).Open(ctx, &challengev1.QueryOpenRequest{Provider: provider})
	if err != nil {
		return nil, asked(err)
	}
	return r.Duties, nil
}

// Challenges returns the epoch challenges that the ledger has not forgotten.
func (c *Client) Challenges(ctx context.Context) ([]challengev1.Challenge, error) {
	q := challengev1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]challengev1.Challenge, *query.PageResponse, error) {
		r, err := q.Challenges(ctx, &challengev1.QueryChallengesRequest{Pagination: page})
		return r.GetChallenges(), r.GetPagination(), err
	})
}

// Participants returns who had to answer a challenge, and what they said.
func (c *Client) Participants(ctx context.Context, epoch int64, model string) ([]challengev1.Participant, error) {
	q := challengev1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]challengev1.Participant, *query.PageResponse, error) {
		r, err := q.Participants(ctx, &challengev1.QueryParticipantsRequest{Epoch: epoch, ModelDigest: model, Pagination: page})
		return r.GetParticipants(), r.GetPagination(), err
	})
}
