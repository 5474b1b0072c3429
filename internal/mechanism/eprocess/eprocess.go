// Package eprocess keeps the evidence against one provider whose answers can
// only be judged by their likelihood: a number that stays below 1/α for ever
// with probability 1-α at least, as long as the provider is honest, and grows
// without bound when it is not.
//
// It is a gambler's wealth. A score x has an honest mean of μ at most; what is
// staked is multiplied by 1 + λ(x-μ), a fair or losing bet against an honest
// provider, and by Ville's inequality nobody multiplies one unit by 1/α in such
// a game with probability above α, whenever they look.
//
// One difference from the plain product: a provider that was honest for a year
// would have driven that product to nothing, and could cheat until it recovered.
// So half of the unit is staked at the first score, a sixth of it at the second,
// 1/(n(n+1)) at the n-th: a mixture of the products that begin at every score,
// with weights that add up to one, which is a fair game too. After n clean scores
// a cheat has a factor of n(n+1) to make up, not one that is exponential in n.
//
// And no single bet suits every cheat: one that wins fast against the blatant loses to
// one who is wrong a little more often than the honest. So each stake is divided among
// bets of λ, a quarter and a sixteenth of it, once more a mixture of fair games.
//
// Numbers are integers with a binary exponent, always rounded down: in the
// accused's favour.
package eprocess

import (
	"errors"
	"fmt"
	"math/bits"
)

// Unit is one, in millionths: scores, means and stakes are in millionths.
const Unit = 1_000_000

// The thresholds: at Withhold pay is withheld and every answer audited; from
// Slash on a court may convict. An honest provider's lifetime risks are their
// inverses.
const (
	Withhold = 1_000
	Slash    = 1_000_000
)

// Profile is what is known of honest answers of a model on an engine.
type Profile struct {
	Mean uint64 // μ: no honest score has a higher expectation, millionths
	Bet  uint64 // λ, millionths
}

// maxBet keeps products within 63 bits.
const maxBet = Unit * Unit

// Errors of e-processes.
var (
	ErrProfile = errors.New("profile out of range")
	ErrScore   = errors.New("a score is 0 to 1,000,000 millionths")
	ErrNumber  = errors.New("evidence has a malformed number")
)

// Validate checks that no score can lose more than is staked: λμ < 1.
func (p Profile) Validate() error {
	if p.Mean == 0 || p.Mean >= Unit || p.Bet == 0 || p.Bet > maxBet || p.Bet*p.Mean >= Unit*Unit {
		return fmt.Errorf("%w: mean %d must be 1 to 999,999 millionths, and bet %d times it below one", ErrProfile, p.Mean, p.Bet)
	}
	return nil
}

// Number is Mantissa·2^Exponent. The mantissa's highest bit is set, except in
// zero, which is Number{}.
type Number struct {
	Mantissa uint64
	Exponent int32
}

// exponents stay in this range; beyond it numbers stop at its ends.
const (
	maxExponent = 1 << 20
	minExponent = -1 << 20
)

// Bets are how many a stake is divided among, each a quarter of the one before.
const Bets = 3

// Evidence is one provider's e-process. The zero value has seen nothing.
type Evidence struct {
	Staked [Bets]Number // the parts of the wealth that are bet, the boldest first
	Scores uint64       // how many were added; 1/(Scores+1) of the unit is kept aside
}

// Validate checks evidence that was stored elsewhere.
func (e Evidence) Validate() error {
	for _, n := range e.Staked {
		if n != (Number{}) && (n.Mantissa>>63 == 0 || n.Exponent < minExponent || n.Exponent > maxExponent) {
			return fmt.Errorf("%w: %d·2^%d", ErrNumber, n.Mantissa, n.Exponent)
		}
	}
	return nil
}

// Add bets on one more score, in millionths.
func Add(e Evidence, p Profile, score uint64) (Evidence, error) {
	if err := p.Validate(); err != nil {
		return e, err
	}
	if score > Unit {
		return e, fmt.Errorf("%w, not %d", ErrScore, score)
	}
	if e.Scores+2 == 0 {
		return e, nil // more than can be counted
	}
	n := e.Scores + 1
	part, bet := divide(divide(fraction(1, n), n+1), Bets), p.Bet
	for i, staked := range e.Staked {
		factor := uint64(Unit*Unit) + bet*score - bet*p.Mean // fits, and is at least 1
		e.Staked[i], bet = scale(plus(staked, part), factor, Unit*Unit), bet/4
	}
	e.Scores = n
	return e, nil
}

// Wealth is the evidence: what was won and what was kept aside.
func (e Evidence) Wealth() Number {
	wealth := fraction(1, e.Scores+1)
	for _, staked := range e.Staked {
		wealth = plus(wealth, staked)
	}
	return wealth
}

// Reaches says whether the evidence is as strong as a threshold.
func (e Evidence) Reaches(threshold uint64) bool {
	w, t := e.Wealth(), fraction(threshold, 1)
	if w.Exponent != t.Exponent {
		return w.Exponent > t.Exponent
	}
	return w.Mantissa >= t.Mantissa
}

// Log2 is the binary logarithm of the evidence, rounded down: for people.
func (e Evidence) Log2() int { return int(e.Wealth().Exponent) + 63 }

// fraction is a/b, rounded down; b is not zero.
func fraction(a, b uint64) Number {
	if a == 0 {
		return Number{}
	}
	shift := bits.LeadingZeros64(a)
	return divide(Number{a << shift, int32(-shift)}, b)
}

// divide is n/d, rounded down.
func divide(n Number, d uint64) Number { return scale(n, 1, d) }

// scale is n·f/d, rounded down; neither f nor d is zero.
func scale(n Number, f, d uint64) Number {
	if n == (Number{}) {
		return n
	}
	// 192 bits of n·f·2⁶⁴, divided word by word, so that the quotient has more
	// than 64 bits that count.
	high, middle := bits.Mul64(n.Mantissa, f)
	q2, r := bits.Div64(0, high, d)
	q1, r := bits.Div64(r, middle, d)
	q0, _ := bits.Div64(r, 0, d)
	exponent := n.Exponent - 64
	words := [3]uint64{q2, q1, q0}
	for words[0] == 0 { // ends: n·f·2⁶⁴ is above d
		words = [3]uint64{words[1], words[2]}
		exponent -= 64
	}
	shift := bits.LeadingZeros64(words[0])
	return clamp(words[0]<<shift|words[1]>>(64-shift), exponent+128-int32(shift))
}

// plus is a+b, rounded down.
func plus(a, b Number) Number {
	if a == (Number{}) || b != (Number{}) && a.Exponent < b.Exponent {
		a, b = b, a
	}
	gap := int64(a.Exponent) - int64(b.Exponent)
	if b == (Number{}) || gap >= 64 {
		return a
	}
	sum, carry := bits.Add64(a.Mantissa, b.Mantissa>>gap, 0)
	if carry != 0 {
		return clamp(sum>>1|1<<63, a.Exponent+1)
	}
	return Number{sum, a.Exponent}
}

// clamp keeps an exponent in range: what is too small is nothing, what is too
// large is far beyond every threshold.
func clamp(mantissa uint64, exponent int32) Number {
	if exponent < minExponent {
		return Number{}
	}
	return Number{mantissa, min(exponent, maxExponent)}
}
