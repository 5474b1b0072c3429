package discount_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/mechanism/discount"
)

// anySchedule draws a schedule that is valid.
func anySchedule(t *rapid.T) discount.Schedule {
	steps := func(name string, most uint64) (list []discount.Step) {
		least, bps := uint64(0), uint32(0)
		for range rapid.IntRange(0, 5).Draw(t, name) {
			if least >= most || bps >= discount.MaxBps {
				break
			}
			least = rapid.Uint64Range(least+1, most).Draw(t, "least")
			bps = rapid.Uint32Range(bps+1, discount.MaxBps).Draw(t, "bps")
			list = append(list, discount.Step{Least: least, Bps: bps})
		}
		return list
	}
	return discount.Schedule{Stake: steps("stake", 1<<62), Held: steps("held", discount.Whole)}
}

// Who has more never has less of a discount, none is above the bound, and what is
// given back and what stays are the whole.
func TestDiscounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySchedule(t)
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		stake, more := rapid.Uint64().Draw(t, "stake"), rapid.Uint64().Draw(t, "more")
		all := rapid.Uint64Range(0, 1<<62).Draw(t, "all")
		shares := rapid.Uint64Range(0, all).Draw(t, "shares")
		few, many := s.Bps(min(stake, more), shares/2, all), s.Bps(max(stake, more), shares, all)
		if few > many || many > discount.MaxBps {
			t.Fatalf("%d for less, %d for more", few, many)
		}
		part := rapid.Uint64().Draw(t, "part")
		back := discount.Of(part, many)
		if back > part || back > part/2 {
			t.Fatalf("%d of %d go back", back, part)
		}
		if s.Bps(0, 0, all) != 0 && (len(s.Stake) == 0 || s.Stake[0].Least > 0) {
			t.Fatal("a discount for nothing")
		}
	})
}

func TestSchedulesThatAreNone(t *testing.T) {
	for name, s := range map[string]discount.Schedule{
		"too much":        {Stake: []discount.Step{{Least: 1, Bps: discount.MaxBps + 1}}},
		"for nothing":     {Stake: []discount.Step{{Least: 0, Bps: 1}}},
		"nothing for it":  {Held: []discount.Step{{Least: 1, Bps: 0}}},
		"falls":           {Held: []discount.Step{{Least: 2, Bps: 1}, {Least: 1, Bps: 2}}},
		"more than whole": {Held: []discount.Step{{Least: discount.Whole + 1, Bps: 1}}},
		"too long":        {Stake: make([]discount.Step, discount.MaxSteps+1)},
	} {
		if err := s.Validate(); !errors.Is(err, discount.ErrSchedule) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
