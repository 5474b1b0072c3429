package pool_test

import (
	"errors"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/mechanism/pool"
)

var params = pool.Params{FeeBps: 30, MoveBps: 1_000, Window: 600}

func must[T any](t *rapid.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// begun is a pool with reserves of its own.
func begun(t *rapid.T) pool.Pool {
	amount := rapid.OneOf(rapid.Uint64Range(1e6, 1e9), rapid.Uint64Range(1e6, 1<<60))
	p := pool.Begin(params, pool.Pool{}, 1, 1_000)
	p, _, _, _, err := pool.Add(p, amount.Draw(t, "credit"), amount.Draw(t, "asset"))
	return pool.Begin(params, must(t, p, err), 2, 1_000)
}

// worse says whether what a part is worth fell: credit·asset/parts².
func worse(after, before pool.Pool) bool {
	of := func(p, q pool.Pool) *big.Int {
		x := new(big.Int).SetUint64(p.Credit)
		x.Mul(x, new(big.Int).SetUint64(p.Asset))
		parts := new(big.Int).SetUint64(q.Parts)
		return x.Mul(x, parts.Mul(parts, parts))
	}
	return of(after, before).Cmp(of(before, after)) < 0
}

// TestAPartNeverFalls in worth, whatever others do; what is paid out was paid in.
func TestAPartNeverFalls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := begun(t)
		owned, now := p.Parts-pool.Locked, int64(1_000)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			now += rapid.Int64Range(0, 300).Draw(t, "seconds")
			p = pool.Begin(params, p, now, now)
			before := p
			amount := rapid.OneOf(rapid.Uint64Range(0, 1e6), rapid.Uint64Range(0, 1<<58))
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				credit, asset := amount.Draw(t, "credit"), amount.Draw(t, "asset")
				next, tookCredit, tookAsset, parts, err := pool.Add(p, credit, asset)
				if err != nil {
					continue
				}
				if tookCredit > credit || tookAsset > asset || next.Credit != p.Credit+tookCredit || next.Asset != p.Asset+tookAsset {
					t.Fatalf("%d and %d were given, %d and %d taken", credit, asset, tookCredit, tookAsset)
				}
				p, owned = next, owned+parts
			case 1:
				next, credit, asset, err := pool.Remove(p, owned, rapid.Uint64Range(0, owned).Draw(t, "parts"))
				if err != nil {
					continue
				}
				if next.Credit+credit != p.Credit || next.Asset+asset != p.Asset || next.Credit == 0 || next.Asset == 0 {
					t.Fatalf("%+v becomes %+v", p, next)
				}
				p, owned = next, owned-(p.Parts-next.Parts)
			case 2:
				side := rapid.SampledFrom([]pool.Side{pool.Credit, pool.Asset}).Draw(t, "side")
				in := amount.Draw(t, "in")
				next, out, err := pool.Swap(params, p, side, in, 0)
				if err != nil {
					continue
				}
				gotCredit, gotAsset := p.Credit+in, p.Asset-out
				if side == pool.Asset {
					gotCredit, gotAsset = p.Credit-out, p.Asset+in
				}
				if next.Credit != gotCredit || next.Asset != gotAsset {
					t.Fatalf("%+v with %d in becomes %+v with %d out", p, in, next, out)
				}
				// Back again is never a profit.
				if again, back, err := pool.Swap(pool.Params{MoveBps: 9_999}, next, 3-side, out, 0); err == nil && back > in {
					t.Fatalf("%d in, %d back: %+v", in, back, again)
				}
				p = next
			}
			if worse(p, before) || p.Parts != owned+pool.Locked {
				t.Fatalf("a part of %+v is worth less than one of %+v", p, before)
			}
		}
	})
}

// TestABlockMovesThePriceByABoundedPart, in however many swaps.
func TestABlockMovesThePriceByABoundedPart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := begun(t)
		open := p
		refused := false
		for range 20 {
			next, _, err := pool.Swap(params, p, pool.Credit, 1+p.Credit/50, 0)
			if refused = refused || errors.Is(err, pool.ErrMove); err == nil {
				p = next
			}
		}
		ratio := float64(p.Credit) / float64(open.Credit) * float64(open.Asset) / float64(p.Asset)
		if ratio > 1.1000001 || !refused && ratio > 1.05 {
			t.Fatalf("moved by %f, refused: %v", ratio, refused)
		}
		if _, _, err := pool.Swap(params, pool.Begin(params, p, 3, 1_001), pool.Credit, 1+p.Credit/50, 0); err != nil {
			t.Fatalf("a block later: %v", err)
		}
	})
}

