package ballot_test

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/mechanism/ballot"
)

// TestTheTallyIsWhatStands: however often voters change their minds, each weight
// is behind the last choice.
func TestTheTallyIsWhatStands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Uint64Range(0, 1<<58), 1, 6).Draw(t, "weights")
		votes := make([]ballot.Vote, len(weights))
		var tally ballot.Tally
		for range rapid.IntRange(0, 20).Draw(t, "votes") {
			i := rapid.IntRange(0, len(weights)-1).Draw(t, "voter")
			v := ballot.Vote{Choice: ballot.Choice(rapid.IntRange(0, 4).Draw(t, "choice")), Weight: weights[i]}
			next, err := ballot.Cast(tally, votes[i], v)
			refused := v.Choice < ballot.Yes || v.Choice > ballot.Abstain || v.Weight == 0
			if (err != nil) != refused || err != nil && next != tally {
				t.Fatalf("%+v after %+v: %v", v, votes[i], err)
			}
			if err == nil {
				tally, votes[i] = next, v
			}
		}
		var want ballot.Tally
		for _, v := range votes {
			switch v.Choice {
			case ballot.Yes:
				want.Yes += v.Weight
			case ballot.No:
				want.No += v.Weight
			case ballot.Abstain:
				want.Abstain += v.Weight
			}
		}
		if tally != want {
			t.Fatalf("%+v was counted, %+v stands", tally, want)
		}
	})
}

// TestMoreYesNeverHurts, and more no never helps.
func TestMoreYesNeverHurts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weight := rapid.Uint64Range(0, 1<<60)
		h := ballot.House{
			Rules: ballot.Rules{
				QuorumBps: rapid.Uint32Range(1, 10_000).Draw(t, "quorum"), ThresholdBps: rapid.Uint32Range(5_000, 10_000).Draw(t, "threshold"),
			},
			Tally: ballot.Tally{Yes: weight.Draw(t, "yes"), No: weight.Draw(t, "no"), Abstain: weight.Draw(t, "abstain")},
		}
		h.Total = h.Tally.Yes + h.Tally.No + h.Tally.Abstain + weight.Draw(t, "silent")
		for move, changed := range map[string]ballot.Tally{
			"no becomes yes":      {Yes: h.Tally.Yes + h.Tally.No, Abstain: h.Tally.Abstain},
			"abstain becomes yes": {Yes: h.Tally.Yes + h.Tally.Abstain, No: h.Tally.No},
		} {
			better := h
			if better.Tally = changed; h.Passed() && !better.Passed() {
				t.Fatalf("%s: %+v passes, %+v does not", move, h, better)
			}
		}
		if h.Passed() && h.Tally.Yes <= h.Tally.No {
			t.Fatalf("a minority passes: %+v", h)
		}
	})
}

func TestWhatPasses(t *testing.T) {
	rules := ballot.Rules{QuorumBps: 4_000, ThresholdBps: 6_000}
	for _, c := range []struct {
		tally ballot.Tally
		total uint64
		want  bool
	}{
		{ballot.Tally{}, 0, false},
		{ballot.Tally{}, 100, false},
		{ballot.Tally{Yes: 39}, 100, false},
		{ballot.Tally{Yes: 40}, 100, true},
		{ballot.Tally{Abstain: 40}, 100, false},
		{ballot.Tally{Yes: 1, Abstain: 39}, 100, true},
		{ballot.Tally{Yes: 59, No: 41}, 100, false},
		{ballot.Tally{Yes: 60, No: 40}, 100, true},
	} {
		h := ballot.House{Rules: rules, Tally: c.tally, Total: c.total}
		if h.Passed() != c.want {
			t.Errorf("%+v: %v", h, !c.want)
		}
		if over := c.tally.Yes+c.tally.No+c.tally.Abstain == c.total; ballot.Over([]ballot.House{h}) != over {
			t.Errorf("%+v is over: %v", h, !over)
		}
	}
	half := ballot.House{Rules: ballot.Rules{QuorumBps: 1, ThresholdBps: 5_000}, Tally: ballot.Tally{Yes: 5, No: 5}, Total: 10}
	if half.Passed() {
		t.Error("half is no majority")
	}
	pass := ballot.House{Rules: rules, Tally: ballot.Tally{Yes: 50}, Total: 100}
	for _, c := range []struct {
		houses []ballot.House
		want   bool
	}{{nil, false}, {[]ballot.House{pass}, true}, {[]ballot.House{pass, half}, false}, {[]ballot.House{pass, pass}, true}} {
		if ballot.Passed(c.houses) != c.want {
			t.Errorf("%d houses: %v", len(c.houses), !c.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, v := range []interface{ Validate() error }{
		ballot.Rules{}, ballot.Rules{QuorumBps: 10_001, ThresholdBps: 5_000}, ballot.Rules{QuorumBps: 1, ThresholdBps: 4_999},
		ballot.Times{}, ballot.Times{Voting: 1, Wait: -1}, ballot.Times{Voting: ballot.MaxVoting + 1},
	} {
		if err := v.Validate(); !errors.Is(err, ballot.ErrRules) {
			t.Errorf("%+v: %v", v, err)
		}
	}
	if err := errors.Join(ballot.Rules{QuorumBps: 1, ThresholdBps: 5_000}.Validate(), ballot.Times{Voting: 1}.Validate()); err != nil {
		t.Error(err)
	}
	if _, err := ballot.Cast(ballot.Tally{}, ballot.Vote{}, ballot.Vote{Choice: ballot.Yes}); !errors.Is(err, ballot.ErrNoWeight) {
		t.Error(fmt.Errorf("no weight: %w", err))
	}
}
