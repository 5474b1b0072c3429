package assembly

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	"github.com/koinon/koinon/internal/mechanism/ballot"
)

// perBlock bounds how many proposals one block closes or does; the rest waits.
const perBlock = 100

// endBlock counts proposals whose voting is over, and does those whose wait is.
func (k *Keeper) endBlock(ctx context.Context) error {
	var keys []dueKey
	until := new(collections.Range[dueKey]).EndExclusive(collections.Join(blockTime(ctx)+1, uint64(0)))
	err := k.due.Walk(ctx, until, func(key dueKey) (bool, error) {
		keys = append(keys, key)
		return len(keys) >= perBlock, nil
	})
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := k.due.Remove(ctx, key); err != nil {
			return err
		}
		p, err := k.proposal(ctx, key.K2())
		if err != nil {
			return err
		}
		if p.Status == assemblyv1.Status_STATUS_VOTING {
			err = k.count(ctx, p)
		} else {
			err = k.take(ctx, p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// count decides a proposal whose voting is over.
func (k *Keeper) count(ctx context.Context, p assemblyv1.Proposal) error {
	p.Status = assemblyv1.Status_STATUS_REJECTED
	if ballot.Passed(housesOf(p)) {
		p.Status = assemblyv1.Status_STATUS_WAITING
		if p.EffectAt <= blockTime(ctx) {
			return k.take(ctx, p)
		}
		if err := k.due.Set(ctx, collections.Join(p.EffectAt, p.Id)); err != nil {
			return err
		}
	}
	return k.decided(ctx, p)
}

// take does what passed, wholly or not at all. Why it could not be done is kept
// with the proposal: the world may have changed since it was made.
func (k *Keeper) take(ctx context.Context, p assemblyv1.Proposal) error {
	all, commit := sdk.UnwrapSDKContext(ctx).CacheContext()
	p.Status = assemblyv1.Status_STATUS_DONE
	if err := k.do(all, p.Model, p.Action); err != nil {
		p.Status, p.Why = assemblyv1.Status_STATUS_FAILED, err.Error()
	} else {
		commit()
	}
	return k.decided(ctx, p)
}

func (k *Keeper) decided(ctx context.Context, p assemblyv1.Proposal) error {
	return errors.Join(k.proposals.Set(ctx, p.Id, p), emit(ctx,
		&assemblyv1.EventDecided{Proposal: p.Id, Model: p.Model, Status: p.Status, Why: p.Why}))
}
