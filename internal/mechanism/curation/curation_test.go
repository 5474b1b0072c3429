package curation_test

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/mechanism/curation"
)

var params = curation.Params{TaxBps: 100, Delay: 10, MinSignal: 1_000}

// leaver is a stake on its way out.
type leaver struct{ owner, units uint64 }

// world is one listing with its curators, and books of its own.
type world struct {
	listing   curation.Listing
	positions [3]curation.Position
	leaving   []leaver

	put, back  [3]uint64 // ukoin of each curator
	earned     [3]uint64 // ucredit
	koin       uint64    // that the module holds
	treasury   uint64    // ukoin
	fees, over uint64    // ucredit rewarded, and what of it was nobody's
	slashed    bool
	rounded    uint64 // times that less than a ukoin fell to those who stayed
}

func (w *world) signal(t *rapid.T) {
	i := rapid.IntRange(0, 2).Draw(t, "curator")
	amount := rapid.OneOf(rapid.Uint64Range(0, 100_000_000), rapid.Uint64Range(0, math.MaxUint64/64)).Draw(t, "amount")
	l, p, tax, fees, err := curation.Signal(params, w.listing, w.positions[i], amount)
	if err != nil {
		if l != w.listing || p != w.positions[i] || tax != 0 || fees != 0 {
			t.Fatalf("refused (%v), yet something changed", err)
		}
		return
	}
	if tax*10_000 < amount && amount-tax > amount/100*99+99 || amount < params.MinSignal {
		t.Fatalf("a tax of %d on %d", tax, amount)
	}
	w.listing, w.positions[i] = l, p
	w.rounded++
	w.put[i] += amount
	w.koin += amount - tax
	w.treasury += tax
	w.earned[i] += fees
}

func (w *world) leave(t *rapid.T) {
	i := rapid.IntRange(0, 2).Draw(t, "curator")
	worth := curation.Worth(w.listing, w.positions[i].Units)
	amount := rapid.OneOf(rapid.Just(worth), rapid.Uint64Range(0, worth), rapid.Just(worth+1)).Draw(t, "amount")
	l, p, units, fees, dust, err := curation.Leave(w.listing, w.positions[i], amount)
	if (err == nil) != (w.positions[i].Units > 0 && amount <= worth && (amount > 0 || worth == 0)) {
		t.Fatalf("leaving with %d of %d: %v", amount, worth, err)
	}
	if err != nil {
		return
	}
	if got := curation.Worth(l, units); got < amount {
		t.Fatalf("%d were asked for, %d leave", amount, got)
	}
	w.listing, w.positions[i] = l, p
	w.rounded++
	w.leaving = append(w.leaving, leaver{uint64(i), units})
	w.earned[i] += fees
	w.over += dust
}

func (w *world) collect(t *rapid.T) {
	i := rapid.IntRange(0, 2).Draw(t, "curator")
	l, p, fees, err := curation.Collect(w.listing, w.positions[i])
	if (err == nil) != (w.positions[i].Units > 0) || fees != curation.Pending(w.listing, w.positions[i]) && err == nil {
		t.Fatalf("collected %d, %v", fees, err)
	}
	if err == nil {
		w.listing, w.positions[i] = l, p
		w.earned[i] += fees
	}
}

func (w *world) release(t *rapid.T) {
	if len(w.leaving) == 0 {
		t.Skip("nobody leaves")
	}
	n := rapid.IntRange(0, len(w.leaving)-1).Draw(t, "leaver")
	v := w.leaving[n]
	w.leaving = append(w.leaving[:n:n], w.leaving[n+1:]...)
	l, stake, dust := curation.Release(w.listing, v.units)
	w.listing = l
	w.back[v.owner] += stake
	w.koin -= stake + dust
	w.treasury += dust
	if dust > 1 {
		t.Fatalf("%d ukoin of dust", dust)
	}
}

func (w *world) reward(t *rapid.T) {
	amount := rapid.OneOf(rapid.Uint64Range(0, 10_000_000), rapid.Uint64Range(0, math.MaxUint64/256)).Draw(t, "fees")
	l, over := curation.Reward(w.listing, amount)
	if over != 0 && (over != amount || w.listing.Shares != 0 && w.listing.Held+amount >= amount) {
		t.Fatalf("%d of %d is nobody's", over, amount)
	}
	w.listing = l
	w.fees += amount
	w.over += over
}

