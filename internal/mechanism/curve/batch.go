package curve

import (
	"math"
	"math/bits"
)

// Orders of one block clear together, each side at one price, so that it is
// worth nothing to stand before another within the block. Sales come first:
// what is bought in a block cannot be sold in it.

// Bid is an order to buy.
type Bid struct {
	Budget uint64 // ucredit, all of it for the curve
	Limit  uint64 // the highest price, ucredit a million units; 0 for any
}

// Ask is an order to sell.
type Ask struct {
	Units uint64
	Limit uint64 // the lowest price, ucredit a million units
}

// Fill is what became of an order; nothing, if its limit was not met.
type Fill struct {
	Units   uint64
	Ucredit uint64 // paid, rounded up, or brought back, rounded down
}

// Batch is what became of one side of a block.
type Batch struct {
	Price uint64 // ucredit a million units
	Fills []Fill // of each order, in its place
	Sold  uint64 // units, afterwards
	// Dust is what roundings left over, ucredit: the reserve is that of Sold
	// without it.
	Dust uint64
}

// Bids clears orders to buy at the lowest price that covers what the curve asks
// for what all of them then buy.
func Bids(c Curve, sold uint64, bids []Bid) (Batch, error) {
	demand := func(price uint64) (units uint64, fits bool) {
		for _, b := range bids {
			var carry uint64
			if units, carry = bits.Add64(units, b.units(price), 0); carry != 0 {
				return 0, false
			}
		}
		return units, units <= c.Supply()-sold
	}
	covers := func(price uint64) bool {
		units, fits := demand(price)
		if !fits {
			return false
		}
		cost, err := Buy(c, sold, units)
		return err == nil && !more(cost, Million, units, price)
	}
	// At the highest price almost nothing is bought; if even that is too dear,
	// nothing is.
	price := search(1, math.MaxUint64, covers)
	batch := Batch{Price: price, Fills: make([]Fill, len(bids)), Sold: sold}
	if !covers(price) {
		return batch, nil
	}
	units, _ := demand(price)
	cost, err := Buy(c, sold, units)
	if err != nil {
		return batch, err
	}
	var paid uint64
	for i, b := range bids {
		n := b.units(price)
		batch.Fills[i] = Fill{n, mulUp(n, price, Million)}
		paid += batch.Fills[i].Ucredit
	}
	batch.Sold, batch.Dust = sold+units, paid-cost
	return batch, nil
}

// units is what a bid buys at a price.
func (b Bid) units(price uint64) uint64 {
	if b.Limit > 0 && price > b.Limit {
		return 0
	}
	high, low := bits.Mul64(b.Budget, Million)
	if high >= price {
		return math.MaxUint64
	}
	n, _ := bits.Div64(high, low, price)
	return n
}

// Asks clears orders to sell at the highest price that the curve can pay for
// what all of them then sell. It refuses more than was sold.
func Asks(c Curve, sold uint64, asks []Ask) (Batch, error) {
	supply := func(price uint64) (units uint64, fits bool) {
		for _, a := range asks {
			if a.Limit > price {
				continue
			}
			var carry uint64
			if units, carry = bits.Add64(units, a.Units, 0); carry != 0 {
				return 0, false
			}
		}
		return units, units <= sold
	}
	tooMuch := func(price uint64) bool {
		units, fits := supply(price)
		if !fits {
			return true
		}
		back, err := Sell(c, sold, units)
		return err != nil || more(units, price, back, Million)
	}
	price := search(1, math.MaxUint64, tooMuch) - 1
	batch := Batch{Price: price, Fills: make([]Fill, len(asks)), Sold: sold}
	units, fits := supply(price)
	if !fits {
		return batch, ErrNotSold
	}
	back, err := Sell(c, sold, units)
	if err != nil {
		return batch, err
	}
	var paid uint64
	for i, a := range asks {
		if a.Limit > price {
			continue
		}
		high, low := bits.Mul64(a.Units, price)
		out, _ := bits.Div64(high, low, Million) // fits, as it is no more than back
		batch.Fills[i] = Fill{a.Units, out}
		paid += out
	}
	batch.Sold, batch.Dust = sold-units, back-paid
	return batch, nil
}

// search is the least number of a range of which a monotone predicate holds, or
// the range's end.
func search(from, to uint64, holds func(uint64) bool) uint64 {
	for from < to {
		middle := from + (to-from)/2
		if holds(middle) {
			to = middle
		} else {
			from = middle + 1
		}
	}
	return from
}

// more says whether a·b > c·d.
func more(a, b, c, d uint64) bool {
	ah, al := bits.Mul64(a, b)
	ch, cl := bits.Mul64(c, d)
	return ah > ch || ah == ch && al > cl
}

// mulUp is a·b/c, rounded up; the caller knows that it fits.
func mulUp(a, b, c uint64) uint64 {
	high, low := bits.Mul64(a, b)
	q, r := bits.Div64(high, low, c)
	if r > 0 {
		q++
	}
	return q
}
