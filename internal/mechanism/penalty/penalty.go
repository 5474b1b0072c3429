// Package penalty is what a proven offence costs: how much of a bond, how long
// out of the market, and to whom the money goes. It judges nothing: whoever
// convicts has proof already.
package penalty

import (
	"errors"
	"fmt"
	"math/bits"
)

// Whole is how many basis points make the whole.
const Whole = 10_000

// Offence is what somebody was convicted of.
type Offence int

// The offences. The last two are auditors'.
const (
	// WrongModel: an answer was not made by the model that its receipt names.
	WrongModel Offence = iota + 1
	// NoAnswer: no answer to an epoch's challenge, or none in court.
	NoAnswer
	// OverCounted: a receipt counts more tokens than there are.
	OverCounted
	// Equivocation: two signed statements of which a provider may make one.
	Equivocation
	// FalseVote: an auditor's values were contradicted.
	FalseVote
	// AbsentAuditor: an auditor who was drawn did not commit, or did not reveal.
	AbsentAuditor
)

// Offences are all of them, in order.
var Offences = [...]Offence{WrongModel, NoAnswer, OverCounted, Equivocation, FalseVote, AbsentAuditor}

var names = [...]string{"unknown", "wrong model", "no answer", "over-counted tokens", "equivocation", "false vote", "absent auditor"}

// String is the offence in words.
func (o Offence) String() string {
	if !o.Known() {
		return names[0]
	}
	return names[o]
}

// Known says whether it is one of the offences.
func (o Offence) Known() bool { return o >= WrongModel && o <= AbsentAuditor }

// Fraud says whether an offence is a lie, which no broken machine or line
// explains twice. The others are absences: they cost, and never end a career.
func (o Offence) Fraud() bool { return o != NoAnswer && o != AbsentAuditor }

// Conviction is a proven offence. Nobody is punished twice for one Reference.
type Conviction struct {
	Provider  string // who did it: a provider's account, or an auditor's
	Offence   Offence
	Finder    string // who found it out; may be empty
	Victim    string // who was cheated; may be empty
	Reference string // what it is about, such as "case/7" or "receipt/…"
	// Done is when it was done at the latest, Unix seconds; 0 if nobody can say.
	Done int64
}

// Rule is the punishment of one offence.
type Rule struct {
	FirstBps  uint32 // of the bond, in basis points, the first time
	RepeatBps uint32 // and from the second time on
	Floor     uint64 // least fine, ukoin, as far as there is that much
	Jail      int64  // seconds; doubled for each repeat, up to MaxJail
	// Tombstone is at how many convictions of its kind one is out for good; 0
	// for never.
	Tombstone uint32
}

// MaxJail bounds a stay in jail, in seconds.
const MaxJail = 366 * 24 * 3600

// Params are what governance sets.
type Params struct {
	Rules [len(Offences)]Rule // by offence, in their order
	// VictimBps and FinderBps are their parts of a fine. The rest is burnt, and
	// is never less than LeastBurnBps, so that it does not pay to convict
	// oneself.
	VictimBps, FinderBps uint32
}

// LeastBurnBps is the least part of a fine that nobody gets.
const LeastBurnBps = 2_000

// Errors of penalties.
var (
	ErrParams  = errors.New("penalty parameter out of range")
	ErrOffence = errors.New("there is no such offence")
)

// Default are the penalties of a public network. Bits may flip in an honest
// machine's memory, so that a first fraud does not take everything; nobody is
// that unlucky twice.
func Default() Params {
	const hour, day = 3600, 24 * 3600
	return Params{
		Rules: [...]Rule{
			{FirstBps: 3_000, RepeatBps: Whole, Floor: 50_000_000, Jail: 7 * day, Tombstone: 2}, // WrongModel
			{FirstBps: 100, RepeatBps: 500, Floor: 1_000_000, Jail: hour},                       // NoAnswer
			{FirstBps: 1_000, RepeatBps: 5_000, Floor: 10_000_000, Jail: day, Tombstone: 3},     // OverCounted
			{FirstBps: 2_000, RepeatBps: Whole, Floor: 20_000_000, Jail: 3 * day, Tombstone: 2}, // Equivocation
			{FirstBps: 3_000, RepeatBps: Whole, Floor: 50_000_000, Jail: 7 * day, Tombstone: 2}, // FalseVote
			{FirstBps: 100, RepeatBps: 500, Floor: 1_000_000, Jail: hour},                       // AbsentAuditor
		},
		VictimBps: 3_000, FinderBps: 2_000,
	}
}