func (w *world) slash(t *rapid.T) {
	bps := rapid.SampledFrom([]uint32{1, 500, 5_000, 10_000, 20_000}).Draw(t, "bps")
	l, taken := curation.Slash(w.listing, bps)
	if bps >= 10_000 && l.Staked != 0 {
		t.Fatalf("%d survive a slash of everything", l.Staked)
	}
	w.slashed = w.slashed || taken > 0
	w.listing = l
	w.koin -= taken
	w.treasury += taken
}

// check is every promise of spec/protocol.md, section 11.
func (w *world) check(t *rapid.T) {
	var units, shares, pending, claims, in, out uint64
	for i, p := range w.positions {
		units += p.Units
		shares += p.Shares
		pending += curation.Pending(w.listing, p)
		claims += curation.Worth(w.listing, p.Units)
		in, out = in+w.put[i], out+w.back[i]
		// The stake is nobody's gain but its owner's, what rounding leaves aside.
		theirs := w.back[i] + curation.Worth(w.listing, p.Units)
		for _, v := range w.leaving {
			if v.owner == uint64(i) {
				theirs += curation.Worth(w.listing, v.units)
			}
		}
		if theirs > w.put[i]-(w.put[i]+99)/100+w.rounded && w.put[i] > 0 {
			t.Fatalf("curator %d put in %d and has %d, tax or not", i, w.put[i], theirs)
		}
	}
	for _, v := range w.leaving {
		units += v.units
		claims += curation.Worth(w.listing, v.units)
	}
	if units != w.listing.Units || shares != w.listing.Shares {
		t.Fatalf("units %d of %d, shares %d of %d", units, w.listing.Units, shares, w.listing.Shares)
	}
	if w.koin != w.listing.Staked || claims > w.koin || in != out+w.koin+w.treasury {
		t.Fatalf("the module holds %d for %d, claims are %d; %d came in, %d went out, %d are the treasury's",
			w.koin, w.listing.Staked, claims, in, out, w.treasury)
	}
	paid := w.earned[0] + w.earned[1] + w.earned[2]
	if w.fees != paid+w.over+w.listing.Held || pending > w.listing.Held {
		t.Fatalf("fees of %d: %d paid, %d nobody's, %d held for %d pending", w.fees, paid, w.over, w.listing.Held, pending)
	}
}

func TestPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{}
		actions := map[string]func(*rapid.T){
			"": w.check, "signal": w.signal, "signal 2": w.signal, "leave": w.leave, "collect": w.collect, "release": w.release,
			"reward": w.reward, "reward 2": w.reward, "slash": w.slash,
		}
		for range 4 {
			t.Repeat(actions)
		}
	})
}

// TestEarlyEarnsMore: the same stake later has fewer shares, so less of the fees.
func TestEarlyEarnsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Uint64Range(1_000_000, 1_000_000_000_000).Draw(t, "amount")
		var l curation.Listing
		var curators [3]curation.Position
		for i := range curators {
			var err error
			if l, curators[i], _, _, err = curation.Signal(params, l, curation.Position{}, amount); err != nil {
				t.Fatalf("%v", err)
			}
		}
		if curators[0].Shares <= curators[1].Shares || curators[1].Shares <= curators[2].Shares {
			t.Fatalf("shares %d, %d, %d", curators[0].Shares, curators[1].Shares, curators[2].Shares)
		}
		l, _ = curation.Reward(l, 1_000_000)
		// √1 : √2−√1 : √3−√2, of √3.
		for i, want := range []float64{0.5774, 0.2391, 0.1835} {
			if got := float64(curation.Pending(l, curators[i])) / 1e6; math.Abs(got-want) > 0.001 {
				t.Fatalf("curator %d earns %.4f of the fees, want %.4f", i, got, want)
			}
		}
	})
}

