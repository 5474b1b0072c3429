package share

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
	"github.com/koinon/koinon/internal/mechanism/ballot"
)

// sweptPerBlock bounds how many notes of votes one block looks at.
const sweptPerBlock = 100

// endBlock settles and closes bids, and forgets votes of long ago.
func (k *Keeper) endBlock(ctx context.Context) error {
	if err := k.settleBids(ctx); err != nil {
		return err
	}
	if err := k.closeBids(ctx); err != nil {
		return err
	}
	return k.sweep(ctx, sweptPerBlock)
}

// sweep goes round over the notes of who voted for how many shares since when, n at a
// time, and forgets those that no vote can ask for any more: a proposal counts by
// the second before it was made, and is voted on for at most ballot.MaxVoting
// seconds. Of each voter the last note before that time stays, for it is what
// stands, unless it says that there are none.
func (k *Keeper) sweep(ctx context.Context, n int) error {
	const beyond = 2 // the second before, and the last one of a vote
	kept := blockTime(ctx) - ballot.MaxVoting - beyond
	within := new(collections.Range[powerKey])
	switch at, err := k.swept.Get(ctx); {
	case err == nil:
		within = within.StartInclusive(keyOf(at))
	case !errors.Is(err, collections.ErrNotFound):
		return err
	}
	type note struct {
		key    powerKey
		shares uint64
	}
	var notes []note
	err := k.powers.Walk(ctx, within, func(key powerKey, shares uint64) (bool, error) {
		notes = append(notes, note{key, shares})
		return len(notes) > n, nil // one more, to know what follows the last
	})
	if err != nil || len(notes) == 0 {
		return k.restart(ctx, err)
	}
	for i, at := range notes[:min(n, len(notes))] {
		last := i+1 == len(notes) || keyed(notes[i+1].key) != keyed(at.key)
		old := at.shares == 0 && at.key.K2() <= kept
		if !last {
			old = notes[i+1].key.K2() <= kept
		} else if old {
			if old, err = k.alone(ctx, at.key); err != nil {
				return err
			}
		}
		if old {
			if err := k.powers.Remove(ctx, at.key); err != nil {
				return err
			}
		}
	}
	if len(notes) <= n {
		return k.restart(ctx, nil)
	}
	next := notes[n].key
	return k.swept.Set(ctx, sharev1.Power{Model: next.K1().K1(), Voter: next.K1().K2(), Since: next.K2()})
}

// keyed is a note's model and voter; pairs themselves are pointers, and never equal.
func keyed(at powerKey) [2]string { return [2]string{at.K1().K1(), at.K1().K2()} }

// alone says whether a voter has no note before this one, which an earlier round may
// have left: without this one it would stand again.
func (k *Keeper) alone(ctx context.Context, at powerKey) (bool, error) {
	alone := true
	before := collections.NewPrefixedPairRange[textsKey, int64](at.K1()).EndExclusive(at.K2())
	err := k.powers.Walk(ctx, before, func(powerKey, uint64) (bool, error) {
		alone = false
		return true, nil
	})
	return alone, err
}

// restart lets the next round begin at the first note.
func (k *Keeper) restart(ctx context.Context, err error) error {
	if has, failed := k.swept.Has(ctx); err != nil || failed != nil || !has {
		return err
	}
	return k.swept.Remove(ctx)
}

func keyOf(p sharev1.Power) powerKey {
	return collections.Join(collections.Join(p.Model, p.Voter), p.Since)
}
