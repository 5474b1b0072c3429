package challenge

import (
	"context"
	"errors"

	"cosmossdk.io/collections"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/types/query"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
)

// queries serves reads.
type queries struct{ *Keeper }

// Challenges implements challengev1.QueryServer.
func (q queries) Challenges(ctx context.Context, r *challengev1.QueryChallengesRequest) (*challengev1.QueryChallengesResponse, error) {
	list, page, err := query.CollectionPaginate(ctx, q.challenges, r.Pagination,
		func(_ name, c challengev1.Challenge) (challengev1.Challenge, error) { return c, nil })
	return &challengev1.QueryChallengesResponse{Challenges: list, Pagination: page}, err
}

// Participants implements challengev1.QueryServer.
func (q queries) Participants(ctx context.Context, r *challengev1.QueryParticipantsRequest) (*challengev1.QueryParticipantsResponse, error) {
	c, err := q.challenges.Get(ctx, collections.Join(r.Epoch, r.ModelDigest))
	if errors.Is(err, collections.ErrNotFound) {
		return nil, status.Errorf(codes.NotFound, "%v: epoch %d, %s", ErrNotFound, r.Epoch, r.ModelDigest)
	}
	if err != nil {
		return nil, err
	}
	list, page, err := query.CollectionPaginate(ctx, q.participants, r.Pagination,
		func(_ seat, p challengev1.Participant) (challengev1.Participant, error) { return p, nil },
		func(o *query.CollectionsPaginateOptions[seat]) {
			prefix := collections.TripleSuperPrefix[int64, string, string](r.Epoch, r.ModelDigest)
			o.Prefix = &prefix
		})
	return &challengev1.QueryParticipantsResponse{Challenge: c, Participants: list, Pagination: page}, err
}

// maxDuties bounds an answer to Open: more than a provider has offers.
const maxDuties = 1000

// Open implements challengev1.QueryServer.
func (q queries) Open(ctx context.Context, r *challengev1.QueryOpenRequest) (*challengev1.QueryOpenResponse, error) {
	response := &challengev1.QueryOpenResponse{}
	err := q.duties.Walk(ctx, collections.NewPrefixedTripleRange[string, int64, string](r.Provider), func(d duty) (bool, error) {
		c, p, err := q.load(ctx, d.K2(), d.K3(), r.Provider)
		response.Duties = append(response.Duties, challengev1.Duty{Challenge: c, Participant: p})
		return len(response.Duties) == maxDuties, err
	})
	return response, err
}

// Params implements challengev1.QueryServer.
func (q queries) Params(ctx context.Context, _ *challengev1.QueryParamsRequest) (*challengev1.QueryParamsResponse, error) {
	p, err := q.params.Get(ctx)
	return &challengev1.QueryParamsResponse{Params: p}, err
}
