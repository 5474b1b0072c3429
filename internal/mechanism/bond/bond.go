// Package bond holds the rules of a provider's stake: what it must lock to
// sell, and how it comes back. Amounts are in ukoin.
package bond

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// koin is one KOIN in ukoin.
const koin = 1_000_000

// Params are what governance sets.
type Params struct {
	Min       uint64 // least bond, ukoin
	Unbonding int64  // seconds between asking for a bond and having it
}

// Errors of bonds.
var (
	ErrParams     = errors.New("parameter out of range")
	ErrZeroAmount = errors.New("amount must be more than zero")
	ErrOverflow   = errors.New("amount does not fit in 64 bits")
	ErrTooLittle  = errors.New("the bond is below the least one")
	ErrTooMuch    = errors.New("more than is bonded")
	ErrOffersOpen = errors.New("a provider with offers keeps at least the least bond: remove its offers first")
)

// Validate checks that parameters are in range.
func (p Params) Validate() error {
	const year = 366 * 24 * 3600
	if p.Unbonding < 0 || p.Unbonding > year {
		return fmt.Errorf("%w: unbonding of %d seconds", ErrParams, p.Unbonding)
	}
	return nil
}

// Register checks a provider's first bond.
func Register(p Params, amount uint64) error {
	if amount < p.Min || amount == 0 {
		return fmt.Errorf("%w: %d of %d ukoin", ErrTooLittle, amount, max(1, p.Min))
	}
	return nil
}

// Add raises a bond.
func Add(bond, amount uint64) (uint64, error) {
	if amount == 0 {
		return bond, ErrZeroAmount
	}
	sum, carry := bits.Add64(bond, amount, 0)
	if carry != 0 {
		return bond, fmt.Errorf("%w: %d + %d", ErrOverflow, bond, amount)
	}
	return sum, nil
}

// Exposure is what a bond lets its provider have in active grants, in ucredit, at
// so much for each KOIN; rounded down, and as much as fits. A provider's whole
// unsettled value, active grants and maturing earnings, is then bounded by what
// it has at stake, bond and maturing earnings, as these earnings are on both
// sides.
func Exposure(bond, perKoin uint64) uint64 {
	high, low := bits.Mul64(bond, perKoin)
	if high >= koin {
		return math.MaxUint64
	}
	worth, _ := bits.Div64(high, low, koin)
	return worth
}

// Unbond lowers a bond and says when the difference comes back, Unix seconds.
// A provider with offers keeps the least bond; one without may take it all.
func Unbond(p Params, bond, amount uint64, offers int, now int64) (rest uint64, releaseAt int64, err error) {
	switch {
	case amount == 0:
		return bond, 0, ErrZeroAmount
	case amount > bond:
		return bond, 0, fmt.Errorf("%w: %d of %d ukoin", ErrTooMuch, amount, bond)
	case offers > 0 && bond-amount < p.Min:
		return bond, 0, fmt.Errorf("%w: %d of %d ukoin would be left", ErrOffersOpen, bond-amount, p.Min)
	}
	return bond - amount, now + p.Unbonding, nil
}
