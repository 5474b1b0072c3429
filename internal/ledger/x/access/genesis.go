package access

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	accessv1 "github.com/koinon/koinon/api/koinon/access/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/access"
	"github.com/koinon/koinon/receipt"
)

// initGenesis stores a genesis and refuses one that does not fit together.
func (k *Keeper) initGenesis(ctx context.Context, s accessv1.GenesisState) error {
	if s.NextPlan < first || s.NextToken < first {
		return fmt.Errorf("%w: next_plan and next_token are at least %d", ErrField, first)
	}
	for _, p := range s.Policies {
		if err := errors.Join(k.checkPolicy(p), k.policies.Set(ctx, p.Digest, p)); err != nil {
			return err
		}
	}
	for _, p := range s.Plans {
		if p.Id >= s.NextPlan {
			return fmt.Errorf("%w: plan %d is not below next_plan", ErrField, p.Id)
		}
		if err := errors.Join(termsOf(p.Calls, p.Seconds, p.Transferable).Validate(), k.setPlan(ctx, p)); err != nil {
			return err
		}
	}
	for _, t := range s.Tokens {
		if t.Id >= s.NextToken || !t.Metered && t.Left+t.Reserved+t.Used > 0 {
			return fmt.Errorf("%w: token %d is not below next_token, or has calls that nobody counts", ErrField, t.Id)
		}
		if _, err := account.Parse(k.addresses, t.Holder); err != nil {
			return fmt.Errorf("token %d: %w", t.Id, err)
		}
		if err := k.setToken(ctx, t); err != nil {
			return err
		}
	}
	for _, r := range s.Revocations {
		if _, err := account.Parse(k.addresses, r.Holder); err != nil {
			return fmt.Errorf("revocation for %s: %w", r.Scope, err)
		}
		if err := k.setRevocation(ctx, r); err != nil {
			return err
		}
	}
	return errors.Join(k.nextPlan.Set(ctx, s.NextPlan), k.nextToken.Set(ctx, s.NextToken))
}

// exportGenesis returns the whole state, in the order of its keys.
func (k *Keeper) exportGenesis(ctx context.Context) (*accessv1.GenesisState, error) {
	s := &accessv1.GenesisState{}
	var planErr, tokenErr error
	s.NextPlan, planErr = k.nextPlan.Peek(ctx)
	s.NextToken, tokenErr = k.nextToken.Peek(ctx)
	return s, errors.Join(planErr, tokenErr,
		collect(ctx, k.policies, &s.Policies), collect(ctx, k.plans, &s.Plans), collect(ctx, k.tokens, &s.Tokens),
		collect(ctx, k.taken, &s.Revocations))
}

// collect appends all values of a map, in the order of their keys.
func collect[K, V any](ctx context.Context, m collections.Map[K, V], into *[]V) error {
	return m.Walk(ctx, nil, func(_ K, v V) (bool, error) {
		*into = append(*into, v)
		return false, nil
	})
}

// Grants walks over the grants that are active.
type Grants interface {
	WalkActive(ctx context.Context, each func(receipt.Grant) error) error
}

// CheckBooks compares what tokens say is set aside with the active grants, and
// calls with what plans sold.
func (k *Keeper) CheckBooks(ctx context.Context, grants Grants) error {
	type use struct{ grants, reserved uint64 }
	uses := map[uint64]use{}
	err := grants.WalkActive(ctx, func(g receipt.Grant) error {
		id, named, err := access.TokenOf(g.Right)
		if named {
			u := uses[id]
			uses[id] = use{u.grants + 1, u.reserved + g.Calls}
		}
		return err
	})
	return errors.Join(err, k.tokens.Walk(ctx, nil, func(id uint64, t accessv1.Token) (bool, error) {
		u := uses[id]
		if t.Grants != u.grants || t.Metered && t.Reserved != u.reserved {
			return true, fmt.Errorf("%w: token %d says %d grants and %d calls, there are %d and %d", ErrBooks, id, t.Grants, t.Reserved, u.grants, u.reserved)
		}
		if t.Plan == 0 || !t.Metered {
			return false, nil
		}
		p, err := k.plan(ctx, t.Plan)
		if err == nil && t.Left+t.Reserved+t.Used != p.Calls {
			err = fmt.Errorf("%w: token %d has %d, %d and %d calls of %d", ErrBooks, id, t.Left, t.Reserved, t.Used, p.Calls)
		}
		return err != nil, err
	}))
}
