package offering_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/mechanism/curve"
	"github.com/koinon/koinon/internal/mechanism/offering"
)

// draw makes terms of either form, that begin at 0.
func draw(t *rapid.T) offering.Terms {
	terms := offering.Terms{
		Shares: rapid.Uint64Range(1, 1e13).Draw(t, "shares"), Deadline: 100, Lapse: 200,
		Milestones: []offering.Milestone{
			{Bps: 1_000, Proof: offering.Closing}, {Bps: 3_333, Proof: offering.Decision}, {Bps: 5_667, Proof: offering.Listing, Digest: "sha256:d"},
		},
	}
	if rapid.Bool().Draw(t, "curve") {
		terms.RaiseBps = rapid.Uint32Range(1, 9_999).Draw(t, "raise")
		terms.Curve = curve.Product{Virtual: rapid.Uint64Range(1, 1e12).Draw(t, "virtual"), Total: 2 * terms.Shares, Most: terms.Shares}
		if rapid.Bool().Draw(t, "linear") {
			terms.Curve = curve.Linear{Base: rapid.Uint64Range(1, 1e7).Draw(t, "base"), Slope: rapid.Uint64Range(0, 10).Draw(t, "slope"), Most: terms.Shares}
		}
	} else {
		terms.Price = rapid.Uint64Range(1, 1e9).Draw(t, "price")
	}
	terms.SoftCap = rapid.OneOf(rapid.Just(uint64(1)), rapid.Uint64Range(1, 1e12)).Draw(t, "soft cap")
	if terms.Validate(0) != nil {
		t.Skip("a cap that cannot be reached")
	}
	return terms
}

// world is an offering with three buyers and books of its own.
type world struct {
	terms     offering.Terms
	sale      offering.Sale
	positions [3]offering.Position
	shares    [3]uint64 // delivered
	raisedOf  [3]uint64 // ucredit of each that was raised
	backTo    [3]uint64 // of that, what came back
	credit    uint64    // that the module holds
	stock     uint64    // shares that it holds
	released  uint64
}

// block clears some orders as the ledger would.
func (w *world) block(t *rapid.T) {
	var buys []offering.Buy
	var asks []curve.Ask
	var sellers []int
	for i := range w.positions {
		buys = append(buys, offering.Buy{
			Budget: rapid.OneOf(rapid.Uint64Range(0, 1e6), rapid.Uint64Range(0, 1e13)).Draw(t, "budget"),
			Limit:  rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(1, 1e9)).Draw(t, "limit"),
		})
		if w.terms.Curve != nil {
			asks, sellers = append(asks, curve.Ask{Shares: rapid.Uint64Range(0, w.shares[i]).Draw(t, "sold")}), append(sellers, i)
		}
	}
	if offering.MayBuy(w.terms, w.sale, 0) != nil {
		buys = nil
	}
	sale, cleared, err := offering.Clear(w.terms, w.sale, buys, asks)
	if err != nil {
		t.Fatal(err)
	}
	w.sale = sale
	w.credit -= cleared.Dust
	for k, s := range cleared.Sold {
		w.credit -= s.Ucredit
		w.stock += s.Shares
		w.shares[sellers[k]] -= s.Shares
	}
	for i, b := range cleared.Bought {
		if b.Paid > buys[i].Budget || b.Raised > b.Paid {
			t.Fatalf("%+v becomes %+v", buys[i], b)
		}
		w.credit += b.Paid
		w.raisedOf[i] += b.Raised
		w.positions[i].Raised += b.Raised
		if w.terms.Curve != nil {
			w.shares[i] += b.Shares
			w.stock -= b.Shares
		} else {
			w.positions[i].Shares += b.Shares
		}
	}
}

func (w *world) release(t *rapid.T) {
	i := rapid.IntRange(0, 3).Draw(t, "milestone")
	sale, part, err := offering.Release(w.terms, w.sale, i)
	if (err == nil) != (w.sale.Status == offering.Succeeded && i < 3 && !w.sale.Done[i]) {
		t.Fatalf("releasing %d of %+v: %v", i, w.sale, err)
	}
	w.sale, w.credit, w.released = sale, w.credit-part, w.released+part
}