// TestTheAverageIsOverTime: what stands for a second in ten minutes hardly counts.
func TestTheAverageIsOverTime(t *testing.T) {
	p := pool.Begin(params, pool.Pool{}, 1, 1_000)
	p, _, _, _, err := pool.Add(p, 5_000_000_000, 1_000_000_000) // 5 credit for one
	if err != nil {
		t.Fatal(err)
	}
	if price, seconds := pool.Average(params, p, 1_000); price != 0 || seconds != 0 {
		t.Errorf("a price of no time: %d over %d seconds", price, seconds)
	}
	if price, seconds := pool.Average(params, p, 1_700); price != 5*pool.Scale || seconds != 700 {
		t.Errorf("%d over %d seconds", price, seconds)
	}
	p = pool.Begin(params, p, 2, 2_000)
	before := p
	p, out, err := pool.Swap(params, p, pool.Credit, 200_000_000, 0)
	if err != nil {
		t.Fatal(err)
	}
	if spot := pool.Spot(p); spot < 5_300_000_000_000 {
		t.Errorf("the spot price hardly moved: %d", spot)
	}
	p = pool.Begin(params, p, 3, 2_001)
	if p, _, err = pool.Swap(params, p, pool.Asset, out, 0); err != nil {
		t.Fatal(err)
	}
	p = pool.Begin(params, p, 4, 2_002)
	price, seconds := pool.Average(params, p, 2_300)
	if seconds < params.Window || seconds > 2*params.Window+300 || price > 5_010_000_000_000 || price < 5*pool.Scale {
		t.Errorf("%d over %d seconds", price, seconds)
	}
	if p.Credit < before.Credit {
		t.Errorf("the round trip cost the pool: %+v, before %+v", p, before)
	}
}

// TestTheAverageIsWithinWhatStood.
func TestTheAverageIsWithinWhatStood(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := begun(t)
		low, high, now := pool.Spot(p), pool.Spot(p), int64(1_000)
		for range rapid.IntRange(0, 10).Draw(t, "blocks") {
			now += rapid.Int64Range(1, 900).Draw(t, "seconds")
			p = pool.Begin(params, p, now, now)
			side := rapid.SampledFrom([]pool.Side{pool.Credit, pool.Asset}).Draw(t, "side")
			if next, _, err := pool.Swap(params, p, side, p.Credit/100, 0); err == nil {
				p = next
			}
			low, high = min(low, pool.Spot(p)), max(high, pool.Spot(p))
		}
		now += rapid.Int64Range(1, 900).Draw(t, "rest")
		price, seconds := pool.Average(params, p, now)
		if low == 0 { // too cheap for a price to stand at some time
			return
		}
		if seconds < 1 || price < low || price > high {
			t.Fatalf("%d over %d seconds is outside of %d to %d", price, seconds, low, high)
		}
	})
}

func TestRefusals(t *testing.T) {
	for _, p := range []pool.Params{{}, {FeeBps: 1_001, MoveBps: 1, Window: 1}, {MoveBps: 10_000, Window: 1}, {MoveBps: 1}} {
		if err := p.Validate(); !errors.Is(err, pool.ErrParams) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if _, _, err := pool.Swap(params, pool.Pool{}, pool.Credit, 1, 0); !errors.Is(err, pool.ErrEmpty) {
		t.Errorf("an empty pool: %v", err)
	}
	if _, _, _, _, err := pool.Add(pool.Pool{}, 1e5, 1e5); !errors.Is(err, pool.ErrTooSmall) {
		t.Errorf("a tiny pool: %v", err)
	}
	p, _, _, owned, err := pool.Add(pool.Pool{}, 1e9, 1e9)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := pool.Swap(params, p, pool.Credit, 1e6, 1e6); !errors.Is(err, pool.ErrLimit) {
		t.Errorf("less than the least: %v", err)
	}
	if _, _, err := pool.Swap(params, p, pool.Credit, 1, 0); !errors.Is(err, pool.ErrTooSmall) {
		t.Errorf("nothing comes out: %v", err)
	}
	if _, _, err := pool.Swap(params, p, pool.Credit, math.MaxUint64, 0); !errors.Is(err, pool.ErrTooLarge) {
		t.Errorf("more than fits: %v", err)
	}
	if _, _, _, err := pool.Remove(p, owned, owned+1); !errors.Is(err, pool.ErrTooMuch) {
		t.Errorf("more than is owned: %v", err)
	}
	if _, _, _, _, err := pool.Add(p, math.MaxUint64, math.MaxUint64); !errors.Is(err, pool.ErrTooLarge) {
		t.Errorf("more than fits: %v", err)
	}
}
