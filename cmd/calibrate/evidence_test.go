package main

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/koinon/koinon/internal/measure"
	"github.com/koinon/koinon/internal/proof/statistical"
)

var profile = statistical.Profile{Method: statistical.Margin, Most: 1, Cap: 0.001, Mean: 1000, Bet: 300 * statistical.Unit}

// differing makes answers of 100 tokens that are not the agreed draw at a rate.
func differing(rate float64, seed uint64) [][]float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	list := make([][]float32, 60)
	for i := range list {
		list[i] = make([]float32, 100)
		for k := range list[i] {
			if rng.Float64() < rate {
				list[i][k] = 1
			}
		}
	}
	return list
}

func TestAUC(t *testing.T) {
	for _, c := range []struct {
		honest, cheat []float64
		want          float64
	}{
		{[]float64{0, 0}, []float64{1, 2}, 1}, {[]float64{1, 2}, []float64{0, 0}, 0},
		{[]float64{0, 0}, []float64{0}, 0.5}, {[]float64{3, 1}, []float64{2}, 0.5},
	} {
		if got := auc(c.honest, c.cheat); got != c.want {
			t.Errorf("auc(%v, %v) = %g, want %g", c.honest, c.cheat, got, c.want)
		}
	}
}

// A cheat that differs more is caught sooner, one that differs no more than the
// honest is not caught, and of the honest nobody is.
func TestPower(t *testing.T) {
	honest := differing(0.0003, 1)
	before := math.MaxInt
	for _, rate := range []float64{0.01, 0.05, 0.5} {
		w := powerOf(profile, honest, differing(rate, 2))
		if w.SlashTokens <= 0 || w.SlashTokens >= before || w.Threshold <= 0 || w.WithholdAudits > w.SlashAudits {
			t.Errorf("at a rate of %g: %+v, before %d tokens", rate, w, before)
		}
		before = w.SlashTokens
	}
	w := powerOf(profile, honest, differing(0.0003, 3))
	if w.SlashAudits != -1 || w.Threshold != -1 || math.Abs(w.AUC[1024]-0.5) > 0.2 {
		t.Errorf("who differs as the honest do: %+v", w)
	}
	if r := riskOf(profile, honest, 20, 2000); r.Withheld != 0 || r.Slashed != 0 {
		t.Errorf("%+v", r)
	}
}

// The bound is that of a coin: what it accuses is rarer than allowed.
func TestDivergence(t *testing.T) {
	if d := divergence(0.5, 0.5); d != 0 {
		t.Errorf("divergence(½, ½) = %g", d)
	}
	if d := divergence(1, 0.25); math.Abs(d-math.Log(4)) > 1e-12 {
		t.Errorf("divergence(1, ¼) = %g", d)
	}
}

// Series share neither a seed nor, but by chance, a prompt; one gives the same
// again.
func TestOrders(t *testing.T) {
	works := [][]int32{make([]int32, 5000), make([]int32, 3000)}
	for _, w := range works {
		for i := range w {
			w[i] = int32(i)
		}
	}
	a, again, b := orders(works, 50, 40, calibrating), orders(works, 50, 40, calibrating), orders(works, 50, 40, judging)
	seeds := map[uint64]bool{}
	for i := range a {
		if a[i].seed != again[i].seed || a[i].prompt[0] != again[i].prompt[0] || len(a[i].prompt) != 40 {
			t.Fatalf("order %d is not the same again", i)
		}
		seeds[a[i].seed] = true
	}
	for _, o := range b {
		if seeds[o.seed] {
			t.Errorf("seed %d judges and calibrates", o.seed)
		}
	}
}

func TestCommandLines(t *testing.T) {
	good := options{texts: []string{"x"}, promptTokens: 48, answerTokens: 128, honest: 10, answers: 2, lifetimes: 1, threads: 1}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*options){
		"no text": func(o *options) { o.texts = nil }, "too long": func(o *options) { o.answerTokens = 200 },
		"too few": func(o *options) { o.honest = 1 }, "no threads": func(o *options) { o.threads = 0 },
	} {
		o := good
		change(&o)
		if err := o.check(); !errors.Is(err, measure.ErrUsage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