func (w *world) settle(t *rapid.T) {
	i := rapid.IntRange(0, 2).Draw(t, "buyer")
	sale, left, shares, ucredit, err := offering.Settle(w.sale, w.positions[i])
	if err != nil && (left != w.positions[i] || shares != 0 || ucredit != 0) {
		t.Fatalf("refused (%v), yet something changed", err)
	}
	w.sale, w.positions[i] = sale, left
	w.credit -= ucredit
	w.stock -= shares
	w.shares[i] += shares
	w.backTo[i] += ucredit
}

// check is every promise of spec/protocol.md about offerings.
func (w *world) check(t *rapid.T) {
	var contributed, owed uint64
	for i, p := range w.positions {
		contributed += p.Raised
		owed += p.Shares
		if w.backTo[i] > w.raisedOf[i] {
			t.Fatalf("buyer %d paid %d and had %d back", i, w.raisedOf[i], w.backTo[i])
		}
		if w.sale.Status == offering.Failed && w.backTo[i]+p.Raised != w.raisedOf[i] {
			t.Fatalf("buyer %d paid %d, had %d back and is owed %d", i, w.raisedOf[i], w.backTo[i], p.Raised)
		}
	}
	if w.credit != w.sale.Held+w.sale.Reserve || contributed != w.sale.Contributed || w.sale.Held > w.sale.Contributed && contributed > 0 {
		t.Fatalf("%d ucredit for %+v; contributed %d", w.credit, w.sale, contributed)
	}
	if w.terms.Curve != nil {
		if need, err := w.terms.Curve.Reserve(w.sale.Sold); err != nil || need != w.sale.Reserve || w.stock != w.terms.Shares-w.sale.Sold {
			t.Fatalf("a reserve of %d, %d are needed, %v; %d shares are left", w.sale.Reserve, need, err, w.stock)
		}
	} else if w.stock < owed {
		t.Fatalf("%d shares are owed, %d held", owed, w.stock)
	}
	back := w.backTo[0] + w.backTo[1] + w.backTo[2]
	if w.sale.Raised != w.raisedOf[0]+w.raisedOf[1]+w.raisedOf[2] || w.sale.Raised != w.released+back+w.sale.Held {
		t.Fatalf("raised %d: %d released, %d back, %d held", w.sale.Raised, w.released, back, w.sale.Held)
	}
	if w.sale.Status == offering.Failed && w.sale.Raised >= w.terms.SoftCap || w.sale.Status == offering.Succeeded && w.sale.Raised < w.terms.SoftCap {
		t.Fatalf("%+v with a soft cap of %d", w.sale, w.terms.SoftCap)
	}
}

func TestPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{terms: draw(t)}
		w.sale, w.stock = offering.New(w.terms), w.terms.Shares
		to := func(now int64) func(*rapid.T) {
			return func(*rapid.T) { w.sale, _ = offering.Close(w.terms, w.sale, now) }
		}
		t.Repeat(map[string]func(*rapid.T){
			"": w.check, "block": w.block, "block 2": w.block, "block 3": w.block, "release": w.release, "settle": w.settle,
			"sold out": to(0), "deadline": to(100), "lapse": to(200),
		})
		// In the end everybody has what is owed, and nothing stays.
		to(100)(t)
		to(200)(t)
		for i := range w.positions {
			for _, p := range []offering.Position{w.positions[i]} {
				sale, left, shares, ucredit, err := offering.Settle(w.sale, p)
				if err == nil {
					w.sale, w.positions[i] = sale, left
					w.credit, w.stock, w.shares[i], w.backTo[i] = w.credit-ucredit, w.stock-shares, w.shares[i]+shares, w.backTo[i]+ucredit
				}
			}
		}
		w.check(t)
		if w.sale.Held != 0 {
			t.Fatalf("%d ucredit stay: %+v", w.sale.Held, w.sale)
		}
	})
}

