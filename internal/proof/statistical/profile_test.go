package statistical

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/mechanism/eprocess"
)

// Scores are in range whatever was measured, and no single token counts for more
// than its share.
func TestScoresAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Profile{Method: rapid.SampledFrom([]Method{Margin, Likelihood}).Draw(t, "method"), Cap: rapid.Float32Range(1e-3, 20).Draw(t, "cap")}
		values := rapid.SliceOfN(rapid.OneOf(rapid.Float32Range(-50, 50), rapid.Just(float32(math.Inf(1))), rapid.Just(float32(0))), 1, 50).Draw(t, "values")
		s := p.Score(values)
		if s.Millionth > Unit || s.Tokens != len(values) {
			t.Fatalf("%+v", s)
		}
		at := rapid.IntRange(0, len(values)-1).Draw(t, "at")
		values[at] = float32(math.Inf(1))
		if more := p.Score(values).Millionth; more < s.Millionth || more > s.Millionth+Unit/uint64(len(values))+2 {
			t.Fatalf("one token took the score of %d from %d to %d", len(values), s.Millionth, more)
		}
	})
}

// noisy makes answers whose tokens differ at a rate that varies by answer.
func noisy(rng *rand.Rand, answers int, rate float64) [][]float32 {
	list := make([][]float32, answers)
	for i := range list {
		own := rate * 2 * rng.Float64()
		list[i] = make([]float32, 100)
		for k := range list[i] {
			if rng.Float64() < own {
				list[i][k] = float32(rng.ExpFloat64() * 0.01)
			}
		}
	}
	return list
}

// A profile calibrated on some honest answers bounds the mean of others, and an
// e-process with it convicts who differs ten times as often, and soon.
func TestCalibrationBoundsTheMean(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, rate := range []float64{0, 0.001, 0.01, 0.05} {
		p, err := Calibrate(Profile{Method: Margin, Most: 1}, noisy(rng, 200, rate))
		if err != nil {
			t.Fatal(err)
		}
		if mean, _ := p.moments(noisy(rng, 2000, rate)); mean*Unit > float64(p.Mean) {
			t.Errorf("at a rate of %g the mean is %g, calibrated %d millionths", rate, mean, p.Mean)
		}
		cheat := noisy(rng, 200, 10*rate+0.02)
		p, _ = p.Tune(cheat)
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		var e eprocess.Evidence
		for audits := 0; !e.Reaches(eprocess.Slash); audits++ {
			if audits == 100 {
				t.Fatalf("at a rate of %g, 100 audits of a cheat leave 2^%d", rate, e.Log2())
			}
			if e, err = eprocess.Add(e, eprocess.Profile{Mean: p.Mean, Bet: p.Bet}, p.Score(cheat[audits]).Millionth); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Honest engines that differ often by little, and a cheat that differs by much: the cap
// that tells them apart is beyond the honest percentile, and finds the cheat sooner.
// Where the cheat differs by no more than the honest, it is not.
func TestFitChoosesTheCap(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	honest, much, little := noisy(rng, 300, 0.004), noisy(rng, 200, 0.025), noisy(rng, 200, 0.025)
	for _, values := range much {
		for i := range values {
			values[i] *= 20
		}
	}
	plain, err := Calibrate(Profile{Method: Margin, Most: 1}, honest)
	if err != nil {
		t.Fatal(err)
	}
	_, before := plain.Tune(much)
	wide, err := Fit(Profile{Method: Margin, Most: 1}, much, honest)
	if err != nil {
		t.Fatal(err)
	}
	if _, after := wide.Tune(much); wide.Cap <= plain.Cap || after < 1.5*before {
		t.Errorf("a cap of %g for %g gains %g for %g", wide.Cap, plain.Cap, after, before)
	}
	narrow, err := Fit(Profile{Method: Margin, Most: 1}, little, honest)
	if err != nil {
		t.Fatal(err)
	}
	if narrow.Cap > 3*plain.Cap {
		t.Errorf("a cap of %g for %g", narrow.Cap, plain.Cap)
	}
	for _, p := range []Profile{wide, narrow} {
		if mean, _ := p.moments(noisy(rng, 2000, 0.004)); mean*Unit > float64(p.Mean) {
			t.Errorf("the mean is %g, fitted %d millionths", mean, p.Mean)
		}
	}
}

// Too little to calibrate on, or an engine that cannot be told from nonsense, is
// refused.
func TestCalibrationRefuses(t *testing.T) {
	never := make([]float32, 500)
	for i := range never {
		never[i] = float32(math.Inf(1))
	}
	impossible := make([][]float32, 20)
	for i := range impossible {
		impossible[i] = never
	}
	for name, honest := range map[string][][]float32{"nothing": nil, "little": {{0, 0}, {0}}, "nonsense": impossible} {
		if _, err := Calibrate(Profile{Method: Margin}, honest); !errors.Is(err, ErrProfile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
