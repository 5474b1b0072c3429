package client

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/cosmos/cosmos-sdk/types/query"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
)

// Validator makes blocks.
type Validator struct {
	Operator, Moniker string
	Status            string // bonded, unbonding or unbonded
	Jailed            bool
	Stake             uint64 // ukoin
	Commission        uint32 // basis points
}

// Validators lists those who make blocks, the largest stake first.
func (c *Client) Validators(ctx context.Context) ([]Validator, error) {
	q := stakingtypes.NewQueryClient(c.conn)
	found, err := all(func(page *query.PageRequest) ([]stakingtypes.Validator, *query.PageResponse, error) {
		r, err := q.Validators(ctx, &stakingtypes.QueryValidatorsRequest{Pagination: page})
		return r.GetValidators(), r.GetPagination(), err
	})
	if err != nil {
		return nil, err
	}
	words := map[stakingtypes.BondStatus]string{stakingtypes.Bonded: "bonded", stakingtypes.Unbonding: "unbonding", stakingtypes.Unbonded: "unbonded"}
	list := make([]Validator, len(found))
	for i, v := range found {
		list[i] = Validator{Operator: v.OperatorAddress, Moniker: v.Description.Moniker, Status: words[v.Status], Jailed: v.Jailed,
			Commission: uint32(v.Commission.Rate.MulInt64(10_000).TruncateInt64())}
		if v.Tokens.IsUint64() {
			list[i].Stake = v.Tokens.Uint64()
		}
	}
	slices.SortStableFunc(list, func(a, b Validator) int { return cmp.Compare(b.Stake, a.Stake) })
	return list, nil
}

// Motion is what governance votes on: all who stake KOIN.
type Motion struct {
	ID            uint64
	Title, Status string
	Kinds         []string // of the messages that it sends once it has passed
	// Yes, No, Abstain and Veto are ukoin of stake, of Total that there is.
	Yes, No, Abstain, Veto, Total uint64
	Closes                        int64 // Unix seconds; 0 before voting begins
	Why                           string
	Open                          bool // votes are taken
}

// Motions lists what governance votes on, with the votes so far, the latest first.
func (c *Client) Motions(ctx context.Context) ([]Motion, error) {
	q := govv1.NewQueryClient(c.conn)
	r, err := q.Proposals(ctx, &govv1.QueryProposalsRequest{Pagination: &query.PageRequest{Limit: 100, Reverse: true}})
	if err != nil {
		return nil, asked(err)
	}
	pool, err := stakingtypes.NewQueryClient(c.conn).Pool(ctx, &stakingtypes.QueryPoolRequest{})
	if err != nil {
		return nil, asked(err)
	}
	list := []Motion{}
	for _, p := range r.Proposals {
		m := Motion{ID: p.Id, Title: p.Title, Status: statuses[p.Status], Why: p.FailedReason, Open: p.Status == govv1.StatusVotingPeriod, Total: pool.Pool.BondedTokens.Uint64()}
		for _, msg := range p.Messages {
			m.Kinds = append(m.Kinds, msg.TypeUrl)
		}
		if p.VotingEndTime != nil {
			m.Closes = p.VotingEndTime.Unix()
		}
		tally := p.FinalTallyResult
		if m.Open {
			t, err := q.TallyResult(ctx, &govv1.QueryTallyResultRequest{ProposalId: p.Id})
			if err != nil {
				return nil, asked(err)
			}
			tally = t.Tally
		}
		if tally != nil {
			m.Yes, m.No, m.Abstain, m.Veto = whole(tally.YesCount), whole(tally.NoCount), whole(tally.AbstainCount), whole(tally.NoWithVetoCount)
		}
		list = append(list, m)
	}
	return list, nil
}

// statuses are governance's as people say them.
var statuses = map[govv1.ProposalStatus]string{
	govv1.StatusDepositPeriod: "waiting for deposits", govv1.StatusVotingPeriod: "voting", govv1.StatusPassed: "passed",
	govv1.StatusRejected: "rejected", govv1.StatusFailed: "failed",
}

// whole reads a tally's count.
func whole(text string) (n uint64) {
	if _, err := fmt.Sscan(text, &n); err != nil {
		return 0
	}
	return n
}

// Issuers lists who issues credit.
func (c *Client) Issuers(ctx context.Context) ([]escrowv1.Issuer, error) {
	q := escrowv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]escrowv1.Issuer, *query.PageResponse, error) {
		r, err := q.Issuers(ctx, &escrowv1.QueryIssuersRequest{Pagination: page})
		return r.GetIssuers(), r.GetPagination(), err
	})
}
