package share_test

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/mechanism/share"
)

func whole(a share.Amount) *big.Int {
	n := new(big.Int).Lsh(new(big.Int).SetUint64(a.Whole), 64)
	return n.Add(n, new(big.Int).SetUint64(a.Fraction))
}

// Over random histories of payments, moves, mints and claims, every holder has
// what a recomputation from the list of all balances at all payments says, to
// the last bit; and not a micro-credit is made or lost.
func TestTheAccumulatorAgreesWithANaiveOne(t *testing.T) {
	const people = 4
	rapid.Check(t, func(t *rapid.T) {
		var pool share.Pool
		var positions [people]share.Position
		var shares, paid [people]uint64
		var supply, in uint64
		// The naive books: everything in 2⁻⁶⁴ ucredit, without bounds.
		earned := [people]*big.Int{}
		for i := range earned {
			earned[i] = new(big.Int)
		}
		dust := new(big.Int)
		settle := func(i int) { positions[i] = share.Settle(pool, positions[i], shares[i]) }
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			i, j := rapid.IntRange(0, people-1).Draw(t, "from"), rapid.IntRange(0, people-1).Draw(t, "to")
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0: // mint
				more := rapid.OneOf(rapid.Uint64Range(0, 100), rapid.Uint64Range(0, math.MaxInt64/60)).Draw(t, "mint")
				settle(i)
				shares[i], supply = shares[i]+more, supply+more
			case 1: // move
				n := rapid.Uint64Range(0, shares[i]).Draw(t, "move")
				settle(i)
				settle(j)
				shares[i] -= n
				shares[j] += n
			case 2, 3: // pay
				amount := rapid.OneOf(rapid.Uint64Range(0, 1000), rapid.Uint64Range(0, math.MaxUint64/16)).Draw(t, "pay")
				next, over := share.Pay(pool, amount, supply)
				if over > 0 {
					if next != pool || over != amount || supply > 0 && in-sum(paid) <= math.MaxUint64-amount {
						t.Fatalf("%d of %d were not taken", over, amount)
					}
					continue
				}
				if supply == 0 {
					continue // a payment of nothing
				}
				pool, in = next, in+amount
				total := new(big.Int).Lsh(new(big.Int).SetUint64(amount), 64)
				total.Add(total, dust)
				each, rest := new(big.Int).DivMod(total, new(big.Int).SetUint64(supply), new(big.Int))
				dust = rest
				for k := range people {
					earned[k].Add(earned[k], new(big.Int).Mul(each, new(big.Int).SetUint64(shares[k])))
				}
			case 4: // claim
				next, position, got, err := share.Claim(pool, positions[i], shares[i])
				if (err == nil) != (got > 0) {
					t.Fatalf("claimed %d: %v", got, err)
				}
				pool, positions[i] = next, position
				paid[i] += got
				earned[i].Sub(earned[i], new(big.Int).Lsh(new(big.Int).SetUint64(got), 64))
			}
		}
		owed := new(big.Int).SetUint64(pool.Dust)
		for i := range people {
			pending := whole(share.Pending(pool, positions[i], shares[i]))
			if pending.Cmp(earned[i]) != 0 {
				t.Fatalf("holder %d is owed %v, naively %v", i, pending, earned[i])
			}
			owed.Add(owed, pending)
		}
		if pool.Held != in-sum(paid) || owed.Cmp(new(big.Int).Lsh(new(big.Int).SetUint64(pool.Held), 64)) != 0 {
			t.Fatalf("%d came in, %d went out, %d are held, %v/2⁶⁴ are owed", in, sum(paid), pool.Held, owed)
		}
	})
}

func sum(list [4]uint64) (n uint64) {
	for _, v := range list {
		n += v
	}
	return n
}

// Shares become free little by little, never more than there are, and all at the end.
func TestVesting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.Int64Range(0, 1_000_000)
		v := share.Vesting{Shares: rapid.Uint64().Draw(t, "shares"), Start: times.Draw(t, "start"), Cliff: times.Draw(t, "cliff"), End: times.Draw(t, "end")}
		if v.Validate(500_000) != nil {
			if v.Shares > 0 && v.Start <= v.Cliff && v.Cliff <= v.End && v.Start < v.End {
				t.Fatalf("%+v is refused", v)
			}
			t.Skip("no schedule")
		}
		var last uint64
		for now := int64(0); now <= 1_000_000; now += rapid.Int64Range(1, 400_000).Draw(t, "later") {
			n := v.Free(now)
			if n > 0 && now < v.Cliff || v.Released+n < last {
				t.Fatalf("%d of %+v are free at %d", n, v, now)
			}
			last = v.Released + n
			v.Released += rapid.Uint64Range(0, n).Draw(t, "released")
		}
		if n := v.Free(v.End); v.Released+n != v.Shares {
			t.Fatalf("%d of %+v are free at the end", n, v)
		}
	})
}

func TestLocksOnlyGrow(t *testing.T) {
	l, err := share.Lock{}.Extend(5, 100, 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Extend(1, 99, 10); err == nil {
		t.Error("a lock was shortened")
	}
	if l, err = l.Extend(2, 100, 20); err != nil || l.Shares != 7 {
		t.Errorf("%+v, %v", l, err)
	}
	if n, err := l.Open(99); err == nil {
		t.Errorf("%d came free early", n)
	}
	if n, err := l.Open(100); err != nil || n != 7 {
		t.Errorf("%d came free: %v", n, err)
	}
}
