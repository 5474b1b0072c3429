package assembly

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cosmossdk.io/collections"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	"github.com/koinon/koinon/internal/mechanism/ballot"
)

const day = 24 * 3600

// DefaultGenesis has the parameters of a public network: a fifth of all shares
// must vote and more than half of them say yes, within three days; what passed
// waits two more. Who has a hundredth may propose, and providers keep half of
// what they earn.
func DefaultGenesis() *assemblyv1.GenesisState {
	return &assemblyv1.GenesisState{Params: assemblyv1.Params{
		Charter: assemblyv1.Charter{
			QuorumBps: 2_000, ThresholdBps: 5_000, VotingSeconds: 3 * day, WaitSeconds: 2 * day, ProposerBps: 100,
		},
		MinProviderBps: 5_000,
	}}
}

// Paced are the default parameters with a voting time and a wait of their own,
// for a network that is watched.
func Paced(voting, waiting time.Duration) *assemblyv1.Params {
	p := DefaultGenesis().Params
	p.Charter.VotingSeconds, p.Charter.WaitSeconds = int64(voting/time.Second), int64(waiting/time.Second)
	return &p
}

// initGenesis stores a genesis and refuses one that does not add up.
func (k *Keeper) initGenesis(ctx context.Context, s assemblyv1.GenesisState) error {
	if err := errors.Join(validateParams(s.Params), k.params.Set(ctx, s.Params), k.nextProposal.Set(ctx, s.NextProposal)); err != nil {
		return err
	}
	for _, v := range s.Settings {
		if err := k.settings.Set(ctx, v.Model, v); err != nil {
			return err
		}
	}
	for _, p := range s.Proposals {
		if err := k.add(ctx, p); err != nil {
			return err
		}
	}
	for _, v := range s.Votes {
		if err := k.votes.Set(ctx, collections.Join3(v.Proposal, v.House, v.Voter), v); err != nil {
			return err
		}
	}
	return k.CheckBooks(ctx)
}

// exportGenesis returns the whole state, in the order of its keys.
func (k *Keeper) exportGenesis(ctx context.Context) (*assemblyv1.GenesisState, error) {
	params, err := k.params.Get(ctx)
	s := &assemblyv1.GenesisState{Params: params}
	var err2 error
	s.NextProposal, err2 = k.nextProposal.Peek(ctx)
	return s, errors.Join(err, err2,
		collect(ctx, k.settings, &s.Settings), collect(ctx, k.proposals, &s.Proposals), collect(ctx, k.votes, &s.Votes))
}

// collect appends all values of a map, in the order of their keys.
func collect[K, V any](ctx context.Context, m collections.Map[K, V], into *[]V) error {
	return m.Walk(ctx, nil, func(_ K, v V) (bool, error) {
		*into = append(*into, v)
		return false, nil
	})
}

// CheckBooks compares what each house of a proposal counted with its votes.
func (k *Keeper) CheckBooks(ctx context.Context) error {
	type house struct {
		proposal uint64
		name     string
	}
	tallies := map[house]ballot.Tally{}
	return errors.Join(
		k.votes.Walk(ctx, nil, func(key voteKey, v assemblyv1.Vote) (bool, error) {
			of := house{v.Proposal, v.House}
			tally, err := ballot.Cast(tallies[of], ballot.Vote{}, ballot.Vote{Choice: ballot.Choice(v.Choice), Weight: v.Weight})
			tallies[of] = tally
			return err != nil, err
		}),
		k.proposals.Walk(ctx, nil, func(id uint64, p assemblyv1.Proposal) (bool, error) {
			for _, h := range p.Houses {
				counted := houseOf(h)
				if votes := tallies[house{id, h.Name}]; votes != counted.Tally || votes.Yes+votes.No+votes.Abstain > h.Total {
					return true, fmt.Errorf("%w: proposal %d counted %+v of %d, its votes are %+v", ErrBooks, id, counted.Tally, h.Total, votes)
				}
			}
			return false, nil
		}))
}