func TestTermsAreRefused(t *testing.T) {
	good := offering.Terms{
		Price: 1_000_000, Shares: 1_000_000_000, SoftCap: 500_000_000, Deadline: 100, Lapse: 200,
		Milestones: []offering.Milestone{{Bps: 10_000, Proof: offering.Decision}},
	}
	if err := good.Validate(0); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*offering.Terms){
		"no shares":              func(t *offering.Terms) { t.Shares = 0 },
		"price and curve":        func(t *offering.Terms) { t.Curve = curve.Linear{Base: 1, Most: 1_000_000_000} },
		"neither":                func(t *offering.Terms) { t.Price = 0 },
		"a part of a price":      func(t *offering.Terms) { t.RaiseBps = 1 },
		"a cap out of reach":     func(t *offering.Terms) { t.SoftCap = 1_000_000_001 },
		"no cap":                 func(t *offering.Terms) { t.SoftCap = 0 },
		"a deadline that passed": func(t *offering.Terms) { t.Deadline = 0 },
		"a lapse before it":      func(t *offering.Terms) { t.Lapse = 100 },
		"no milestones":          func(t *offering.Terms) { t.Milestones = nil },
		"milestones of less": func(t *offering.Terms) {
			t.Milestones = []offering.Milestone{{Bps: 9_999, Proof: offering.Decision}}
		},
		"a listing of nothing": func(t *offering.Terms) {
			t.Milestones = []offering.Milestone{{Bps: 10_000, Proof: offering.Listing}}
		},
		"a curve of other shares": func(t *offering.Terms) {
			t.Price, t.Curve, t.RaiseBps = 0, curve.Linear{Base: 1_000_000, Most: 5}, 5_000
		},
	} {
		terms := good
		change(&terms)
		if err := terms.Validate(0); !errors.Is(err, offering.ErrTerms) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMilestonesRelease(t *testing.T) {
	terms := offering.Terms{
		Price: 1_000_000, Shares: 10, SoftCap: 5, Deadline: 100, Lapse: 200,
		Milestones: []offering.Milestone{{Bps: 3_333, Proof: offering.Closing}, {Bps: 6_667, Proof: offering.Decision}},
	}
	s := offering.New(terms)
	if _, _, err := offering.Release(terms, s, 0); !errors.Is(err, offering.ErrNotOpen) {
		t.Errorf("while open: %v", err)
	}
	s, cleared, err := offering.Clear(terms, s, []offering.Buy{{Budget: 8}, {Budget: 8}, {Budget: 8, Limit: 999_999}}, nil)
	if err != nil || cleared.Bought[0].Shares != 5 || cleared.Bought[1].Shares != 5 || cleared.Bought[2].Shares != 0 {
		t.Fatalf("%+v, %v", cleared, err)
	}
	s, closed := offering.Close(terms, s, 0)
	if !closed || s.Status != offering.Succeeded || offering.MayBuy(terms, s, 0) == nil {
		t.Fatalf("sold out: %+v", s)
	}
	s, first, err := offering.Release(terms, s, 0)
	s, second, err2 := offering.Release(terms, s, 1)
	if first != 3 || second != 7 || err != nil || err2 != nil {
		t.Errorf("%d and %d of 10 are released, %v, %v", first, second, err, err2)
	}
	if _, _, err := offering.Release(terms, s, 1); !errors.Is(err, offering.ErrReleased) {
		t.Errorf("twice: %v", err)
	}
	if _, closed := offering.Close(terms, s, 500); closed {
		t.Error("an offering that released all lapses")
	}
	if err := offering.MaySell(terms); !errors.Is(err, offering.ErrNoCurve) {
		t.Errorf("selling back at a fixed price: %v", err)
	}
}

// A council agrees when enough of those who are in it found enough; who is not in it
// does not count, and none is never of one mind.
func TestACouncilAgrees(t *testing.T) {
	scores := map[string]uint64{"a": 700_000, "b": 650_000, "stranger": 1_000_000}
	found := func(member string) (uint64, bool) { s, ok := scores[member]; return s, ok }
	c := offering.Council{Members: []string{"a", "b", "c"}, Quorum: 2}
	for _, v := range []struct {
		least  uint64
		quorum int
		want   bool
	}{{650_000, 2, true}, {650_001, 2, false}, {650_001, 1, true}, {1, 3, false}} {
		c.Quorum = v.quorum
		if got := c.Agrees(v.least, found); got != v.want {
			t.Errorf("%d of three, %d: %v", v.quorum, v.least, got)
		}
	}
	if (offering.Council{}).Agrees(1, found) {
		t.Error("nobody agrees")
	}
	for _, bad := range []offering.Council{{Members: []string{"a", "a"}, Quorum: 1}, {Members: []string{"a"}, Quorum: 2}, {Members: []string{"a"}}, {Quorum: 1}} {
		if err := bad.Validate(); !errors.Is(err, offering.ErrCouncil) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
