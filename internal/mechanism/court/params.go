package court

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// Stage is one committee.
type Stage struct {
	Size      int
	QuorumBps uint32 // of its members must agree, in basis points; statistical class
}

// quorum is how many members that is, rounded up.
func (s Stage) quorum() int { return (s.Size*int(s.QuorumBps) + whole - 1) / whole }

// Params are what governance sets.
type Params struct {
	DisputeBond uint64 // ucredit
	// An audit is paid BaseFee and FeeBps of the receipt's cost, at most MaxFee.
	BaseFee, MaxFee uint64 // ucredit
	FeeBps          uint32
	AccusedBps      uint32 // of a lost bond, to the accused for its trouble
	// What each state lasts at most, in seconds.
	DrawFor, SealFor, CommitFor, OpenFor, RevealFor, MoveFor, UnmaskFor int64
	// DisputeFor is how long after its end an answer may be disputed, KeepFor how
	// long a closed case is remembered, in seconds.
	DisputeFor, KeepFor int64
	Exact, Statistical  []Stage
	Positions           int // steps drawn of an answer
	// LeastToSlash is the least committee whose scores convict.
	LeastToSlash int
}

// Bounds of parameters.
const (
	whole        = 10_000
	maxSeconds   = 31 * 24 * 3600
	maxStages    = 4
	maxSeats     = 101
	maxPositions = 64
	leastToSlash = 21
)

// ErrParams is returned for parameters out of range.
var ErrParams = errors.New("court parameter out of range")

// Default are the parameters of a public network. The accused has a day to
// answer: nobody is convicted for a night's sleep.
func Default() Params {
	const minute, hour, day = 60, 3600, 24 * 3600
	return Params{
		DisputeBond: 5_000_000, BaseFee: 20_000, FeeBps: 20_000, MaxFee: 1_000_000, AccusedBps: 5_000,
		DrawFor: hour, SealFor: 6 * hour, CommitFor: 12 * hour, OpenFor: day, RevealFor: 6 * hour, MoveFor: 6 * hour, UnmaskFor: 10 * minute,
		DisputeFor: 3 * day, KeepFor: 30 * day,
		Exact:       []Stage{{Size: 1}, {Size: 3}, {Size: 7}},
		Statistical: []Stage{{3, whole}, {21, 7_500}, {61, 6_000}},
		Positions:   32, LeastToSlash: leastToSlash,
	}
}

// Validate checks that parameters are in range.
func (p Params) Validate() error {
	for _, f := range []struct {
		name    string
		seconds int64
	}{
		{"draw", p.DrawFor}, {"seal", p.SealFor}, {"commit", p.CommitFor}, {"open", p.OpenFor},
		{"reveal", p.RevealFor}, {"move", p.MoveFor}, {"unmask", p.UnmaskFor}, {"dispute", p.DisputeFor}, {"keep", p.KeepFor},
	} {
		if f.seconds < 1 || f.seconds > maxSeconds {
			return fmt.Errorf("%w: %s_seconds is %d, must be 1 to %d", ErrParams, f.name, f.seconds, maxSeconds)
		}
	}
	if p.KeepFor < p.DisputeFor { // a case that is forgotten could be opened again
		return fmt.Errorf("%w: keep_seconds is %d, must be at least dispute_seconds, %d", ErrParams, p.KeepFor, p.DisputeFor)
	}
	if p.LeastToSlash < leastToSlash {
		return fmt.Errorf("%w: a committee of %d convicts by scores; at least %d", ErrParams, p.LeastToSlash, leastToSlash)
	}
	if p.AccusedBps > whole || p.Positions < 1 || p.Positions > maxPositions {
		return fmt.Errorf("%w: accused_bps %d must be at most %d, positions %d 1 to %d", ErrParams, p.AccusedBps, whole, p.Positions, maxPositions)
	}
	if err := validateStages(p.Exact, false); err != nil {
		return fmt.Errorf("exact: %w", err)
	}
	if err := validateStages(p.Statistical, true); err != nil {
		return fmt.Errorf("statistical: %w", err)
	}
	// The first committee works even when the fund is empty.
	first := uint64(max(p.Exact[0].Size, p.Statistical[0].Size))
	if high, cost := bits.Mul64(p.MaxFee, first); high > 0 || cost > p.DisputeBond {
		return fmt.Errorf("%w: dispute_bond %d must pay a first committee of %d at max_fee %d", ErrParams, p.DisputeBond, first, p.MaxFee)
	}
	return nil
}

func validateStages(list []Stage, votes bool) error {
	if len(list) == 0 || len(list) > maxStages {
		return fmt.Errorf("%w: %d stages; 1 to %d", ErrParams, len(list), maxStages)
	}
	for i, s := range list {
		if s.Size < 1 || s.Size > maxSeats || i > 0 && s.Size <= list[i-1].Size {
			return fmt.Errorf("%w: stage %d has %d seats; sizes grow and are at most %d", ErrParams, i, s.Size, maxSeats)
		}
		if votes && (s.QuorumBps <= whole/2 || s.QuorumBps > whole) {
			return fmt.Errorf("%w: stage %d has a quorum_bps of %d; more than half, at most %d", ErrParams, i, s.QuorumBps, whole)
		}
	}
	return nil
}

// Part is amount·bps/10,000, rounded down; bps is at most 10,000.
func Part(amount uint64, bps uint32) uint64 {
	high, low := bits.Mul64(amount, uint64(bps))
	part, _ := bits.Div64(high, low, whole)
	return part
}

// Reimbursement is what a mystery audit is paid: its fee, and what the answer
// cost, each at most MaxFee.
func Reimbursement(p Params, cost uint64) uint64 { return p.fee(cost) + min(cost, p.MaxFee) }

// fee is what one completed audit of a receipt is paid; the part of its cost is
// rounded down.
func (p Params) fee(cost uint64) uint64 {
	high, low := bits.Mul64(cost, uint64(p.FeeBps))
	if high >= whole {
		return p.MaxFee
	}
	part, _ := bits.Div64(high, low, whole)
	sum, carry := bits.Add64(p.BaseFee, part, 0)
	if carry != 0 {
		return p.MaxFee
	}
	return min(sum, p.MaxFee)
}

// Million is a rate of one: rates are in millionths.
const Million = 1_000_000

// Rate is which part of a provider's answers are to be audited, in millionths:
// all of a newcomer's, half after so many clean audits as halve it, and never
// less than the least; all again while its pay is withheld. Rounded up.
func Rate(clean, halve, least uint64, withheld bool) uint64 {
	if withheld || clean == 0 || halve == 0 {
		return Million
	}
	clean = min(clean, 1<<40)
	halve = min(halve, 1<<40)
	rate := (Million*halve + halve + clean - 1) / (halve + clean)
	return min(Million, max(least, rate))
}

// Assigned says whether an auditor, by its VRF output of an epoch, has to buy
// from a provider in it. A provider of rate one is drawn by as many auditors as
// its audits in an epoch, on average; nobody but the auditor knows which.
func Assigned(output []byte, provider string, rate, audits, auditors uint64) bool {
	if auditors == 0 {
		return false
	}
	draw := sha256.Sum256(append(append([]byte("koinon/assigned/v1\x00"), output...), provider...))
	// draw/2⁶⁴ < rate·audits/(Million·auditors); the products fit, as a rate is at
	// most a million, and audits and auditors below 2⁴⁰.
	high, _ := bits.Mul64(binary.BigEndian.Uint64(draw[:8]), Million*min(auditors, 1<<40))
	return high < rate*min(audits, 1<<40)
}
