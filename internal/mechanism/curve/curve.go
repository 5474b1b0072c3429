// Package curve prices shares by how many are sold: bonding curves.
//
// A curve is one function, the reserve that must be held when so many shares are
// sold, rounded up. Buying costs the reserve's difference, selling brings it
// back. So whatever the path, what is held is what the function says: nothing
// leaks, and who buys and sells again with nobody in between has what he had.
package curve

import (
	"errors"
	"fmt"
	"math/big"
	"math/bits"
)

// Million is how many shares a price is for.
const Million = 1_000_000

// Errors of curves.
var (
	ErrCurve    = errors.New("no such curve")
	ErrSupply   = errors.New("the curve does not sell so many")
	ErrTooLarge = errors.New("the amount does not fit in 64 bits")
	ErrNotSold  = errors.New("more than was sold")
)

// Curve says what must be held for what is sold. It is monotone and convex: the
// next unit never costs less than the last, roundings of a millionth aside.
type Curve interface {
	// Reserve is in ucredit for so many shares sold, rounded up; 0 for none. It
	// refuses more than Supply.
	Reserve(sold uint64) (uint64, error)
	// Supply is the most shares that the curve sells.
	Supply() uint64
	// Validate refuses parameters that are no curve.
	Validate() error
}

// Linear begins at a price and rises with what is sold.
type Linear struct {
	Base  uint64 // ucredit for the first million shares
	Slope uint64 // ucredit more for each million shares sold
	Most  uint64 // shares
}

// Validate implements Curve.
func (l Linear) Validate() error {
	if l.Base == 0 && l.Slope == 0 || l.Most == 0 {
		return fmt.Errorf("%w: a linear curve needs a base or a slope, and shares to sell", ErrCurve)
	}
	if _, err := l.Reserve(l.Most); err != nil {
		return fmt.Errorf("%w: what all %d shares would raise: %w", ErrCurve, l.Most, err)
	}
	return nil
}

// Supply implements Curve.
func (l Linear) Supply() uint64 { return l.Most }

// Reserve implements Curve: the area under base + slope·sold.
func (l Linear) Reserve(sold uint64) (uint64, error) {
	if sold > l.Most {
		return 0, fmt.Errorf("%w: %d shares of %d", ErrSupply, sold, l.Most)
	}
	s := new(big.Int).SetUint64(sold)
	area := new(big.Int).SetUint64(l.Slope)
	area.Mul(area, s)
	base := new(big.Int).SetUint64(l.Base)
	area.Add(area, base.Mul(base, big.NewInt(2*Million)))
	return up(area.Mul(area, s), big.NewInt(2*Million*Million))
}

// Product keeps (Virtual + reserve)·(Total − sold) constant, as a pool would
// that began with a virtual reserve: the price rises without end as sold nears
// Total, of which at most Most is sold.
type Product struct {
	Virtual uint64 // ucredit
	Total   uint64 // shares
	Most    uint64 // shares
}

// Validate implements Curve.
func (p Product) Validate() error {
	if p.Virtual == 0 || p.Most == 0 || p.Most >= p.Total {
		return fmt.Errorf("%w: a constant product needs a virtual reserve, and must sell less than its total", ErrCurve)
	}
	if _, err := p.Reserve(p.Most); err != nil {
		return fmt.Errorf("%w: what all %d shares would raise: %w", ErrCurve, p.Most, err)
	}
	return nil
}

// Supply implements Curve.
func (p Product) Supply() uint64 { return p.Most }

// Reserve implements Curve: Virtual·sold / (Total − sold).
func (p Product) Reserve(sold uint64) (uint64, error) {
	if sold > p.Most || sold >= p.Total {
		return 0, fmt.Errorf("%w: %d shares of %d", ErrSupply, sold, p.Most)
	}
	high, low := bits.Mul64(p.Virtual, sold)
	left := p.Total - sold
	if high >= left {
		return 0, fmt.Errorf("%w: the reserve of %d shares", ErrTooLarge, sold)
	}
	q, r := bits.Div64(high, low, left)
	if r > 0 {
		if q++; q == 0 {
			return 0, fmt.Errorf("%w: the reserve of %d shares", ErrTooLarge, sold)
		}
	}
	return q, nil
}

// Buy is what shares cost when so many are sold already, in ucredit.
func Buy(c Curve, sold, shares uint64) (uint64, error) {
	after, carry := bits.Add64(sold, shares, 0)
	if carry != 0 {
		return 0, fmt.Errorf("%w: %d shares more than %d", ErrSupply, shares, sold)
	}
	return difference(c, sold, after)
}

// Sell is what shares bring back when so many are sold, in ucredit.
func Sell(c Curve, sold, shares uint64) (uint64, error) {
	if shares > sold {
		return 0, fmt.Errorf("%w: %d shares of %d", ErrNotSold, shares, sold)
	}
	return difference(c, sold-shares, sold)
}

func difference(c Curve, low, high uint64) (uint64, error) {
	more, err := c.Reserve(high)
	if err != nil {
		return 0, err
	}
	less, err := c.Reserve(low)
	return more - less, err
}

// up is a/b, rounded up.
func up(a, b *big.Int) (uint64, error) {
	q, r := a.QuoRem(a, b, new(big.Int))
	if r.Sign() > 0 {
		q.Add(q, big.NewInt(1))
	}
	if !q.IsUint64() {
		return 0, fmt.Errorf("%w: %d ucredit", ErrTooLarge, q)
	}
	return q.Uint64(), nil
}
