// Package ballot counts votes: when a proposal of those who hold something has
// passed. What is held may be shares, badges or seats of a council: each is a
// house with rules of its own, and a proposal passes when every house that it
// needs has passed it.
//
// What a voter weighs is what was held before the ballot opened, so that what is
// moved during a vote counts once, for whoever had it then.
package ballot

import (
	"errors"
	"fmt"
	"math/bits"
)

// whole is how many basis points make the whole.
const whole = 10_000

// Bounds of rules, in seconds.
const (
	MinVoting = 1
	MaxVoting = 60 * 24 * 3600
	MaxWait   = 60 * 24 * 3600
)

// Rules are when a house has passed a proposal.
type Rules struct {
	QuorumBps    uint32 // of all weight that must have voted, abstentions included
	ThresholdBps uint32 // of yes and no that must be yes; more than half
}

// Times are how long a proposal takes.
type Times struct {
	Voting int64 // seconds in which votes are taken
	Wait   int64 // seconds between passing and taking effect, in which one may leave
}

// Choice is what a vote says.
type Choice int

// The choices.
const (
	Yes Choice = iota + 1
	No
	Abstain
)

// Tally is the weight behind each choice in one house.
type Tally struct{ Yes, No, Abstain uint64 }

// House is one electorate's part of a ballot.
type House struct {
	Rules Rules
	Tally Tally
	Total uint64 // weight of all who could vote
}

// Vote is what a voter's weight in one house is behind. Who votes for others,
// whose delegate it is, weighs what all of them held.
type Vote struct {
	Choice Choice
	Weight uint64
}

// Errors: every refusal has a name.
var (
	ErrRules    = errors.New("ballot rules out of range")
	ErrChoice   = errors.New("a vote is yes, no or abstain")
	ErrNoWeight = errors.New("nothing was held before the ballot opened, so there is nothing to vote with")
	ErrClosed   = errors.New("the ballot is closed")
)

// Validate checks that rules are in range.
func (r Rules) Validate() error {
	if r.QuorumBps == 0 || r.QuorumBps > whole || r.ThresholdBps < whole/2 || r.ThresholdBps > whole {
		return fmt.Errorf("%w: a quorum of %d of 1 to %d basis points, a threshold of %d of %d to %d",
			ErrRules, r.QuorumBps, whole, r.ThresholdBps, whole/2, whole)
	}
	return nil
}

// Validate checks that times are in range.
func (t Times) Validate() error {
	if t.Voting < MinVoting || t.Voting > MaxVoting || t.Wait < 0 || t.Wait > MaxWait {
		return fmt.Errorf("%w: %d seconds of voting, of %d to %d, and %d of waiting, of at most %d",
			ErrRules, t.Voting, MinVoting, MaxVoting, t.Wait, MaxWait)
	}
	return nil
}

// Cast counts a vote; it replaces what the voter's weight was behind before, the
// zero Vote if nothing.
func Cast(t Tally, before, vote Vote) (Tally, error) {
	switch {
	case vote.Choice < Yes || vote.Choice > Abstain:
		return t, fmt.Errorf("%w, not %d", ErrChoice, vote.Choice)
	case vote.Weight == 0:
		return t, ErrNoWeight
	}
	if before.Choice != 0 {
		*t.of(before.Choice) -= before.Weight
	}
	*t.of(vote.Choice) += vote.Weight
	return t, nil
}

// of is where a choice is counted. Weights of a house sum to its total, so that
// nothing overflows.
func (t *Tally) of(c Choice) *uint64 {
	switch c {
	case Yes:
		return &t.Yes
	case No:
		return &t.No
	}
	return &t.Abstain
}

// Passed says whether a house passes what was put to it. A house of nobody
// passes nothing.
func (h House) Passed() bool { return h.quorate() && h.approves(h.Tally.Yes+h.Tally.No) }

func (h House) quorate() bool {
	return h.voted() > 0 && !less(h.voted(), h.Total, h.Rules.QuorumBps)
}

func (h House) voted() uint64 { return h.Tally.Yes + h.Tally.No + h.Tally.Abstain }

// Over says whether everybody has voted in every house, so that there is nobody
// to wait for.
func Over(houses []House) bool {
	for _, h := range houses {
		if h.voted() < h.Total {
			return false
		}
	}
	return len(houses) > 0
}

// approves says whether yes is more than half of what counts, and at least the
// threshold.
func (h House) approves(of uint64) bool {
	return h.Tally.Yes > of/2 && !less(h.Tally.Yes, of, h.Rules.ThresholdBps)
}

// Passed says whether every house passed; no house at all passes nothing.
func Passed(houses []House) bool {
	for _, h := range houses {
		if !h.Passed() {
			return false
		}
	}
	return len(houses) > 0
}

// less says whether a part is less than so many basis points of all.
func less(part, all uint64, bps uint32) bool {
	ph, pl := bits.Mul64(part, whole)
	ah, al := bits.Mul64(all, uint64(bps))
	return ph < ah || ph == ah && pl < al
}
