package eprocess

import (
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func rat(n Number) *big.Rat {
	r := new(big.Rat).SetInt(new(big.Int).SetUint64(n.Mantissa))
	power := new(big.Int).Lsh(big.NewInt(1), uint(max(n.Exponent, -n.Exponent)))
	if n.Exponent < 0 {
		return r.Quo(r, new(big.Rat).SetInt(power))
	}
	return r.Mul(r, new(big.Rat).SetInt(power))
}

func drawProfile(t *rapid.T) Profile {
	mean := rapid.Uint64Range(1, Unit-1).Draw(t, "mean")
	return Profile{mean, rapid.Uint64Range(1, (Unit*Unit-1)/mean).Draw(t, "bet")}
}

// The stored number is the exact one, rounded down, and hardly below it.
func TestAgreesWithExactFractions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProfile(t)
		var e Evidence
		var exact [Bets]big.Rat
		for n := int64(1); n <= rapid.Int64Range(1, 30).Draw(t, "scores"); n++ {
			x := rapid.OneOf(rapid.Uint64Range(0, Unit), rapid.Just(uint64(0)), rapid.Just(uint64(Unit))).Draw(t, "score")
			var err error
			if e, err = Add(e, p, x); err != nil {
				t.Fatal(err)
			}
			if err := e.Validate(); err != nil {
				t.Fatal(err)
			}
			wealth := big.NewRat(1, n+1)
			for i := range exact {
				staked := exact[i].Add(&exact[i], big.NewRat(1, Bets*n*(n+1)))
				gain := new(big.Rat).SetFrac(big.NewInt(int64(p.Bet>>(2*i))), big.NewInt(Unit))
				gain.Mul(gain, big.NewRat(int64(x)-int64(p.Mean), Unit))
				staked.Mul(staked, gain.Add(gain, big.NewRat(1, 1)))
				wealth.Add(wealth, staked)
			}
			got := rat(e.Wealth())
			if got.Cmp(wealth) > 0 {
				t.Fatalf("%v is above %v: rounded against the accused", got, wealth)
			}
			least := new(big.Rat).Mul(wealth, big.NewRat(1<<52-1, 1<<52))
			if got.Cmp(least) < 0 {
				t.Fatalf("%v is too far below %v", got, wealth)
			}
			if e.Reaches(Withhold) && wealth.Cmp(big.NewRat(Withhold, 1)) < 0 {
				t.Fatal("a threshold was reached too early")
			}
		}
	})
}

// Ville's inequality, seen: of honest providers no more than α ever reach 1/α,
// whatever the shape of honest scores, at any time they are looked at.
func TestHonestProvidersAreRarelyAccused(t *testing.T) {
	const providers, scores, alpha = 4_000, 300, 0.05
	for name, draw := range map[string]func(*rand.Rand) uint64{
		"one in twenty at the cap": func(r *rand.Rand) uint64 {
			if r.IntN(20) == 0 {
				return Unit
			}
			return 0
		},
		"spread evenly": func(r *rand.Rand) uint64 { return r.Uint64N(100_001) },
	} {
		for _, bet := range []uint64{1 * Unit, 5 * Unit, 19 * Unit} {
			rng := rand.New(rand.NewPCG(7, bet))
			accused := 0
			for range providers {
				var e Evidence
				for range scores {
					e, _ = Add(e, Profile{50_000, bet}, draw(rng))
					if e.Reaches(1 / alpha) {
						accused++
						break
					}
				}
			}
			limit := alpha*providers + 4*math.Sqrt(alpha*(1-alpha)*providers)
			if float64(accused) > limit {
				t.Errorf("%s, bet %d: %d of %d honest providers reach %v", name, bet/Unit, accused, providers, 1/alpha)
			}
		}
	}
}

// A cheat whose scores are twice an honest one's is convicted, and a long clean
// record delays that, but not for long.
func TestCheatsAreFound(t *testing.T) {
	p := Profile{50_000, 5 * Unit}
	for _, clean := range []int{0, 10_000} {
		rng := rand.New(rand.NewPCG(1, 2))
		var e Evidence
		for range clean {
			e, _ = Add(e, p, rng.Uint64N(80_001))
		}
		if e.Reaches(Withhold) {
			t.Fatal("an honest provider is accused")
		}
		n := 0
		for ; !e.Reaches(Slash) && n < 10_000; n++ {
			e, _ = Add(e, p, rng.Uint64N(200_001))
		}
		if n < 40 || n > 300 {
			t.Errorf("after %d clean scores a cheat took %d more to be found", clean, n)
		}
	}
}

// The bet that wins fastest against the blatant never finds who is wrong a little more
// often than the honest may be; a part of a bet does.
func TestTheSubtleAreFoundToo(t *testing.T) {
	p := Profile{1_000, 870 * Unit} // as of four bits in place of sixteen
	rng := rand.New(rand.NewPCG(5, 6))
	var e Evidence
	n := 0
	for ; !e.Reaches(Slash) && n < 5_000; n++ {
		score := uint64(0)
		for range 128 { // tokens, of which 0.4 % are not the agreed draw
			if rng.IntN(256) == 0 {
				score += Unit / 128
			}
		}
		e, _ = Add(e, p, score)
	}
	if n == 5_000 || n < 10 {
		t.Errorf("found after %d answers, with 2^%d", n, e.Log2())
	}
}

func TestExtremesStayInRange(t *testing.T) {
	down, up := Evidence{Scores: math.MaxUint64 - 10}, Evidence{}
	for range 100_000 {
		var err error
		if down, err = Add(down, Profile{1, maxBet - 1}, 0); err != nil {
			t.Fatal(err)
		}
		if up, err = Add(up, Profile{1, maxBet - 1}, Unit); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(down.Validate(), up.Validate()); err != nil {
		t.Error(err)
	}
	if down.Reaches(1) || !up.Reaches(math.MaxUint64) {
		t.Errorf("%+v, %+v", down, up)
	}
}

func TestRefusals(t *testing.T) {
	for _, p := range []Profile{{}, {0, 1}, {Unit, 1}, {1, 0}, {1, maxBet + 1}, {500_000, 2 * Unit}, {1 << 63, 2}} {
		if _, err := Add(Evidence{}, p, 0); !errors.Is(err, ErrProfile) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if _, err := Add(Evidence{}, Profile{1, 1}, Unit+1); !errors.Is(err, ErrScore) {
		t.Error(err)
	}
	for _, n := range []Number{{1, 0}, {1 << 63, maxExponent + 1}, {0, 1}} {
		if err := (Evidence{Staked: [Bets]Number{2: n}}).Validate(); !errors.Is(err, ErrNumber) {
			t.Errorf("%+v: %v", n, err)
		}
	}
}