// Validate checks that parameters are in range.
func (p Params) Validate() error {
	for i, r := range p.Rules {
		o := Offences[i]
		switch {
		case r.FirstBps > Whole || r.RepeatBps > Whole || r.FirstBps > r.RepeatBps:
			return fmt.Errorf("%w: %v: first_bps %d and repeat_bps %d must not fall, nor be above %d", ErrParams, o, r.FirstBps, r.RepeatBps, Whole)
		case r.Jail < 0 || r.Jail > MaxJail:
			return fmt.Errorf("%w: %v: jail of %d seconds; at most %d", ErrParams, o, r.Jail, MaxJail)
		case !o.Fraud() && r.Tombstone != 0:
			return fmt.Errorf("%w: %v: tombstone must be 0: an absence ends no career", ErrParams, o)
		}
	}
	if uint64(p.VictimBps)+uint64(p.FinderBps) > Whole-LeastBurnBps {
		return fmt.Errorf("%w: victim_bps %d and finder_bps %d: together at most %d", ErrParams, p.VictimBps, p.FinderBps, Whole-LeastBurnBps)
	}
	return nil
}

// Record is what somebody was convicted of before: how often, and when the last of
// these convictions was, Unix seconds. What was done before it is no repetition, and
// is not counted: whoever is caught three times at one go has had no warning, however
// many found it.
type Record struct {
	Frauds, Absences   uint32
	FraudAt, AbsenceAt int64
}

// Sentence is what a conviction costs.
type Sentence struct {
	Bps       uint32 // of everything that vouched for the convict: its bond and signals on it
	Fine      uint64 // of the bond, ukoin
	Jail      int64  // seconds
	Tombstone bool   // out for good
}

// Judge gives the sentence for a conviction, now, of somebody with a record and so
// much bond, that on its way back included, and the record that follows. The fine is
// rounded up, to the bond at most. What was done before the last conviction of its
// kind is punished as that was: each victim has its part, and nothing is doubled.
func Judge(p Params, c Conviction, now int64, before Record, bond uint64) (Sentence, Record, error) {
	o := c.Offence
	if !o.Known() {
		return Sentence{}, before, fmt.Errorf("%w: %d", ErrOffence, int(o))
	}
	rule, count, last := p.Rules[o-1], &before.Frauds, &before.FraudAt
	if !o.Fraud() {
		count, last = &before.Absences, &before.AbsenceAt
	}
	repeats := *count
	if c.Done > 0 && c.Done <= *last && *count > 0 {
		repeats--
	} else {
		*count, *last = max(*count, *count+1), now // as many as can be counted
	}
	s := Sentence{Bps: rule.FirstBps, Jail: rule.Jail}
	for range min(repeats, 32) {
		s.Bps, s.Jail = rule.RepeatBps, min(2*s.Jail, MaxJail)
	}
	s.Tombstone = rule.Tombstone > 0 && *count >= rule.Tombstone
	s.Fine = min(bond, max(rule.Floor, partUp(bond, s.Bps)))
	return s, before, nil
}

// Proceeds is where a fine goes.
type Proceeds struct{ Victim, Finder, Rest uint64 }

// Divide divides what a convict lost. Both parts are rounded down; who is not
// there gets nothing, and neither does the convict; the rest is burnt if it is
// KOIN, and the audit fund's if it is credit, which somebody backs.
func Divide(p Params, c Conviction, amount uint64) Proceeds {
	d := Proceeds{Rest: amount}
	if c.Victim != "" && c.Victim != c.Provider {
		d.Victim = partDown(amount, p.VictimBps)
	}
	if c.Finder != "" && c.Finder != c.Provider {
		d.Finder = partDown(amount, p.FinderBps)
	}
	d.Rest -= d.Victim + d.Finder
	return d
}

// partDown is amount·bps/Whole, rounded down; it fits, as bps is at most Whole.
func partDown(amount uint64, bps uint32) uint64 {
	high, low := bits.Mul64(amount, uint64(bps))
	part, _ := bits.Div64(high, low, Whole)
	return part
}

// partUp is amount·bps/Whole, rounded up.
func partUp(amount uint64, bps uint32) uint64 {
	return amount - partDown(amount, Whole-min(bps, Whole))
}
