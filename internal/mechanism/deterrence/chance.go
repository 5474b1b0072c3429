package deterrence

import (
	"fmt"
	"math/big"
)

// Chance is a small probability in units of 10^-18, rounded up: it bounds what
// can go wrong.
type Chance uint64

// Always is the chance of what is certain.
const Always Chance = 1_000_000_000_000_000_000

// MaxCommittee bounds committees that are reckoned with.
const MaxCommittee = 1001

// Majority is the chance that more than half of a committee is an adversary's
// who holds a share of what members are drawn by.
func Majority(committee int, adversary Share) (Chance, error) {
	return tail(committee, adversary, committee/2+1)
}

// NoneHonest is the chance that all of a committee is the adversary's. It is
// what counts for the exact class, where one honest member is enough.
func NoneHonest(committee int, adversary Share) (Chance, error) {
	return tail(committee, adversary, committee)
}

// tail is P[Binomial(n, a) >= least], exact until the last rounding.
func tail(n int, a Share, least int) (Chance, error) {
	if n < 1 || n > MaxCommittee {
		return 0, fmt.Errorf("committee of %d: it has 1 to %d members", n, MaxCommittee)
	}
	if a > Certain {
		return 0, fmt.Errorf("adversary's share of %d billionths: %w", uint64(a), ErrShare)
	}
	bad, good := integer(uint64(a)), integer(uint64(Certain-a))
	sum := new(big.Int)
	for k := least; k <= n; k++ {
		term := new(big.Int).Binomial(int64(n), int64(k))
		term.Mul(term, new(big.Int).Exp(bad, big.NewInt(int64(k)), nil))
		sum.Add(sum, term.Mul(term, new(big.Int).Exp(good, big.NewInt(int64(n-k)), nil)))
	}
	whole := new(big.Int).Exp(integer(uint64(Certain)), big.NewInt(int64(n)), nil)
	sum.Mul(sum, integer(uint64(Always)))
	sum.Add(sum, whole).Sub(sum, big.NewInt(1)).Quo(sum, whole)
	return Chance(sum.Uint64()), nil
}

// precision is the fraction bits with which powers are taken.
const precision = 192

// maxJobs bounds what [Cheat.Jobs] searches.
const maxJobs = 1 << 50

// Jobs is how many jobs pass until a provider that cheats at a part of them is
// found with the confidence: the least n with (1 - p·d·part)^n ≤ 1 - confidence.
// A stake must stay at least as long. A confidence of 1 has no such n.
func (c Cheat) Jobs(part, confidence Share) (uint64, error) {
	if err := c.Validate(); err != nil {
		return 0, err
	}
	if err := part.check("part of jobs cheated at"); err != nil {
		return 0, err
	}
	if confidence == 0 || confidence >= Certain {
		return 0, fmt.Errorf("confidence of %d billionths: it is more than nothing and less than 1", uint64(confidence))
	}
	// The chance to escape at one job, in 2^-precision, rounded up.
	found := product(uint64(c.Audit), uint64(c.Detection))
	found.Mul(found, integer(uint64(part)))
	whole := new(big.Int).Exp(integer(uint64(Certain)), big.NewInt(3), nil)
	escape := up(new(big.Int).Lsh(new(big.Int).Sub(whole, found), precision), whole)
	allowed := new(big.Int).Lsh(integer(uint64(Certain-confidence)), precision)
	allowed.Quo(allowed, integer(uint64(Certain)))
	high := uint64(1)
	for ; power(escape, high).Cmp(allowed) > 0; high *= 2 {
		if high > maxJobs {
			return 0, fmt.Errorf("more than %d jobs: %w", uint64(maxJobs), ErrOverflow)
		}
	}
	low := high / 2 // escapes still, or is zero
	for high-low > 1 {
		if middle := (low + high) / 2; power(escape, middle).Cmp(allowed) > 0 {
			low = middle
		} else {
			high = middle
		}
	}
	return high, nil
}

// Audits is how many audited jobs it takes to find, with the confidence, a
// provider that cheats at a part of them.
func (c Cheat) Audits(part, confidence Share) (uint64, error) {
	c.Audit = Certain
	return c.Jobs(part, confidence)
}

// power is x^n for x in 2^-precision, at most one, rounded up.
func power(x *big.Int, n uint64) *big.Int {
	one := new(big.Int).Lsh(big.NewInt(1), precision)
	result, square := new(big.Int).Set(one), new(big.Int).Set(x)
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			result = up(result.Mul(result, square), one)
		}
		square = up(new(big.Int).Mul(square, square), one)
	}
	return result
}

// up is a/b, rounded up.
func up(a, b *big.Int) *big.Int {
	n := new(big.Int).Add(a, b)
	return n.Sub(n, big.NewInt(1)).Quo(n, b)
}
