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
		last := receipt.Digest{7}
		if bytes.Equal(a.Input(), b.Input()) != (a == b) || (a.Join(last, nil) == b.Join(last, nil)) != (a == b) {
			t.Fatalf("%v and %v: equal rounds, and only those, are equal", a, b)
		}
		one := []Contribution{{1, Output{1}}}
		if a.Join(last, one) == a.Join(last, nil) || a.Join(last, one) == a.Join(receipt.Digest{8}, one) {
			t.Fatal("a contribution, or the last randomness, does not count")
		}
	})
}

// The bound of spec/beacon.md, 4: over all subsets of more than two thirds of
// the power, there are at most 1 + f values, f being how many validators can be
// left out at once.
func TestFewValuesCanBeReached(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := make([]Contribution, rapid.IntRange(1, 9).Draw(t, "validators"))
		var total uint64
		for i := range all {
			all[i].Power = rapid.Uint64Range(1, 10).Draw(t, "power")
			copy(all[i].Output[:], rapid.SliceOfN(rapid.Byte(), OutputSize, OutputSize).Draw(t, "output"))
			total += all[i].Power
		}
		values := map[receipt.Digest]bool{}
		f := 0
		for subset := range 1 << len(all) {
			var part []Contribution
			var power uint64
			for i, c := range all {
				if subset>>i&1 == 1 {
					part = append(part, c)
					power += c.Power
				}
			}
			if 3*power <= 2*total {
				continue
			}
			f = max(f, len(all)-len(part))
			value := Round{Chain: "c"}.Join(receipt.Digest{}, part)
			values[value] = true
			slices.Reverse(part)
			if again := (Round{Chain: "c"}).Join(receipt.Digest{}, part); again != value && distinct(all) {
				t.Fatal("the order of validators counts")
			}
		}
		if len(values) > 1+f {
			t.Fatalf("%d values from %d validators, of which %d can be left out", len(values), len(all), f)
		}
	})
}

// distinct says whether no two contributions are equally little.
func distinct(all []Contribution) bool {
	for i := range all {
		for j := range all[:i] {
			if !all[i].before(&all[j]) && !all[j].before(&all[i]) {
				return false
			}
		}
	}
	return true
}

// Who counts follows power, within five standard deviations and the 2 % that
// taking quotients for exponentials costs.
func TestWhoCountsFollowsPower(t *testing.T) {
	const rounds = 30_000
	powers := slices.Repeat([]uint64{1, 2, 3}, 10)
	wins := make([]float64, 4)
	for n := range rounds {
		contributions := make([]Contribution, len(powers))
		for i, p := range powers {
			d := Value(receipt.Digest{}, "power", uint64(n*len(powers)+i))
			contributions[i].Power = p
			copy(contributions[i].Output[:], d[:])
		}
		wins[leastOf(contributions).Power]++
	}
	for p := 1; p <= 3; p++ {
		want := rounds * float64(p) / 6
		if off := math.Abs(wins[p] - want); off > 5*math.Sqrt(want)+0.02*want {
			t.Errorf("those of power %d counted in %.0f rounds of %.0f", p, wins[p], want)
		}
	}
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
