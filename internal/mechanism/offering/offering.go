// Package offering is the rule of an initial model offering: how shares of a
// model are sold to raise credit for it, and when its makers get the credit.
//
// There are two forms. At a fixed price, buyers pay until a hard cap or a
// deadline, have their shares if a soft cap was reached, and all of their credit
// back if not. On a bonding curve, a part of each payment is raised and the rest
// is the curve's reserve, for which the curve always buys shares back; if the
// soft cap is missed, what was raised goes back, and the curve stays.
//
// Orders of a block clear together, at one price. What was raised is released by
// milestones; what is not released in time goes back in proportion.
package offering

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/koinon/koinon/internal/mechanism/curve"
)

// whole is how many basis points make the whole.
const whole = 10_000

// Bounds of terms.
const (
	MaxMilestones = 16
	maxSeconds    = 2 * 366 * 24 * 3600
)

// Proof is what releases a milestone's part.
type Proof int

// The proofs of milestones.
const (
	// Closing is the sale's success itself.
	Closing Proof = iota + 1
	// Decision is a vote of the model's shareholders.
	Decision
	// Listing is a version of the model that the ledger lists, of a digest that
	// the terms name.
	Listing
	// Evaluation is a score that the council gave a listed version of the model.
	Evaluation
)

// Milestone releases a part of what was raised.
type Milestone struct {
	Bps    uint32
	Proof  Proof
	Digest string // of a Listing
	// Benchmark and Score, in millionths, are of an Evaluation, which is to be at
	// least that.
	Benchmark string
	Score     uint64
}

// proved says whether a milestone names what its proof takes, and nothing else.
func (m Milestone) proved() bool {
	return m.Proof >= Closing && m.Proof <= Evaluation && (m.Digest != "") == (m.Proof == Listing) &&
		(m.Benchmark != "") == (m.Proof == Evaluation) && (m.Score != 0) == (m.Proof == Evaluation) && len(m.Benchmark) <= MaxBenchmark
}

// MaxBenchmark bounds the name of a benchmark, in bytes.
const MaxBenchmark = 64

// Council is who evaluates: of so many members, how many must agree.
type Council struct {
	Members []string
	Quorum  int
}

// MaxMembers bounds a council.
const MaxMembers = 64

// Validate checks a council; one without members is one that is not there.
// Refusal: [ErrCouncil].
func (c Council) Validate() error {
	if len(c.Members) > MaxMembers || c.Quorum < min(1, len(c.Members)) || c.Quorum > len(c.Members) {
		return fmt.Errorf("%w: %d of %d members, at most %d are possible", ErrCouncil, c.Quorum, len(c.Members), MaxMembers)
	}
	for i, m := range c.Members {
		if slices.Contains(c.Members[:i], m) {
			return fmt.Errorf("%w: %s is in it twice", ErrCouncil, m)
		}
	}
	return nil
}

// Agrees says whether enough members found a score of at least so much. Score is
// what a member found, false if it did not look.
func (c Council) Agrees(least uint64, score func(member string) (uint64, bool)) bool {
	var agree int
	for _, m := range c.Members {
		if found, ok := score(m); ok && found >= least {
			agree++
		}
	}
	return len(c.Members) > 0 && agree >= c.Quorum
}

// Terms are what buyers agree to; they never change.
type Terms struct {
	// Price, ucredit for a million shares, is that of a sale at a fixed price; or
	// Curve is that of the other form, and RaiseBps the part of each payment that
	// is raised rather than kept in reserve.
	Price    uint64
	Curve    curve.Curve
	RaiseBps uint32

	Shares   uint64 // for sale
	SoftCap  uint64 // ucredit that must be raised
	Deadline int64  // of buying, Unix seconds
	Lapse    int64  // when what is not released goes back, Unix seconds

	Milestones []Milestone
}

// Status is how far an offering is.
type Status int

// The states of an offering.
const (
	Open      Status = iota + 1
	Succeeded        // the soft cap was reached: milestones release
	Failed           // it was missed: what was raised goes back
	Lapsed           // milestones were missed: what is not released goes back
)