// TestSplittingASignalGainsNothing: many small ones have no more shares than one.
func TestSplittingASignalGainsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		there := rapid.Uint64Range(0, 1_000_000_000).Draw(t, "there")
		var l curation.Listing
		if there >= params.MinSignal {
			l, _, _, _, _ = curation.Signal(params, l, curation.Position{}, there)
		}
		parts := rapid.SliceOfN(rapid.Uint64Range(params.MinSignal, 50_000_000), 2, 6).Draw(t, "parts")
		var sum uint64
		many, split := l, curation.Position{}
		for _, part := range parts {
			sum += part
			var err error
			if many, split, _, _, err = curation.Signal(params, many, split, part); err != nil {
				t.Fatalf("%v", err)
			}
		}
		_, whole, _, _, err := curation.Signal(params, l, curation.Position{}, sum)
		if err != nil || split.Shares > whole.Shares || split.Units > whole.Units {
			t.Fatalf("%d shares split, %d whole; %v", split.Shares, whole.Shares, err)
		}
	})
}

// TestSandwichLoses: who signals before a large signal and leaves right after
// it has less than before, by the tax.
func TestSandwichLoses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		attack := rapid.Uint64Range(params.MinSignal, 1_000_000_000).Draw(t, "attack")
		victim := rapid.Uint64Range(params.MinSignal, 1_000_000_000_000).Draw(t, "victim")
		l, p, _, _, err := curation.Signal(params, curation.Listing{}, curation.Position{}, attack)
		if err == nil {
			l, _, _, _, err = curation.Signal(params, l, curation.Position{}, victim)
		}
		if err != nil {
			t.Fatalf("%v", err)
		}
		l, _, units, fees, _, err := curation.Leave(l, p, curation.Worth(l, p.Units))
		if err != nil {
			t.Fatalf("%v", err)
		}
		if _, stake, _ := curation.Release(l, units); stake >= attack || fees != 0 {
			t.Fatalf("%d went in, %d ukoin and %d ucredit came out", attack, stake, fees)
		}
	})
}

func TestRatings(t *testing.T) {
	var l curation.Listing
	l, a, err := curation.Rate(l, curation.Rating{}, 5, 100)
	if err != nil || l.Stars != 500 || l.Weight != 100 {
		t.Fatalf("%+v, %v", l, err)
	}
	l, _, err = curation.Rate(l, curation.Rating{}, 1, 300)
	if err != nil || l.Stars != 800 || l.Weight != 400 {
		t.Fatalf("%+v, %v", l, err)
	}
	if l, _, err = curation.Rate(l, a, 2, 150); err != nil || l.Stars != 600 || l.Weight != 450 {
		t.Fatalf("a rating that changes: %+v, %v", l, err)
	}
	for _, c := range []struct {
		stars uint32
		spent uint64
		want  error
	}{{0, 1, curation.ErrStars}, {6, 1, curation.ErrStars}, {3, 0, curation.ErrNotPaid}, {3, math.MaxUint64, curation.ErrTooLarge}} {
		if after, _, err := curation.Rate(l, curation.Rating{}, c.stars, c.spent); !errors.Is(err, c.want) || after != l {
			t.Errorf("%d stars for %d: %v", c.stars, c.spent, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, p := range []curation.Params{{TaxBps: 1_001, MinSignal: 1}, {Delay: -1, MinSignal: 1}, {Delay: 1 << 40, MinSignal: 1}, {}} {
		if err := p.Validate(); !errors.Is(err, curation.ErrParams) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	l, p, _, _, err := curation.Signal(params, curation.Listing{}, curation.Position{}, 5_000)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, _, err := curation.Signal(params, l, p, 999); !errors.Is(err, curation.ErrTooSmall) {
		t.Errorf("too small: %v", err)
	}
	full, _, _, _, err := curation.Signal(params, curation.Listing{}, curation.Position{}, math.MaxUint64)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, _, err := curation.Signal(params, full, p, math.MaxUint64); !errors.Is(err, curation.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if _, _, _, _, _, err := curation.Leave(l, curation.Position{}, 0); !errors.Is(err, curation.ErrNoSignal) {
		t.Errorf("no signal: %v", err)
	}
	if _, _, _, _, _, err := curation.Leave(l, p, 5_000); !errors.Is(err, curation.ErrTooMuch) {
		t.Errorf("more than it is worth: %v", err)
	}
	ruined, taken := curation.Slash(l, 10_000)
	if _, _, _, _, err := curation.Signal(params, ruined, p, 5_000); !errors.Is(err, curation.ErrRuined) || taken != 4_950 {
		t.Errorf("a ruined listing: %v, %d", err, taken)
	}
	if _, left, _, _, _, err := curation.Leave(ruined, p, 0); err != nil || left.Units != 0 {
		t.Errorf("leaving a ruined listing: %v", err)
	}
}
