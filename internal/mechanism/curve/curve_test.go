package curve_test

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/mechanism/curve"
)

// curves draws a curve of either form that is valid.
func curves(t *rapid.T) curve.Curve {
	most := rapid.Uint64Range(1, 1e15).Draw(t, "most")
	c := curve.Curve(curve.Linear{
		Base: rapid.Uint64Range(0, 1e9).Draw(t, "base"), Slope: rapid.Uint64Range(0, 1_000).Draw(t, "slope"), Most: most,
	})
	if rapid.Bool().Draw(t, "product") {
		c = curve.Product{
			Virtual: rapid.Uint64Range(1, 1e15).Draw(t, "virtual"), Most: most,
			Total: most + rapid.Uint64Range(1, 1e15).Draw(t, "unsold"),
		}
	}
	if c.Validate() != nil {
		t.Skip("a curve that raises more than there can be")
	}
	return c
}

func buy(t *rapid.T, c curve.Curve, sold, shares uint64) uint64 {
	cost, err := curve.Buy(c, sold, shares)
	if err != nil {
		t.Fatalf("%+v: buying %d on top of %d: %v", c, shares, sold, err)
	}
	return cost
}

// TestTheNextNeverCostsLess: curves are monotone and convex, a rounding aside.
func TestTheNextNeverCostsLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := curves(t)
		sold := rapid.Uint64Range(0, c.Supply()).Draw(t, "sold")
		shares := rapid.Uint64Range(0, (c.Supply()-sold)/2).Draw(t, "shares")
		first, second := buy(t, c, sold, shares), buy(t, c, sold+shares, shares)
		if second+1 < first {
			t.Fatalf("%+v: %d shares cost %d, the next %d only %d", c, shares, first, shares, second)
		}
		if larger := buy(t, c, sold, 2*shares); larger < first {
			t.Fatalf("%+v: twice %d costs %d, once %d", c, shares, larger, first)
		}
	})
}

// TestNoPathProfits: however shares are bought and sold in between, the reserve is
// what the curve says, so that the round trip is worth nothing.
func TestNoPathProfits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := curves(t)
		var sold, reserve uint64
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "sell") {
				shares := rapid.Uint64Range(0, sold).Draw(t, "shares")
				back, err := curve.Sell(c, sold, shares)
				if err != nil || back > reserve {
					t.Fatalf("selling %d of %d brings %d of %d, %v", shares, sold, back, reserve, err)
				}
				sold, reserve = sold-shares, reserve-back
				continue
			}
			shares := rapid.Uint64Range(0, c.Supply()-sold).Draw(t, "shares")
			reserve += buy(t, c, sold, shares)
			sold += shares
		}
		if want, err := c.Reserve(sold); err != nil || reserve != want {
			t.Fatalf("%d are held for %d shares, %d are needed, %v", reserve, sold, want, err)
		}
		if back, err := curve.Sell(c, sold, sold); err != nil || back != reserve {
			t.Fatalf("all bring back %d of %d, %v", back, reserve, err)
		}
	})
}

// TestABlockClearsAtOnePrice that every limit allows, that nobody pays more than
// the budget for, and that covers what the curve asks for, to the micro-credit.
func TestABlockClearsAtOnePrice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := curves(t)
		sold := rapid.Uint64Range(0, c.Supply()).Draw(t, "sold")
		amount := rapid.OneOf(rapid.Uint64Range(0, 1e9), rapid.Uint64Range(0, 1e17))
		bids := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) curve.Bid {
			return curve.Bid{Budget: amount.Draw(t, "budget"), Limit: rapid.OneOf(rapid.Just(uint64(0)), amount).Draw(t, "limit")}
		}), 0, 5).Draw(t, "bids")
		b, err := curve.Bids(c, sold, bids)
		if err != nil {
			t.Fatal(err)
		}
		var shares, paid uint64
		for i, f := range b.Fills {
			shares, paid = shares+f.Shares, paid+f.Ucredit
			if f.Ucredit > bids[i].Budget || f.Shares > 0 && bids[i].Limit > 0 && b.Price > bids[i].Limit {
				t.Fatalf("%+v becomes %+v at %d", bids[i], f, b.Price)
			}
		}
		if cost := buy(t, c, sold, shares); b.Sold != sold+shares || paid != cost+b.Dust || b.Dust > paid {
			t.Fatalf("%d paid and %d of dust for %d shares that cost %d", paid, b.Dust, shares, cost)
		}

		var asks []curve.Ask
		for len(asks) < 4 { // perhaps of more than was sold here
			n := rapid.Uint64Range(0, b.Sold).Draw(t, "shares")
			asks = append(asks, curve.Ask{Shares: n, Limit: rapid.OneOf(rapid.Just(uint64(0)), amount).Draw(t, "limit")})
		}
		a, err := curve.Asks(c, b.Sold, asks)
		if err != nil {
			t.Fatal(err)
		}
		shares, paid = 0, 0
		for i, f := range a.Fills {
			shares, paid = shares+f.Shares, paid+f.Ucredit
			if f.Shares > asks[i].Shares || f.Shares > 0 && a.Price < asks[i].Limit {
				t.Fatalf("%+v becomes %+v at %d", asks[i], f, a.Price)
			}
		}
		back, err := curve.Sell(c, b.Sold, shares)
		if err != nil || a.Sold != b.Sold-shares || paid+a.Dust != back || a.Dust > back {
			t.Fatalf("%d paid out and %d of dust for %d shares that bring %d, %v", paid, a.Dust, shares, back, err)
		}
	})
}

