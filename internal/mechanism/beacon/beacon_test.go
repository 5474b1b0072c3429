package beacon

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/receipt"
)

func anyDigest(t *rapid.T, name string) receipt.Digest {
	return receipt.Digest(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, name))
}

func TestDrawIsDeterministicAndWithoutReplacement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyDigest(t, "randomness")
		label := rapid.String().Draw(t, "label")
		weights := rapid.SliceOfN(rapid.Uint64(), 0, 40).Draw(t, "weights")
		n := rapid.IntRange(-2, 50).Draw(t, "n")
		drawn := Draw(r, label, weights, n)
		positive := 0
		for _, w := range weights {
			if w > 0 {
				positive++
			}
		}
		if want := max(0, min(n, positive)); len(drawn) != want {
			t.Fatalf("%d drawn, not %d", len(drawn), want)
		}
		seen := map[int]bool{}
		for _, i := range drawn {
			if seen[i] || weights[i] == 0 {
				t.Fatalf("%d drawn twice, or with no weight: %v of %v", i, drawn, weights)
			}
			seen[i] = true
		}
		if again := Draw(r, label, weights, n); !slices.Equal(again, drawn) {
			t.Fatalf("%v, then %v", drawn, again)
		}
		if fewer := Draw(r, label, weights, n-1); !slices.Equal(fewer, drawn[:len(fewer)]) {
			t.Fatalf("a smaller draw %v is no beginning of %v", fewer, drawn)
		}
	})
}

// The share of first draws follows the weights: within five standard
// deviations over 20,000 draws, and so does the second given the first.
func TestDrawFollowsWeights(t *testing.T) {
	weights := []uint64{1, 0, 2, 3, 10, math.MaxUint64 / 1000}
	scaled := []uint64{1, 0, 2, 3, 10, 16}
	const draws = 20_000
	counts, seconds := make([]float64, len(scaled)), make([]float64, len(scaled))
	for i := range draws {
		d := Draw(Value(receipt.Digest{}, "test", uint64(i)), "label", scaled, 2)
		counts[d[0]]++
		if d[0] == 5 {
			seconds[d[1]]++
		}
	}
	within := func(got []float64, weights []uint64, n float64) {
		t.Helper()
		var total float64
		for _, w := range weights {
			total += float64(w)
		}
		for i, w := range weights {
			p := float64(w) / total
			if off := math.Abs(got[i] - n*p); off > 5*math.Sqrt(n*p*(1-p)) {
				t.Errorf("index %d of weight %d drawn %.0f times of %.0f", i, w, got[i], n)
			}
		}
	}
	within(counts, scaled, draws)
	within(seconds, []uint64{1, 0, 2, 3, 10, 0}, counts[5])
	if d := Draw(receipt.Digest{}, "huge", weights, 1); d[0] != 5 {
		t.Errorf("index %d drawn against odds of 10^15", d[0])
	}
	// Sums beyond 64 bits.
	if d := Draw(receipt.Digest{1}, "huge", []uint64{math.MaxUint64, math.MaxUint64, math.MaxUint64}, 3); len(d) != 3 {
		t.Errorf("drawn %v", d)
	}
}

func TestLabelsSeparateDraws(t *testing.T) {
	weights := slices.Repeat([]uint64{1}, 1000)
	if slices.Equal(Draw(receipt.Digest{}, "a", weights, 5), Draw(receipt.Digest{}, "b", weights, 5)) {
		t.Error("two labels draw the same")
	}
}

func TestRoundsDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		round := func(name string) Round {
			return Round{rapid.SampledFrom([]string{"", "a", "ab"}).Draw(t, name), rapid.Int64Range(0, 3).Draw(t, name), receipt.Digest{rapid.ByteMax(1).Draw(t, name)}}
		}
		a, b := round("a"), round("b")
		if bytes.Equal(a.Input(), b.Input()) != (a == b) || (a.Join(nil) == b.Join(nil)) != (a == b) {
			t.Fatalf("%v and %v: equal rounds, and only those, are equal", a, b)
		}
		outputs := make([]Output, rapid.IntRange(1, 5).Draw(t, "outputs"))
		for i := range outputs {
			outputs[i][0] = byte(i)
		}
		whole := a.Join(outputs)
		for i := range outputs { // leaving out any one changes the value
			if a.Join(slices.Concat(outputs[:i], outputs[i+1:])) == whole {
				t.Fatal("a contribution does not count")
			}
		}
	})
}

// A validator is punished exactly when it exceeds a threshold within a window,
// and once for it.
func TestCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Params{Window: rapid.Int64Range(1, 20).Draw(t, "window")}
		p.MaxWithheld = rapid.Int64Range(0, p.Window).Draw(t, "withheld")
		p.MaxSilent = rapid.Int64Range(0, p.Window).Draw(t, "silent")
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		var s Standing
		var withheld, silent int64
		for height := range rapid.Int64Range(0, 60).Draw(t, "heights") {
			if height%p.Window == 0 {
				withheld, silent = 0, 0
			}
			c := rapid.SampledFrom([]Conduct{Contributed, Withheld, Silent}).Draw(t, "conduct")
			if c == Withheld {
				withheld++
			}
			if c == Silent {
				silent++
			}
			var punish bool
			s, punish = p.Count(s, height, c)
			if want := withheld > p.MaxWithheld || silent > p.MaxSilent; punish != want {
				t.Fatalf("at %d: punished is %t with %d withheld and %d silent of %+v", height, punish, withheld, silent, p)
			}
			if punish {
				withheld, silent = 0, 0
			}
		}
	})
}

func TestParamsOutOfRange(t *testing.T) {
	for _, p := range []Params{{}, {Window: -1}, {Window: maxWindow + 1}, {Window: 5, MaxWithheld: 6}, {Window: 5, MaxSilent: -1}} {
		if p.Validate() == nil {
			t.Errorf("%+v is taken", p)
		}
	}
}
