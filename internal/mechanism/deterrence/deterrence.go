// Package deterrence says what makes cheating lose money: how much must be at
// stake, how seldom the honest may be accused, how much may be unsettled, how
// many audits find a partial cheat, and what a committee is worth. The
// formulas are those of section 5 of the design; docs/economics.md has tables.
//
// Amounts are in ucredit; chances and shares are in billionths. Every result
// is rounded so that the promise it stands for holds exactly.
package deterrence

import (
	"errors"
	"fmt"
	"math/big"
	"math/bits"
)

// Share is a chance, or a part of a whole, in billionths.
type Share uint64

// Certain is the share that is all of it.
const Certain Share = 1_000_000_000

// Errors of plans.
var (
	ErrShare    = errors.New("a share is more than nothing and at most 1")
	ErrNothing  = errors.New("amount must be more than zero")
	ErrOverflow = errors.New("amount does not fit in 64 bits")
)

// Cheat is what there is to gain by cheating at a model, and how it is met.
type Cheat struct {
	Gain      uint64 // g: what cheating saves at one job, ucredit
	Audit     Share  // p: chance that a job is audited
	Detection Share  // d: chance that an audit of a job cheated at finds it
	Released  uint64 // D: jobs already paid out when the verdict falls
}

// Validate checks that there is something to gain, and a chance of being found.
func (c Cheat) Validate() error {
	if c.Gain == 0 {
		return fmt.Errorf("gain of a job: %w", ErrNothing)
	}
	if err := c.Audit.check("audit rate"); err != nil {
		return err
	}
	return c.Detection.check("detection")
}

func (s Share) check(what string) error {
	if s == 0 || s > Certain {
		return fmt.Errorf("%s of %d billionths: %w", what, uint64(s), ErrShare)
	}
	return nil
}

// Loses reports whether cheating loses money with a stake: whether
// S > g·(1/(p·d) + D).
func (c Cheat) Loses(stake uint64) bool {
	// S·p·d > g·(1 + D·p·d), with p and d whole numbers of billionths.
	caught := product(uint64(c.Audit), uint64(c.Detection))
	left := new(big.Int).Mul(integer(stake), caught)
	right := new(big.Int).Mul(integer(c.Released), caught)
	right.Add(right, product(uint64(Certain), uint64(Certain)))
	right.Mul(right, integer(c.Gain))
	return left.Cmp(right) > 0
}

// Stake is the least stake at which cheating loses money, ucredit.
func (c Cheat) Stake() (uint64, error) {
	if err := c.Validate(); err != nil {
		return 0, err
	}
	jobs := quotient(product(uint64(Certain), uint64(Certain)), product(uint64(c.Audit), uint64(c.Detection)), integer(c.Gain))
	jobs.Add(jobs, product(c.Gain, c.Released))
	jobs.Add(jobs, integer(1))
	return amount(jobs)
}

// FalseBound is the honest's false-positive chance of an audit, φ, that the
// honest can bear: the largest with φ/d < ε·m/g, where they earn m at a job
// and are to lose at most the part ε of it. Neither the audit rate nor the
// stake is in it, since a stake rises as audits fall.
func (c Cheat) FalseBound(margin uint64, part Share) (Share, error) {
	if err := errors.Join(c.Validate(), part.check("part of the margin")); err != nil {
		return 0, err
	}
	bound := product(margin, uint64(part))
	bound.Mul(bound, integer(uint64(c.Detection)))
	under := product(c.Gain, uint64(Certain))
	if bound.Sign() == 0 {
		return 0, nil
	}
	bound.Sub(bound, integer(1)).Quo(bound, under) // strictly less
	if bound.Cmp(integer(uint64(Certain))) > 0 {
		return Certain, nil
	}
	return Share(bound.Uint64()), nil
}

// Unsettled is how many jobs a provider may have outstanding at once for a
// stake: S·p·d/(3g), a third of what the stake would deter, for rates that are
// estimates.
func (c Cheat) Unsettled(stake uint64) (uint64, error) {
	if err := c.Validate(); err != nil {
		return 0, err
	}
	over := new(big.Int).Mul(integer(stake), product(uint64(c.Audit), uint64(c.Detection)))
	under := new(big.Int).Mul(integer(c.Gain), product(uint64(Certain), uint64(Certain)))
	return amount(over.Quo(over, under.Mul(under, integer(3))))
}

// Diligence is the least that an auditor must have at stake for checking to pay
// better than guessing: S > c/τ, with c what an audit costs it and τ the share
// of jobs that are planted.
func Diligence(cost uint64, planted Share) (uint64, error) {
	if err := planted.check("share of planted jobs"); err != nil {
		return 0, err
	}
	stake := quotient(integer(uint64(Certain)), integer(uint64(planted)), integer(cost))
	return amount(stake.Add(stake, integer(1)))
}

// Bribe is the least that buys a majority of a committee, each of whom has a
// stake to lose with a chance of being found, ucredit: below it an auditor
// earns more by refusing.
func Bribe(committee int, stake uint64, found Share) (uint64, error) {
	if committee < 1 {
		return 0, fmt.Errorf("committee of %d: it has at least one member", committee)
	}
	if err := found.check("chance of being found"); err != nil {
		return 0, err
	}
	each := product(stake, uint64(found))
	each.Quo(each, integer(uint64(Certain)))
	return amount(each.Mul(each, integer(uint64(committee/2+1))))
}

// Released is how many jobs are paid out before a verdict: those of the time by
// which the verdict comes later than earnings mature. Times are in seconds.
func Released(jobsADay uint64, verdict, window int64) (uint64, error) {
	const day = 24 * 3600
	if verdict < 0 || window < 0 {
		return 0, fmt.Errorf("a verdict after %d s and a window of %d s: times are not negative", verdict, window)
	}
	if verdict <= window {
		return 0, nil
	}
	late := product(jobsADay, uint64(verdict-window))
	return amount(late.Add(late, integer(day-1)).Quo(late, integer(day)))
}

func integer(n uint64) *big.Int { return new(big.Int).SetUint64(n) }

func product(a, b uint64) *big.Int {
	high, low := bits.Mul64(a, b)
	n := integer(high)
	return n.Lsh(n, 64).Add(n, integer(low))
}

// quotient is a·times/b, rounded down.
func quotient(a, b, times *big.Int) *big.Int {
	n := new(big.Int).Mul(a, times)
	return n.Quo(n, b)
}

func amount(n *big.Int) (uint64, error) {
	if !n.IsUint64() {
		return 0, fmt.Errorf("%w: %s", ErrOverflow, n)
	}
	return n.Uint64(), nil
}