// Sale is an offering's course.
type Sale struct {
	Status      Status
	Sold        uint64 // shares
	Reserve     uint64 // ucredit of a curve, for what is sold
	Raised      uint64 // ucredit, in all
	Held        uint64 // ucredit raised that is neither released nor given back
	Contributed uint64 // of Raised, what buyers have who could be owed some of it back
	Done        []bool // of each milestone: released
}

// Position is one buyer's part.
type Position struct {
	Shares uint64 // bought at the fixed price and not delivered
	Raised uint64 // ucredit of what the buyer paid that was raised
}

// Errors: every refusal has a name.
var (
	ErrTerms    = errors.New("these are no terms of an offering")
	ErrClosed   = errors.New("the offering is closed to buyers")
	ErrNotOpen  = errors.New("the offering is not in the state for this")
	ErrTooSmall = errors.New("the amount buys nothing")
	ErrNoCurve  = errors.New("shares are sold back on a bonding curve only")
	ErrReleased = errors.New("the milestone's part has been released already")
	ErrNothing  = errors.New("nothing is owed")
	ErrCouncil  = errors.New("this is no council")
)

// Validate checks terms at the time of opening.
func (t Terms) Validate(now int64) error {
	switch {
	case t.Shares == 0:
		return fmt.Errorf("%w: shares must be more than zero", ErrTerms)
	case (t.Price == 0) == (t.Curve == nil):
		return fmt.Errorf("%w: give a price or a curve", ErrTerms)
	case t.Curve != nil && (t.RaiseBps == 0 || t.RaiseBps >= whole):
		return fmt.Errorf("%w: raise_bps is %d, on a curve it must be 1 to %d", ErrTerms, t.RaiseBps, whole-1)
	case t.Curve == nil && t.RaiseBps != 0:
		return fmt.Errorf("%w: raise_bps is for a curve; all that a fixed price brings is raised", ErrTerms)
	case t.Deadline <= now || t.Deadline > now+maxSeconds:
		return fmt.Errorf("%w: the deadline must be within two years", ErrTerms)
	case t.Lapse <= t.Deadline || t.Lapse > t.Deadline+maxSeconds:
		return fmt.Errorf("%w: the lapse must be within two years of the deadline", ErrTerms)
	}
	most, err := t.most()
	if err != nil {
		return err
	}
	if t.SoftCap == 0 || t.SoftCap > most {
		return fmt.Errorf("%w: the soft cap is %d ucredit, all shares would raise %d ucredit", ErrTerms, t.SoftCap, most)
	}
	return t.validateMilestones()
}

// most is what is raised when all shares are sold: the hard cap.
func (t Terms) most() (uint64, error) {
	if t.Curve == nil {
		high, low := bits.Mul64(t.Shares, t.Price)
		if high >= curve.Million {
			return 0, fmt.Errorf("%w: %d shares at %d ucredit a million do not fit in 64 bits", ErrTerms, t.Shares, t.Price)
		}
		most, _ := bits.Div64(high, low, curve.Million)
		return most, nil
	}
	if err := t.Curve.Validate(); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrTerms, err)
	}
	if t.Curve.Supply() != t.Shares {
		return 0, fmt.Errorf("%w: the curve sells %d shares, the terms %d", ErrTerms, t.Curve.Supply(), t.Shares)
	}
	reserve, err := t.Curve.Reserve(t.Shares)
	if err != nil {
		return 0, err
	}
	most := t.raise(reserve)
	if most+reserve < reserve || most >= 1<<63 {
		return 0, fmt.Errorf("%w: what all shares bring does not fit in 63 bits", ErrTerms)
	}
	return most, nil
}

