package challenge

import (
	"context"
	"fmt"

	"cosmossdk.io/collections"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
)

// CheckBooks compares what is stored twice: a challenge's counts with its
// participants, its turn with its stage, duties with who is not judged.
func (k *Keeper) CheckBooks(ctx context.Context) error {
	return k.challenges.Walk(ctx, nil, func(at name, c challengev1.Challenge) (bool, error) {
		var enrolled, differing, waiting uint64
		span := collections.NewSuperPrefixedTripleRange[int64, string, string](at.K1(), at.K2())
		err := k.participants.Walk(ctx, span, func(key seat, q challengev1.Participant) (bool, error) {
			enrolled++
			if q.Outcome == challengev1.Outcome_OUTCOME_NONE {
				has, err := k.duties.Has(ctx, collections.Join3(key.K3(), key.K1(), key.K2()))
				if err != nil || !has {
					return true, fmt.Errorf("%w: %s has no duty in %s", ErrBooks, key.K3(), reference(c))
				}
				waiting++
			}
			if o := q.Outcome; o == challengev1.Outcome_OUTCOME_DIFFERED {
				differing++
			}
			return false, nil
		})
		if err != nil {
			return true, err
		}
		open, err := k.turns.Has(ctx, collections.Join3(c.Deadline, at.K1(), at.K2()))
		if err != nil {
			return true, err
		}
		closed := c.Stage == challengev1.Stage_STAGE_CLOSED
		switch {
		case open == closed:
			return true, fmt.Errorf("%w: %s is %s, and has a turn: %t", ErrBooks, reference(c), c.Stage, open)
		case !closed && enrolled != c.Participants:
			return true, fmt.Errorf("%w: %s has %d participants, not %d", ErrBooks, reference(c), enrolled, c.Participants)
		case differing > c.Differing:
			return true, fmt.Errorf("%w: %s has %d who differ, not %d", ErrBooks, reference(c), differing, c.Differing)
		case c.Stage > challengev1.Stage_STAGE_JUDGING && waiting > 0:
			return true, fmt.Errorf("%w: %s is %s with %d not judged", ErrBooks, reference(c), c.Stage, waiting)
		}
		return false, nil
	})
}
