// Package curation is the rule of signals and ratings: who stakes KOIN on a
// model, a provider or an app, what part of that listing's fees this earns, and
// how much a buyer's opinion weighs.
//
// A signal's stake stays its owner's: it is never anybody's gain, so there is
// nothing to win by buying before others and selling after them. What follows a
// bonding curve is the claim on fees: shares(S) = ⌊√(S·2⁶⁴)⌋ for S ukoin staked,
// so that the same stake buys an early curator more of the fees than a late one.
// Entering costs a tax, and leaving takes a while, in which a stake earns
// nothing and can still be slashed.
package curation

import (
	"errors"
	"fmt"
	"math/big"
	"math/bits"
)

// Params are what governance sets.
type Params struct {
	TaxBps    uint32 // of each new signal, to the treasury, in basis points
	Delay     int64  // seconds between leaving and having the stake back
	MinSignal uint64 // ukoin
}

// Bounds of parameters.
const (
	whole      = 10_000
	maxTaxBps  = 1_000
	maxSeconds = 366 * 24 * 3600
)

// Listing is what can be curated.
type Listing struct {
	Staked uint64 // ukoin, that on its way out included
	Units  uint64 // of all claims on Staked
	Shares uint64 // of all claims on fees
	Earned Index  // ucredit a share, since the beginning
	Held   uint64 // ucredit that curators earned and have not been paid

	// Stars is the sum of stars × weight of all ratings, Weight that of weights.
	Stars, Weight uint64
}

// Position is one curator's signal on one listing.
type Position struct {
	Units, Shares uint64
	Paid          Index // what a share had earned when the curator was last paid
}

// Index is a number of ucredit a share in 64.64 bits.
type Index struct{ Whole, Fraction uint64 }

// Errors: every refusal has a name.
var (
	ErrParams   = errors.New("curation parameter out of range")
	ErrTooSmall = errors.New("the signal is too small")
	ErrTooLarge = errors.New("the amount does not fit")
	ErrRuined   = errors.New("the listing's whole stake was slashed: wait until its curators have left")
	ErrNoSignal = errors.New("there is no such signal")
	ErrTooMuch  = errors.New("the signal is worth less")
	ErrStars    = errors.New("a rating has 1 to 5 stars")
	ErrNotPaid  = errors.New("only who paid for a listing's work, with a part for the treasury, may rate it")
)

// Validate checks that parameters are in range.
func (p Params) Validate() error {
	if p.TaxBps > maxTaxBps || p.Delay < 0 || p.Delay > maxSeconds || p.MinSignal == 0 {
		return fmt.Errorf("%w: tax %d of at most %d basis points, delay %d seconds, least signal %d ukoin", ErrParams, p.TaxBps, maxTaxBps, p.Delay, p.MinSignal)
	}
	return nil
}

// curve is how many shares a stake of so many ukoin has on a new listing. It
// fits, as the root of 2⁶⁴·2⁶⁴ does not quite reach 2⁶⁴.
func curve(staked uint64) uint64 {
	n := new(big.Int).SetUint64(staked)
	return n.Lsh(n, 64).Sqrt(n).Uint64()
}

// Worth is what a position would bring back, in ukoin.
func Worth(l Listing, units uint64) uint64 {
	if l.Units == 0 {
		return 0
	}
	return share(l.Staked, units, l.Units)
}

// Pending is what a position has earned and not been paid, in ucredit.
func Pending(l Listing, p Position) uint64 {
	fraction, borrow := bits.Sub64(l.Earned.Fraction, p.Paid.Fraction, 0)
	units, _ := bits.Sub64(l.Earned.Whole, p.Paid.Whole, borrow)
	part, _ := bits.Mul64(p.Shares, fraction)
	// Neither overflows: a position earns no more than is held.
	return p.Shares*units + part
}

// settle pays what a position has earned.
func settle(l Listing, p Position) (Listing, Position, uint64) {
	fees := Pending(l, p)
	l.Held -= fees
	p.Paid = l.Earned
	return l, p, fees
}

// Collect pays what a position has earned, in ucredit.
func Collect(l Listing, p Position) (Listing, Position, uint64, error) {
	if p.Units == 0 {
		return l, p, 0, ErrNoSignal
	}
	l, p, fees := settle(l, p)
	return l, p, fees, nil
}

// Signal adds to a position. It returns the tax, in ukoin, and the fees that
// the position had earned, in ucredit; what the tax leaves is staked.
func Signal(params Params, l Listing, p Position, amount uint64) (Listing, Position, uint64, uint64, error) {
	refuse := func(err error) (Listing, Position, uint64, uint64, error) { return l, p, 0, 0, err }
	tax := shareUp(amount, uint64(params.TaxBps), whole)
	stake := amount - tax
	switch {
	case amount < params.MinSignal || stake == 0:
		return refuse(fmt.Errorf("%w: %d ukoin, at least %d are needed", ErrTooSmall, amount, params.MinSignal))
	case l.Units > 0 && l.Staked == 0:
		return refuse(ErrRuined)
	case l.Staked+stake < stake:
		return refuse(fmt.Errorf("%w: %d ukoin on top of %d", ErrTooLarge, stake, l.Staked))
	}
	units := stake
	if l.Units > 0 {
		high, low := bits.Mul64(stake, l.Units)
		if high >= l.Staked {
			return refuse(fmt.Errorf("%w: %d ukoin on what is left of a slashed listing", ErrTooLarge, stake))
		}
		units, _ = bits.Div64(high, low, l.Staked)
	}
	shares := curve(l.Staked+stake) - curve(l.Staked)
	if l.Units+units < units || l.Shares+shares < shares {
		return refuse(fmt.Errorf("%w: %d ukoin on top of %d", ErrTooLarge, stake, l.Staked))
	}
	if shares == 0 {
		return refuse(fmt.Errorf("%w: %d ukoin are no share of %d", ErrTooSmall, stake, l.Staked))
	}
	next, position, fees := settle(l, p)
	next.Staked += stake
	next.Units += units
	next.Shares += shares
	position.Units += units
	position.Shares += shares
	return next, position, tax, fees, nil
}

