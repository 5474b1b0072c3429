package assembly

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/ballot"
)

// maxTitle bounds a proposal's, in bytes.
const maxTitle = 200

// messages serves transactions.
type messages struct{ *Keeper }

// Propose implements assemblyv1.MsgServer. Votes count by what was held when the
// last second was over, so that nobody can buy them for a proposal that is seen.
func (m messages) Propose(ctx context.Context, msg *assemblyv1.MsgPropose) (*assemblyv1.MsgProposeResponse, error) {
	if _, err := account.Parse(m.addresses, msg.Proposer); err != nil {
		return nil, err
	}
	if msg.Title == "" || len(msg.Title) > maxTitle {
		return nil, fmt.Errorf("%w: title must have 1 to %d bytes", ErrField, maxTitle)
	}
	if err := m.check(ctx, msg.Model, msg.Action); err != nil {
		return nil, err
	}
	charter, err := m.charter(ctx, msg.Model)
	if err != nil {
		return nil, err
	}
	now := blockTime(ctx)
	p := assemblyv1.Proposal{
		Model: msg.Model, Proposer: msg.Proposer, Title: msg.Title, Action: msg.Action, Status: assemblyv1.Status_STATUS_VOTING,
		CountsAt: now - 1, ClosesAt: now + charter.VotingSeconds, EffectAt: now + charter.VotingSeconds + charter.WaitSeconds,
	}
	total, err := m.total(ctx, p.Model, p.CountsAt)
	if err != nil {
		return nil, err
	}
	own, err := m.shareholders.Power(ctx, p.Model, p.Proposer, p.CountsAt)
	if err != nil {
		return nil, err
	}
	if need := least(total, charter.ProposerBps); own < need || own == 0 {
		return nil, fmt.Errorf("%w: %d of the %d that are needed, a second ago", ErrPower, own, max(1, need))
	}
	p.Houses = []assemblyv1.House{{
		Name: Shareholders, QuorumBps: charter.QuorumBps, ThresholdBps: charter.ThresholdBps, Total: total,
	}}
	if p.Id, err = m.nextProposal.Next(ctx); err != nil {
		return nil, err
	}
	return &assemblyv1.MsgProposeResponse{Proposal: p.Id, ClosesAt: p.ClosesAt}, errors.Join(m.add(ctx, p), emit(ctx,
		&assemblyv1.EventProposed{Proposal: p.Id, Model: p.Model, Proposer: p.Proposer, ClosesAt: p.ClosesAt}))
}

// Vote implements assemblyv1.MsgServer. It counts in every house in which the
// voter sits.
func (m messages) Vote(ctx context.Context, msg *assemblyv1.MsgVote) (*assemblyv1.MsgVoteResponse, error) {
	p, err := m.proposal(ctx, msg.Proposal)
	if err != nil {
		return nil, err
	}
	if p.Status != assemblyv1.Status_STATUS_VOTING || blockTime(ctx) >= p.ClosesAt {
		return nil, fmt.Errorf("%w: proposal %d", ballot.ErrClosed, p.Id)
	}
	var cast uint64
	for i := range p.Houses {
		weight, err := m.cast(ctx, p, &p.Houses[i], msg)
		if err != nil {
			return nil, err
		}
		cast += weight
	}
	if cast == 0 {
		return nil, ballot.ErrNoWeight
	}
	if ballot.Over(housesOf(p)) {
		err = m.hasten(ctx, &p)
	}
	return &assemblyv1.MsgVoteResponse{Weight: cast}, errors.Join(err, m.proposals.Set(ctx, p.Id, p))
}

// hasten ends a vote with the block, as everybody has voted; the wait stays.
func (m messages) hasten(ctx context.Context, p *assemblyv1.Proposal) error {
	err := m.due.Remove(ctx, collections.Join(p.ClosesAt, p.Id))
	wait := p.EffectAt - p.ClosesAt
	p.ClosesAt = blockTime(ctx)
	p.EffectAt = p.ClosesAt + wait
	return errors.Join(err, m.due.Set(ctx, collections.Join(p.ClosesAt, p.Id)))
}

// cast counts a vote in one house, and returns what it weighs there: nothing,
// for who does not sit in it.
func (m messages) cast(ctx context.Context, p assemblyv1.Proposal, h *assemblyv1.House, msg *assemblyv1.MsgVote) (uint64, error) {
	electorate, err := m.electorate(h.Name)
	if err != nil {
		return 0, err
	}
	weight, err := electorate.Power(ctx, p.Model, msg.Voter, p.CountsAt)
	if err != nil || weight == 0 {
		return 0, err
	}
	key := collections.Join3(p.Id, h.Name, msg.Voter)
	before, err := m.votes.Get(ctx, key)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return 0, err
	}
	tally, err := ballot.Cast(houseOf(*h).Tally, ballot.Vote{Choice: ballot.Choice(before.Choice), Weight: before.Weight},
		ballot.Vote{Choice: ballot.Choice(msg.Choice), Weight: weight})
	if err != nil {
		return 0, err
	}
	h.Yes, h.No, h.Abstain = tally.Yes, tally.No, tally.Abstain
	vote := assemblyv1.Vote{Proposal: p.Id, House: h.Name, Voter: msg.Voter, Choice: msg.Choice, Weight: weight}
	return weight, errors.Join(m.votes.Set(ctx, key, vote), emit(ctx, &assemblyv1.EventVoted{
		Proposal: p.Id, House: h.Name, Voter: msg.Voter, Choice: msg.Choice, Weight: weight}))
}

// UpdateParams implements assemblyv1.MsgServer.
func (m messages) UpdateParams(ctx context.Context, msg *assemblyv1.MsgUpdateParams) (*assemblyv1.MsgUpdateParamsResponse, error) {
	if msg.Authority != m.authority {
		return nil, fmt.Errorf("%w: %s", ErrAuthority, m.authority)
	}
	if err := validateParams(msg.Params); err != nil {
		return nil, err
	}
	return &assemblyv1.MsgUpdateParamsResponse{}, m.params.Set(ctx, msg.Params)
}
