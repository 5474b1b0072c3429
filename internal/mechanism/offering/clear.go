package offering

import (
	"math/bits"

	"github.com/koinon/koinon/internal/mechanism/curve"
)

// Buy is an order that waits for its block's end. Its budget is held already.
type Buy struct {
	Budget uint64 // ucredit
	Limit  uint64 // the highest price, ucredit for a million shares, all that is paid; 0 for any
}

// Bought is what became of an order; what its budget has left goes back.
type Bought struct {
	Shares uint64
	Paid   uint64 // ucredit
	Raised uint64 // of what was paid
}

// Sold is what became of an order to sell; no shares, if its limit was not met.
type Sold struct{ Shares, Ucredit uint64 }

// Cleared is what became of a block's orders, each in its place.
type Cleared struct {
	Bought []Bought
	Sold   []Sold
	// BuyPrice and SellPrice are those of all orders alike, ucredit for a million
	// shares; of a curve's BuyPrice the raised part is on top.
	BuyPrice, SellPrice uint64
	Dust                uint64 // ucredit that roundings left: the treasury's
}

// Clear fills a block's orders. Sales come first, then all that buys.
func Clear(t Terms, s Sale, buys []Buy, sells []curve.Ask) (Sale, Cleared, error) {
	if t.Curve == nil {
		s, cleared := clearFixed(t, s, buys)
		cleared.Sold = make([]Sold, len(sells))
		return s, cleared, nil
	}
	asks, err := curve.Asks(t.Curve, s.Sold, sells)
	if err != nil {
		return s, Cleared{}, err
	}
	cleared := Cleared{SellPrice: asks.Price, Dust: asks.Dust}
	for _, f := range asks.Fills {
		cleared.Sold = append(cleared.Sold, Sold{f.Shares, f.Ucredit})
	}
	bids := make([]curve.Bid, len(buys))
	for i, b := range buys {
		bids[i] = curve.Bid{Budget: b.Budget - mulUp(b.Budget, uint64(t.RaiseBps), whole)}
		if b.Limit > 0 {
			bids[i].Limit = max(1, b.Limit-mulUp(b.Limit, uint64(t.RaiseBps), whole))
		}
	}
	bought, err := curve.Bids(t.Curve, asks.Sold, bids)
	if err != nil {
		return s, Cleared{}, err
	}
	cleared.BuyPrice, cleared.Dust = bought.Price, cleared.Dust+bought.Dust
	for _, f := range bought.Fills {
		raised := t.raise(f.Ucredit)
		cleared.Bought = append(cleared.Bought, Bought{f.Shares, f.Ucredit + raised, raised})
		s = s.raise(raised)
	}
	s.Sold = bought.Sold
	s.Reserve, err = t.Curve.Reserve(s.Sold)
	return s, cleared, err
}

// clearFixed sells at the fixed price. If the block asks for more than there is,
// all its orders have the same part of what they asked for.
func clearFixed(t Terms, s Sale, buys []Buy) (Sale, Cleared) {
	asked := make([]uint64, len(buys))
	for i, b := range buys {
		if b.Limit == 0 || t.Price <= b.Limit {
			high, low := bits.Mul64(b.Budget, curve.Million)
			if high >= t.Price { // more than any sale has
				asked[i] = t.Shares
				continue
			}
			asked[i], _ = bits.Div64(high, low, t.Price)
		}
	}
	cleared := Cleared{BuyPrice: t.Price}
	for _, shares := range curve.Prorate(t.Shares-s.Sold, asked) {
		paid := mulUp(shares, t.Price, curve.Million)
		cleared.Bought = append(cleared.Bought, Bought{shares, paid, paid})
		s.Sold += shares
		s = s.raise(paid)
	}
	return s, cleared
}

// raise notes that a buyer's payment raised so much.
func (s Sale) raise(ucredit uint64) Sale {
	s.Raised += ucredit
	s.Held += ucredit
	s.Contributed += ucredit
	return s
}