// Leave takes from a position what is worth an amount, at once for its fees and
// after the delay for its stake. It returns the units that are leaving, the fees
// that the position had earned, and dust of fees for the treasury.
func Leave(l Listing, p Position, amount uint64) (next Listing, position Position, units, fees, dust uint64, err error) {
	worth := Worth(l, p.Units)
	switch {
	case p.Units == 0:
		return l, p, 0, 0, 0, ErrNoSignal
	case amount > worth:
		return l, p, 0, 0, 0, fmt.Errorf("%w: %d ukoin, not %d ukoin", ErrTooMuch, worth, amount)
	case amount == 0 && worth > 0:
		return l, p, 0, 0, 0, fmt.Errorf("%w: give an amount", ErrTooSmall)
	}
	next, position, fees = settle(l, p)
	units, shares := position.Units, position.Shares
	if amount < worth {
		units = min(units, shareUp(amount, l.Units, l.Staked))
		shares = shareUp(position.Shares, units, position.Units)
	}
	position.Units -= units
	position.Shares -= shares
	next.Shares -= shares
	if next.Shares == 0 {
		dust, next.Held = next.Held, 0
	}
	return next, position, units, fees, dust, nil
}

// Release returns the stake of units whose delay is over, and dust, both in
// ukoin; the dust, of less than a ukoin for each release, is the treasury's.
func Release(l Listing, units uint64) (next Listing, stake, dust uint64) {
	stake = Worth(l, units)
	left := uint64(0)
	if rest := l.Units - units; rest > 0 {
		left = share(l.Staked, rest, l.Units)
	}
	dust = l.Staked - stake - left
	l.Units -= units
	l.Staked = left
	return l, stake, dust
}

// Slash takes a part of a listing's whole stake, that on its way out included,
// and returns what was taken, in ukoin; the part is rounded up.
func Slash(l Listing, bps uint32) (Listing, uint64) {
	taken := shareUp(l.Staked, uint64(min(bps, whole)), whole)
	l.Staked -= taken
	return l, taken
}

// Reward gives fees to a listing's curators. It returns what is not theirs: all
// of it if there are none.
func Reward(l Listing, ucredit uint64) (Listing, uint64) {
	if l.Shares == 0 || l.Held+ucredit < ucredit {
		return l, ucredit
	}
	units, rest := ucredit/l.Shares, ucredit%l.Shares
	fraction, _ := bits.Div64(rest, 0, l.Shares)
	sum, carry := bits.Add64(l.Earned.Fraction, fraction, 0)
	top, overflow := bits.Add64(l.Earned.Whole, units, carry)
	if overflow != 0 { // 2⁶⁴ ucredit a share: not in this world
		return l, ucredit
	}
	l.Earned = Index{top, sum}
	l.Held += ucredit
	return l, 0
}

// Rating is one buyer's opinion of a listing.
type Rating struct {
	Stars  uint32
	Weight uint64 // ucredit that the treasury has of the buyer's payments for it
}

// Rate replaces a buyer's rating. Its weight is what the treasury, of all
// recipients, took of what the buyer paid for the listing's work: the one part
// that no friend of the buyer can have given back, so that praise costs its
// weight.
func Rate(l Listing, old Rating, stars uint32, spent uint64) (Listing, Rating, error) {
	if stars < 1 || stars > 5 {
		return l, old, fmt.Errorf("%w, not %d", ErrStars, stars)
	}
	if spent == 0 {
		return l, old, ErrNotPaid
	}
	high, product := bits.Mul64(uint64(stars), spent)
	sum, carry := bits.Add64(l.Stars-uint64(old.Stars)*old.Weight, product, 0)
	weight, carryToo := bits.Add64(l.Weight-old.Weight, spent, 0)
	if high|carry|carryToo != 0 {
		return l, old, fmt.Errorf("%w: the ratings' weight", ErrTooLarge)
	}
	l.Stars, l.Weight = sum, weight
	return l, Rating{stars, spent}, nil
}

// share is amount·part/of, rounded down; part is at most of.
func share(amount, part, of uint64) uint64 {
	high, low := bits.Mul64(amount, part)
	q, _ := bits.Div64(high, low, of)
	return q
}

// shareUp is share, rounded up.
func shareUp(amount, part, of uint64) uint64 {
	high, low := bits.Mul64(amount, part)
	q, r := bits.Div64(high, low, of)
	if r > 0 {
		q++
	}
	return q
}

// Mean is a listing's rating in thousandths of a star, rounded down; 0 if nobody
// rated it.
func Mean(l Listing) uint32 {
	if l.Weight == 0 {
		return 0
	}
	high, low := bits.Mul64(l.Stars, 1000)
	mean, _ := bits.Div64(high, low, l.Weight) // at most 5000
	return uint32(mean)
}
