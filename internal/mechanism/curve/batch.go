package curve

import (
	"math"
	"math/big"
	"math/bits"
)

// Orders of one block clear together, each side at one price, so that it is
// worth nothing to stand before another within the block. Sales come first:
// what is bought in a block cannot be sold in it.

// Bid is an order to buy.
type Bid struct {
	Budget uint64 // ucredit, all of it for the curve
	Limit  uint64 // the highest price, ucredit a million shares; 0 for any
}

// Ask is an order to sell.
type Ask struct {
	Shares uint64
	Limit  uint64 // the lowest price, ucredit a million shares
}

// Fill is what became of an order; nothing, if its limit was not met.
type Fill struct {
	Shares  uint64
	Ucredit uint64 // paid, rounded up, or brought back, rounded down
}

// Batch is what became of one side of a block.
type Batch struct {
	Price uint64 // ucredit a million shares
	Fills []Fill // of each order, in its place
	Sold  uint64 // shares, afterwards
	// Dust is what roundings left over, ucredit: the reserve is that of Sold
	// without it.
	Dust uint64
}

// Bids clears orders to buy at the lowest price that covers what the curve asks
// for what all of them then buy.
func Bids(c Curve, sold uint64, bids []Bid) (Batch, error) {
	demand := func(price uint64) (shares uint64, fits bool) {
		for _, b := range bids {
			var carry uint64
			if shares, carry = bits.Add64(shares, b.shares(price), 0); carry != 0 {
				return 0, false
			}
		}
		return shares, shares <= c.Supply()-sold
	}
	covers := func(price uint64) bool {
		shares, fits := demand(price)
		if !fits {
			return false
		}
		cost, err := Buy(c, sold, shares)
		return err == nil && !more(cost, Million, shares, price)
	}
	// At the highest price almost nothing is bought; if even that is too dear,
	// nothing is.
	price := search(1, math.MaxUint64, covers)
	batch := Batch{Price: price, Fills: make([]Fill, len(bids)), Sold: sold}
	if !covers(price) {
		return batch, nil
	}
	shares, _ := demand(price)
	cost, err := Buy(c, sold, shares)
	if err != nil {
		return batch, err
	}
	var paid uint64
	for i, b := range bids {
		n := b.shares(price)
		batch.Fills[i] = Fill{n, mulUp(n, price, Million)}
		paid += batch.Fills[i].Ucredit
	}
	batch.Sold, batch.Dust = sold+shares, paid-cost
	return batch, nil
}

// shares is what a bid buys at a price.
func (b Bid) shares(price uint64) uint64 {
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
// what all of them then sell. If that is more than it sold, as shares come from
// elsewhere too, each has a part of its order filled.
func Asks(c Curve, sold uint64, asks []Ask) (Batch, error) {
	supply := func(price uint64) []uint64 {
		shares := make([]uint64, len(asks))
		for i, a := range asks {
			if a.Limit <= price {
				shares[i] = a.Shares
			}
		}
		return Prorate(sold, shares)
	}
	tooMuch := func(price uint64) bool {
		shares := sum(supply(price))
		back, err := Sell(c, sold, shares)
		return err != nil || more(shares, price, back, Million)
	}
	price := search(1, math.MaxUint64, tooMuch) - 1
	batch := Batch{Price: price, Fills: make([]Fill, len(asks))}
	parts := supply(price)
	batch.Sold = sold - sum(parts)
	back, err := difference(c, batch.Sold, sold)
	if err != nil {
		return batch, err
	}
	batch.Dust = back
	for i, shares := range parts {
		high, low := bits.Mul64(shares, price)
		out, _ := bits.Div64(high, low, Million) // fits, as all together are no more than back
		batch.Fills[i] = Fill{shares, out}
		batch.Dust -= out
	}
	return batch, nil
}

func sum(list []uint64) (n uint64) {
	for _, v := range list {
		n += v
	}
	return n
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

// Prorate divides what there is among those who asked, each in proportion and
// nobody more than asked; what roundings leave goes by one to each, in order.
func Prorate(there uint64, asked []uint64) []uint64 {
	parts := make([]uint64, len(asked))
	all := new(big.Int)
	for _, a := range asked {
		all.Add(all, new(big.Int).SetUint64(a))
	}
	has := new(big.Int).SetUint64(there)
	if all.Cmp(has) <= 0 {
		copy(parts, asked)
		return parts
	}
	rest := there
	for i, a := range asked {
		part := new(big.Int).SetUint64(a)
		parts[i] = part.Div(part.Mul(part, has), all).Uint64()
		rest -= parts[i]
	}
	for i := 0; rest > 0; i++ { // fewer are left than there are parts that were rounded
		if parts[i] < asked[i] {
			parts[i]++
			rest--
		}
	}
	return parts
}
