package sampling

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/tensor"
)

// The known answers of Random123's philox4x32 with ten rounds.
func TestPhilox(t *testing.T) {
	for _, c := range []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{want: [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{
			[4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, [2]uint32{0xffffffff, 0xffffffff},
			[4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
		},
		{
			[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		},
	} {
		if got := tensor.Philox(c.counter, c.key); got != c.want {
			t.Errorf("philox(%x, %x) = %x, want %x", c.counter, c.key, got, c.want)
		}
	}
}

// However the word falls, the noise is finite, and grows with it.
func TestNoiseIsFinite(t *testing.T) {
	before := float32(math.Inf(-1))
	for _, word := range []uint32{0, 1, 1 << 16, 1 << 30, 1 << 31, 3 << 30, math.MaxUint32 - 1, math.MaxUint32} {
		g := gumbel(word)
		if !(g > before && g < 23) {
			t.Errorf("the noise of word %d is %g, after %g", word, g, before)
		}
		before = g
	}
}

// A draw leaves noise out only where it changes nothing, and the margin is 0 for
// the token that is drawn and the distance from it for every other.
func TestMarginAgainstAllNoise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "vocabulary")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "logits"), 1))
		p := Params{Kind: Gumbel, TopP: 1, Seed: rapid.Uint64().Draw(t, "seed"), Temperature: rapid.Float32Range(0.05, 2).Draw(t, "temperature")}
		if rapid.Bool().Draw(t, "cut") {
			p.TopK = rapid.IntRange(1, n).Draw(t, "top_k")
		}
		step := rapid.Uint64().Draw(t, "step")
		logits := make([]float32, n)
		for i := range logits {
			logits[i] = float32(rng.NormFloat64() * 4)
		}
		s, err := New(p, n, nil)
		if err != nil {
			t.Fatal(err)
		}
		ids := sorted(logits)
		if p.TopK > 0 {
			ids = ids[:p.TopK]
		}
		top, best, most := logits[ids[0]], int32(-1), float32(0)
		values := map[int32]float32{}
		for _, id := range ids {
			if (logits[id]-top)/p.Temperature < -17.5 {
				continue
			}
			v := logits[id] + float32(p.Temperature*Noise(p.Seed, step, id))
			values[id] = v
			if best < 0 || v > most || v == most && id < best {
				best, most = id, v
			}
		}
		if got := s.Draw(logits, step, nil); got != best {
			t.Fatalf("drew %d, the loudest is %d", got, best)
		}
		for id := range int32(n) {
			want := float32(math.Inf(1))
			if v, in := values[id]; in {
				want = most - v
			}
			if got := s.Margin(logits, step, nil, id); got != want {
				t.Fatalf("margin of token %d is %g, want %g", id, got, want)
			}
		}
	})
}

// At temperature 0 the margin is the distance from the largest logit, and what
// is no token or not allowed could never have been drawn.
func TestMarginWithoutNoise(t *testing.T) {
	s := sampler(t, Params{Kind: Gumbel, TopP: 1}, 70)
	logits := make([]float32, 70)
	logits[3], logits[69] = 2, 1.5
	mask := NewMask(70)
	mask.Allow(3)
	mask.Allow(69)
	for token, want := range map[int32]float32{3: 0, 69: 0.5, 4: float32(math.Inf(1)), -1: float32(math.Inf(1)), 70: float32(math.Inf(1))} {
		if got := s.Margin(logits, 0, mask, token); got != want {
			t.Errorf("margin of token %d is %g, want %g", token, got, want)
		}
	}
}

func BenchmarkGumbelDraw(b *testing.B) {
	const vocabulary = 128 << 10
	rng := rand.New(rand.NewPCG(1, 2))
	logits := make([]float32, vocabulary)
	for i := range logits {
		logits[i] = float32(rng.NormFloat64() * 2.5)
	}
	s := sampler(b, Params{Kind: Gumbel, TopP: 1, Temperature: 1}, vocabulary)
	for i := range b.N {
		s.Draw(logits, uint64(i), nil)
	}
}

const noiseFile = "../../../spec/vectors/sampling/gumbel.json"

// noiseVector is the noise of successive tokens at one step.
type noiseVector struct {
	Seed  uint64   `json:"seed"`
	Step  uint64   `json:"step"`
	First int32    `json:"first"` // token id
	Noise []string `json:"noise"` // bits of float32, in hexadecimal
}

// TestVectorsOfNoise checks the published noise, from which other engines' logits
// processors are built; -update writes it.
func TestVectorsOfNoise(t *testing.T) {
	var published struct {
		Vectors []noiseVector `json:"vectors"`
	}
	if *update {
		rng := rand.New(rand.NewPCG(5, 6))
		for i := range 24 {
			v := noiseVector{Seed: rng.Uint64(), Step: rng.Uint64N(5000), First: rng.Int32N(200_000)}
			switch i {
			case 0:
				v = noiseVector{}
			case 1:
				v = noiseVector{Seed: math.MaxUint64, Step: math.MaxUint64, First: math.MaxInt32 - 15}
			}
			v.Noise = noiseOf(v)
			published.Vectors = append(published.Vectors, v)
		}
		writeVectors(t, noiseFile, `{"seed"`, published)
	}
	data, err := os.ReadFile(noiseFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &published); err != nil || len(published.Vectors) < 20 {
		t.Fatalf("%d vectors, %v", len(published.Vectors), err)
	}
	for _, v := range published.Vectors {
		if got := noiseOf(v); !slices.Equal(got, v.Noise) {
			t.Errorf("seed %d, step %d, from token %d: %v, published %v", v.Seed, v.Step, v.First, got, v.Noise)
		}
	}
}

func noiseOf(v noiseVector) []string {
	list := make([]string, 16)
	for i := range list {
		list[i] = fmt.Sprintf("%08x", math.Float32bits(Noise(v.Seed, v.Step, v.First+int32(i))))
	}
	return list
}

// What is too quiet is so for certain, whatever the word.
func TestTooQuietIsABound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.OneOf(rapid.Uint32(), rapid.Custom(func(t *rapid.T) uint32 {
			return ^(math.MaxUint32 >> rapid.IntRange(0, 32).Draw(t, "ones"))
		})).Draw(t, "word")
		if g := gumbel(word); tooQuiet(word, g) {
			t.Fatalf("noise of %g is too quiet for itself", g)
		}
	})
}
