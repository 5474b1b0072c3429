package beacon

import (
	"errors"
	"fmt"
)

// Conduct is what one validator did in one round.
type Conduct int

// Conducts.
const (
	// Contributed: it voted for the block with a valid proof.
	Contributed Conduct = iota + 1
	// Withheld: it voted for the block, with no proof or an invalid one. Only
	// the validator itself can do this: its signature covers what it sent.
	Withheld
	// Silent: its vote is not in the block, or is for none. The network or the
	// proposer may be to blame, so that much of it is borne.
	Silent
)

// String is the conduct's name in events.
func (c Conduct) String() string {
	switch c {
	case Contributed:
		return "contributed"
	case Withheld:
		return "withheld"
	case Silent:
		return "silent"
	}
	return fmt.Sprintf("conduct %d", int(c))
}

// Params are what governance sets.
type Params struct {
	// Window is how many rounds are counted together; counts begin anew with
	// each window.
	Window int64
	// MaxWithheld and MaxSilent are how often a validator may withhold, or be
	// silent, in one window without punishment.
	MaxWithheld, MaxSilent int64
}

// ErrParams is returned for parameters out of range.
var ErrParams = errors.New("parameter out of range")

// maxWindow is the longest window, in rounds.
const maxWindow = 10_000_000

// Validate checks that parameters are in range.
func (p Params) Validate() error {
	switch {
	case p.Window < 1 || p.Window > maxWindow:
		return fmt.Errorf("%w: window of %d rounds, it is 1 to %d", ErrParams, p.Window, maxWindow)
	case p.MaxWithheld < 0 || p.MaxWithheld > p.Window:
		return fmt.Errorf("%w: max_withheld of %d in %d rounds", ErrParams, p.MaxWithheld, p.Window)
	case p.MaxSilent < 0 || p.MaxSilent > p.Window:
		return fmt.Errorf("%w: max_silent of %d in %d rounds", ErrParams, p.MaxSilent, p.Window)
	}
	return nil
}

// Standing is how often a validator failed in a window.
type Standing struct {
	// Window is the number of the window counted: height / Params.Window.
	Window           int64
	Withheld, Silent int64
}

// Count adds what a validator did at a height. It says whether the validator
// is to be punished now; the count then begins anew, so that one failure is
// punished once.
func (p Params) Count(s Standing, height int64, c Conduct) (_ Standing, punish bool) {
	if window := height / p.Window; window != s.Window {
		s = Standing{Window: window}
	}
	switch c {
	case Withheld:
		s.Withheld++
	case Silent:
		s.Silent++
	}
	if s.Withheld > p.MaxWithheld || s.Silent > p.MaxSilent {
		return Standing{Window: s.Window}, true
	}
	return s, false
}