func (t Terms) validateMilestones() error {
	if len(t.Milestones) == 0 || len(t.Milestones) > MaxMilestones {
		return fmt.Errorf("%w: %d milestones, of 1 to %d", ErrTerms, len(t.Milestones), MaxMilestones)
	}
	var sum uint64
	for i, m := range t.Milestones {
		if m.Bps == 0 || !m.proved() {
			return fmt.Errorf("%w: milestone %d needs a part, a proof, and a digest if the proof is a listing, a benchmark and a score if it is an evaluation", ErrTerms, i)
		}
		sum += uint64(m.Bps)
	}
	if sum != whole {
		return fmt.Errorf("%w: the milestones' parts add up to %d basis points, not %d", ErrTerms, sum, whole)
	}
	return nil
}

// raise is what is raised beside what goes to the curve, rounded up.
func (t Terms) raise(reserve uint64) uint64 {
	return mulUp(reserve, uint64(t.RaiseBps), uint64(whole-t.RaiseBps))
}

// New is the sale that terms begin with.
func New(t Terms) Sale { return Sale{Status: Open, Done: make([]bool, len(t.Milestones))} }

// MayBuy says whether the offering takes an order at a time.
func MayBuy(t Terms, s Sale, now int64) error {
	if s.Status != Open || now >= t.Deadline {
		return ErrClosed
	}
	return nil
}

// MaySell says whether the offering's curve takes shares back: always.
func MaySell(t Terms) error {
	if t.Curve == nil {
		return ErrNoCurve
	}
	return nil
}

// Close ends an open offering that is over: at its deadline, or when all is sold
// at a fixed price. It says whether it did.
func Close(t Terms, s Sale, now int64) (Sale, bool) {
	soldOut := t.Curve == nil && s.Sold == t.Shares
	switch {
	case s.Status == Open && (now >= t.Deadline || soldOut):
		s.Status = Failed
		if s.Raised >= t.SoftCap {
			s.Status = Succeeded
		}
		return s, true
	case s.Status == Succeeded && now >= t.Lapse && s.Held > 0:
		s.Status = Lapsed
		return s, true
	}
	return s, false
}

// Release takes a milestone's part out of what is held; who calls it has checked
// the proof. The last one takes what roundings left.
func Release(t Terms, s Sale, milestone int) (Sale, uint64, error) {
	switch {
	case s.Status != Succeeded:
		return s, 0, fmt.Errorf("%w: only one that succeeded releases", ErrNotOpen)
	case milestone < 0 || milestone >= len(t.Milestones):
		return s, 0, fmt.Errorf("%w: it has %d milestones, counted from 0", ErrTerms, len(t.Milestones))
	case s.Done[milestone]:
		return s, 0, ErrReleased
	}
	done := append([]bool(nil), s.Done...)
	done[milestone] = true
	last := true
	for _, d := range done {
		last = last && d
	}
	part := s.Held
	if !last {
		high, low := bits.Mul64(s.Raised, uint64(t.Milestones[milestone].Bps))
		part, _ = bits.Div64(high, low, whole)
	}
	s.Done = done
	s.Held -= part
	return s, part, nil
}

// Settle gives a buyer what is owed after the sale: shares that were paid, or
// its part of the credit that goes back. The last one has what roundings left.
func Settle(s Sale, p Position) (next Sale, left Position, shares, ucredit uint64, err error) {
	next, left = s, p
	switch s.Status {
	case Succeeded:
		shares, left.Shares = p.Shares, 0
	case Lapsed:
		shares, left.Shares = p.Shares, 0
		fallthrough
	case Failed:
		if s.Contributed > 0 {
			high, low := bits.Mul64(p.Raised, s.Held)
			ucredit, _ = bits.Div64(high, low, s.Contributed) // fits, as Held is at most Contributed
		}
		next.Held -= ucredit
		next.Contributed -= p.Raised
		left = Position{}
	}
	if left == p {
		return s, p, 0, 0, ErrNothing
	}
	return next, left, shares, ucredit, nil
}

// mulUp is a·b/c, rounded up; the largest number if it does not fit.
func mulUp(a, b, c uint64) uint64 {
	high, low := bits.Mul64(a, b)
	if high >= c {
		return 1<<64 - 1
	}
	q, r := bits.Div64(high, low, c)
	if r > 0 {
		q++
	}
	return q
}
