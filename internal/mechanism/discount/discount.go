// Package discount is how much of the treasury's part of a price its payer has
// back: by what it has staked of KOIN, or holds of the model's shares, whichever
// gives more. The steps are governance's to set.
package discount

import (
	"fmt"
	"math/bits"
)

const (
	// Whole is how many basis points make the whole.
	Whole = 10_000
	// MaxBps is the most that is given back, in basis points of the treasury's part:
	// what is left of it makes calls that somebody pays to itself cost something.
	MaxBps = 5_000
	// MaxSteps bounds a list.
	MaxSteps = 16
)

// ErrSchedule refuses a schedule.
var ErrSchedule = fmt.Errorf("a discount has at most %d steps, each higher than the one before in what it asks and in what it gives, which is at most %d basis points", MaxSteps, MaxBps)

// Step gives Bps to who has Least or more.
type Step struct {
	Least uint64
	Bps   uint32
}

// Schedule has the steps for stake, in ukoin, and for shares of the model, in basis
// points of all that there are.
type Schedule struct{ Stake, Held []Step }

// Validate checks that the steps rise and stay in range.
func (s Schedule) Validate() error {
	for _, l := range []struct {
		field string
		steps []Step
		most  uint64
	}{{"stake", s.Stake, 1 << 62}, {"held", s.Held, Whole}} {
		if len(l.steps) > MaxSteps {
			return fmt.Errorf("%w: discounts.%s has %d", ErrSchedule, l.field, len(l.steps))
		}
		before := Step{}
		for i, step := range l.steps {
			if step.Least <= before.Least || step.Bps <= before.Bps || step.Least > l.most || step.Bps > MaxBps {
				return fmt.Errorf("%w: discounts.%s[%d] gives %d for %d", ErrSchedule, l.field, i, step.Bps, step.Least)
			}
			before = step
		}
	}
	return nil
}

// Bps is what somebody has who staked so many ukoin, and holds so many of all of a
// model's shares.
func (s Schedule) Bps(stake, shares, all uint64) uint32 {
	best := reached(s.Stake, stake)
	if all > 0 && shares <= all {
		high, low := bits.Mul64(shares, Whole)
		part, _ := bits.Div64(high, low, all) // fits: it is at most Whole
		best = max(best, reached(s.Held, part))
	}
	return best
}

// reached is what the last step that somebody has reached gives.
func reached(steps []Step, has uint64) (bps uint32) {
	for _, s := range steps {
		if has >= s.Least {
			bps = s.Bps
		}
	}
	return bps
}

// Of is a discount on the treasury's part, in the units of that part, rounded
// down: the remainder is the treasury's.
func Of(part uint64, bps uint32) uint64 {
	high, low := bits.Mul64(part, uint64(min(bps, MaxBps)))
	back, _ := bits.Div64(high, low, Whole)
	return back
}