// TestAPlaceInTheBlockIsWorthNothing: whatever the order of a block's orders, each
// has the same.
func TestAPlaceInTheBlockIsWorthNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := curves(t)
		sold := rapid.Uint64Range(0, c.Supply()).Draw(t, "sold")
		attack, victim := curve.Bid{Budget: rapid.Uint64Range(1, 1e12).Draw(t, "attack")}, curve.Bid{Budget: rapid.Uint64Range(1, 1e15).Draw(t, "victim")}
		first, err := curve.Bids(c, sold, []curve.Bid{attack, victim})
		second, err2 := curve.Bids(c, sold, []curve.Bid{victim, attack})
		if err != nil || err2 != nil || first.Price != second.Price || first.Fills[0] != second.Fills[1] || first.Fills[1] != second.Fills[0] {
			t.Fatalf("%+v, %v; the other way round %+v, %v", first, err, second, err2)
		}
	})
}

// TestOversubscription: the last shares go to all of the block's orders alike.
func TestOversubscription(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		there := rapid.Uint64().Draw(t, "there")
		asked := rapid.SliceOfN(rapid.OneOf(rapid.Uint64Range(0, 10), rapid.Uint64()), 0, 6).Draw(t, "asked")
		parts := curve.Prorate(there, asked)
		var sum uint64
		short := false
		for i, p := range parts {
			if p > asked[i] || sum+p < sum {
				t.Fatalf("%d of %v becomes %v", there, asked, parts)
			}
			sum += p
			short = short || p < asked[i]
		}
		if sum > there || short && sum != there {
			t.Fatalf("%d of %v becomes %v", there, asked, parts)
		}
		for i, p := range parts {
			for j, q := range parts {
				if asked[i] < asked[j] && p > q+1 {
					t.Fatalf("%v becomes %v: less was asked for, more was given", asked, parts)
				}
			}
		}
	})
}

func TestPricesByHand(t *testing.T) {
	linear := curve.Linear{Base: 2_000_000, Slope: 1_000, Most: 10_000_000_000}
	for shares, want := range map[uint64]uint64{0: 0, 1: 3, 1_000_000: 2_000_500, 2_000_000: 4_002_000, 10_000_000_000: 70_000_000_000} {
		if got, err := linear.Reserve(shares); err != nil || got != want {
			t.Errorf("linear: %d shares need %d, want %d, %v", shares, got, want, err)
		}
	}
	product := curve.Product{Virtual: 1_000, Total: 1_000, Most: 900}
	for shares, want := range map[uint64]uint64{0: 0, 1: 2, 500: 1_000, 900: 9_000} {
		if got, err := product.Reserve(shares); err != nil || got != want {
			t.Errorf("product: %d shares need %d, want %d, %v", shares, got, want, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []curve.Curve{
		curve.Linear{}, curve.Linear{Base: 1}, curve.Linear{Base: math.MaxUint64, Slope: math.MaxUint64, Most: math.MaxUint64},
		curve.Product{}, curve.Product{Virtual: 1, Total: 5, Most: 5}, curve.Product{Virtual: math.MaxUint64, Total: 3, Most: 2},
	} {
		if err := c.Validate(); !errors.Is(err, curve.ErrCurve) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	c := curve.Linear{Base: 1, Most: 10}
	if _, err := curve.Buy(c, 9, 2); !errors.Is(err, curve.ErrSupply) {
		t.Errorf("more than there is: %v", err)
	}
	if _, err := curve.Buy(c, 9, math.MaxUint64); !errors.Is(err, curve.ErrSupply) {
		t.Errorf("more than fits: %v", err)
	}
	if _, err := curve.Sell(c, 9, 10); !errors.Is(err, curve.ErrNotSold) {
		t.Errorf("more than was sold: %v", err)
	}
	if b, err := curve.Asks(c, 1, []curve.Ask{{Shares: 1}, {Shares: 1}, {Shares: 5, Limit: 2_000_000}}); err != nil || b.Sold != 0 || b.Fills[0].Shares != 1 {
		t.Errorf("a block of more than was sold: %+v, %v", b, err)
	}
}
