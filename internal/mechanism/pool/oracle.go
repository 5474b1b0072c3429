package pool

import (
	"math"
	"math/bits"
)

// Scale is how many micro-units of the asset a price is for: a million whole
// ones, so that the price of cheap shares has digits too.
const Scale = 1_000_000_000_000

// Sum is a number of 128 bits: prices times seconds.
type Sum struct{ High, Low uint64 }

// Oracle averages a pool's price over time. What counts for a stretch of time is
// the price at its beginning: the last of a block, which whoever made it had to
// leave standing until the next.
type Oracle struct {
	Time int64 // Unix seconds of the last observation; 0 before the first
	Sum  Sum   // of price × seconds until then

	// The marks are two earlier observations, at least a window apart.
	OldTime, MarkTime int64
	OldSum, MarkSum   Sum
}

// price is ucredit for Scale micro-units, rounded down; the largest number if it
// does not fit, 0 for an empty pool.
func price(credit, asset uint64) uint64 {
	if asset == 0 {
		return 0
	}
	if p, fits := mulDiv(credit, Scale, asset); fits {
		return p
	}
	return math.MaxUint64
}

// observe notes that a price stood since the last observation.
func (o Oracle) observe(window int64, price uint64, now int64) Oracle {
	if o.Time == 0 || price == 0 { // nothing stood
		return Oracle{Time: now, OldTime: now, MarkTime: now}
	}
	if now <= o.Time {
		return o
	}
	o.Sum = o.Sum.plus(price, uint64(now-o.Time))
	o.Time = now
	if now-o.MarkTime >= window {
		o.OldTime, o.OldSum = o.MarkTime, o.MarkSum
		o.MarkTime, o.MarkSum = now, o.Sum
	}
	return o
}

// Average is the pool's price over the last one to two windows, in ucredit for
// Scale micro-units, and over how many seconds that is: 0 if the pool is new,
// empty, or of an asset that is worth less than a ucredit for Scale, and then
// there is no price.
func Average(params Params, p Pool, now int64) (ucredit uint64, seconds int64) {
	if p.Oracle.Time == 0 || p.Credit == 0 || p.Asset == 0 {
		return 0, 0
	}
	o := p.Oracle.observe(params.Window, price(p.Credit, p.Asset), now)
	seconds = o.Time - o.OldTime
	if seconds <= 0 {
		return 0, 0
	}
	low, borrow := bits.Sub64(o.Sum.Low, o.OldSum.Low, 0)
	high, _ := bits.Sub64(o.Sum.High, o.OldSum.High, borrow)
	ucredit, _ = bits.Div64(high, low, uint64(seconds)) // fits, as a mean of prices that do
	return ucredit, seconds
}

// Spot is the pool's price as it is now, in ucredit for Scale micro-units: what
// anybody can move, so nothing should depend on it.
func Spot(p Pool) uint64 { return price(p.Credit, p.Asset) }

func (s Sum) plus(price, seconds uint64) Sum {
	high, low := bits.Mul64(price, seconds)
	var carry uint64
	s.Low, carry = bits.Add64(s.Low, low, 0)
	s.High, _ = bits.Add64(s.High, high, carry) // wraps round, as differences are what counts
	return s
}
