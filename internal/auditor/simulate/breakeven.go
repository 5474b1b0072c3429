package simulate

import (
	"math"
	"math/rand/v2"

	"github.com/koinon/koinon/internal/mechanism/deterrence"
)

// Breakeven plays a provider that cheats at a part of its jobs until it is
// convicted, many times, and returns what it gains by then on average, in
// ucredit, and the standard error of that: the stake at which cheating just
// pays, found without the formula.
func Breakeven(c deterrence.Cheat, part float64, runs int, seed uint64) (mean, deviation float64) {
	chance := rand.New(rand.NewPCG(seed, 0))
	audit, detection := fraction(c.Audit), fraction(c.Detection)
	var sum, squares float64
	for range runs {
		cheated := 0
		for found := false; !found; {
			gap := geometric(chance, audit)
			cheated += binomial(chance, gap-1, part)
			if chance.Float64() < part { // the audited job
				cheated++
				found = chance.Float64() < detection
			}
		}
		gained := float64(c.Gain) * (float64(cheated) + float64(c.Released)*part)
		sum, squares = sum+gained, squares+gained*gained
	}
	n := float64(runs)
	mean = sum / n
	return mean, math.Sqrt(max(0, squares/n-mean*mean) / n)
}

func fraction(s deterrence.Share) float64 { return float64(s) / float64(deterrence.Certain) }
