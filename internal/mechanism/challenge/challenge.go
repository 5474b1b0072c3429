// Package challenge holds the rules of the epoch challenge: who must answer,
// what counts as an answer, when each stage ends, and what follows. Each epoch
// every provider of a model version answers a prompt that nobody could foresee,
// by running the model: it commits to its answer, and reveals it when nobody
// can commit any more. Answers that differ convict nobody: they go before the
// court. Whoever does not answer is convicted of that. See spec/challenge.md.
package challenge

import (
	"errors"
	"fmt"

	"github.com/koinon/koinon/receipt"
)

// Params are what governance sets. Times are in seconds.
type Params struct {
	// Epoch is how often each model version is challenged; 0 for never.
	Epoch int64
	// Commit and Reveal are how long providers have for each, Verdict how long
	// the court has.
	Commit, Reveal, Verdict int64
	// Blocks is how many blocks each stage lasts at least, so that a ledger
	// that stood still leaves time to answer when it goes on.
	Blocks int64
	// Tokens is the prompt's length, Steps how many tokens follow it, Scored how many
	// in the statistical class; 0 for not challenging that.
	Tokens, Steps, Scored int64
	// Examine is the part, in millionths, of a provider's audit rate with which a
	// committee scores its answer of the statistical class.
	Examine uint64
	// Excuse is in how many epochs a provider that leaves during a challenge is
	// excused once.
	Excuse int64
}

// Bounds of parameters.
const (
	maxSeconds = 366 * 24 * 3600
	maxBlocks  = 10_000
	MaxTokens  = 1024
	maxEpochs  = 1_000_000
	million    = 1_000_000
)

// Errors of challenges.
var (
	ErrParams     = errors.New("parameter out of range")
	ErrStage      = errors.New("not the time for this")
	ErrTwice      = errors.New("done already")
	ErrCommitment = errors.New("the answer, the salt and this provider's address do not make the commitment")
	ErrAnswer     = errors.New("an answer has a digest")
)

// Validate checks that parameters are in range.
func (p Params) Validate() error {
	for _, f := range []struct {
		name       string
		value      int64
		least, top int64
	}{
		{"epoch_seconds", p.Epoch, 0, maxSeconds},
		{"commit_seconds", p.Commit, 1, maxSeconds},
		{"reveal_seconds", p.Reveal, 1, maxSeconds},
		{"verdict_seconds", p.Verdict, 1, maxSeconds},
		{"blocks", p.Blocks, 2, maxBlocks},
		{"tokens", p.Tokens, 2, MaxTokens},
		{"steps", p.Steps, 1, MaxTokens},
		{"scored_steps", p.Scored, 0, MaxTokens},
		{"excuse_epochs", p.Excuse, 1, maxEpochs},
	} {
		if f.value < f.least || f.value > f.top {
			return fmt.Errorf("%w: %s is %d, it may be %d to %d", ErrParams, f.name, f.value, f.least, f.top)
		}
	}
	if p.Epoch > 0 && p.Commit+p.Reveal > p.Epoch/2 {
		return fmt.Errorf("%w: commit_seconds and reveal_seconds are %d together, more than half of epoch_seconds, %d", ErrParams, p.Commit+p.Reveal, p.Epoch)
	}
	if p.Examine > million {
		return fmt.Errorf("%w: examine is %d millionths, it may be 0 to %d", ErrParams, p.Examine, uint64(million))
	}
	return nil
}

// Stage is how far a challenge is.
type Stage int

// Stages, in their order. Disputed is left out when all answers agree.
const (
	Enrolled   Stage = iota + 1 // who must answer is fixed, the prompt is not drawn
	Committing                  // commitments are taken
	Revealing                   // answers are taken
	Judging                     // answers are compared
	Disputed                    // the court judges those that differ
	Closed                      // nothing changes any more
)

// String is the stage's name.
func (s Stage) String() string {
	names := []string{"enrolled", "committing", "revealing", "judging", "disputed", "closed"}
	if s < Enrolled || int(s) > len(names) {
		return fmt.Sprintf("stage %d", int(s))
	}
	return names[s-1]
}

// Challenge is what one model version is asked in one epoch. It is a value:
// two that are equal behave alike.
type Challenge struct {
	Stage       Stage
	Statistical bool
	// Seed is what the prompt follows from; zero before it is drawn.
	Seed receipt.Digest
	// Deadline, Unix seconds, and Until, a height, are when the stage ends:
	// when both have passed.
	Deadline, Until int64
	// Differing counts those who answered, but otherwise than the leader; in the
	// statistical class, those whose answer a committee scores.
	Differing int
}

// Draw fixes the prompt and begins to take commitments.
func (c Challenge) Draw(p Params, seed receipt.Digest, now, height int64) (Challenge, error) {
	if c.Stage != Enrolled {
		return c, fmt.Errorf("%w: the challenge is %s, not enrolled", ErrStage, c.Stage)
	}
	c.Stage, c.Seed = Committing, seed
	return c.lasting(p, p.Commit, now, height), nil
}

// lasting sets when a stage ends that begins now.
func (c Challenge) lasting(p Params, seconds, now, height int64) Challenge {
	c.Deadline, c.Until = now+seconds, height+p.Blocks
	return c
}

// Due says whether the stage's time is over.
func (c Challenge) Due(now, height int64) bool { return now >= c.Deadline && height >= c.Until }

// Advance ends a stage whose time is over: commitments, reveals or the court's.
func (c Challenge) Advance(p Params, now, height int64) Challenge {
	if !c.Due(now, height) {
		return c
	}
	switch c.Stage {
	case Committing:
		c.Stage = Revealing
		return c.lasting(p, p.Reveal, now, height)
	case Revealing:
		c.Stage = Judging
	case Disputed:
		c.Stage = Closed
	}
	return c
}

// Conclude ends the comparing, after every participant was judged: with the
// court if answers differ.
func (c Challenge) Conclude(p Params, now, height int64) (Challenge, error) {
	if c.Stage != Judging {
		return c, fmt.Errorf("%w: the challenge is %s, not judging", ErrStage, c.Stage)
	}
	if c.Differing == 0 {
		c.Stage = Closed
		return c, nil
	}
	c.Stage = Disputed
	return c.lasting(p, p.Verdict, now, height), nil
}
