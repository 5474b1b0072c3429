package engine

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/engine/gguf"
)

// The vector of a text is what spec/engine.md ("Embeddings") says, computed here
// anew one token at a time; threads and chunks change no bit.
func TestEmbeddingsAreTheSameBitsHoweverComputed(t *testing.T) {
	m := load(t, shape{kind: gguf.Q8_0, kvHeads: 2, tied: true}.write(t))
	for _, n := range []int{1, prefillChunk, prefillChunk + 1, 3*prefillChunk - 1} {
		tokens := slices.Repeat(m.Prompt(reading), 3)[:n]
		for _, pooling := range []Pooling{PoolMean, PoolLast} {
			want := embedSlowly(m, tokens, pooling)
			for threads := range 3 {
				got, err := m.Embed(tokens, pooling, threads+1)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%d tokens, %s, %d threads: other bits", n, pooling, threads+1)
				}
			}
		}
	}
}

func embedSlowly(m *Model, tokens []int32, pooling Pooling) []float32 {
	s := m.newSequence(1)
	sum := make([]float64, m.EmbeddingLength())
	for _, id := range tokens {
		s.chunk([]int32{id}, []int{0}, false)
		if pooling == PoolLast {
			clear(sum)
		}
		for j, v := range s.states() {
			sum[j] += float64(v)
		}
	}
	if pooling == PoolMean {
		for j := range sum {
			sum[j] /= float64(len(tokens))
		}
	}
	squares := 0.0
	for _, v := range sum {
		squares += float64(float32(v)) * float64(float32(v))
	}
	vector := make([]float32, len(sum))
	for j, v := range sum {
		vector[j] = float32(float64(float32(v)) / math.Sqrt(squares))
	}
	return vector
}

func TestEmbeddingsRefuseWhatIsNoText(t *testing.T) {
	m := load(t, writeModel(t, gguf.F32, 4, true))
	for name, c := range map[string]struct {
		tokens  []int32
		pooling Pooling
		want    error
	}{
		"empty":    {nil, PoolMean, ErrRequest},
		"token":    {[]int32{1, 5000}, PoolMean, ErrRequest},
		"negative": {[]int32{-1}, PoolMean, ErrRequest},
		"pooling":  {[]int32{1}, 7, ErrRequest},
		"long":     {make([]int32, m.ContextLength+1), PoolLast, ErrContextLength},
	} {
		if _, err := m.Embed(c.tokens, c.pooling, 1); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := m.Embed(make([]int32, m.ContextLength), PoolMean, 2); err != nil {
		t.Errorf("a text as long as the context: %v", err)
	}
	if _, err := m.DigestLogits(make([]int32, m.ContextLength+1), 1); !errors.Is(err, ErrContextLength) {
		t.Errorf("digests of a long text: %v", err)
	}
}

// Sums do not overflow where the vector itself is sound; states that are no
// numbers have no vector.
func TestLengthOne(t *testing.T) {
	huge, err := unit([]float64{3e38, -3e38, 0, 0})
	if err != nil || huge[0] != float32(math.Sqrt(0.5)) || huge[1] != -huge[0] {
		t.Errorf("of large states: %v, %v", huge, err)
	}
	if zero, err := unit([]float64{0, 0}); err != nil || zero[0] != 0 {
		t.Errorf("of zeros: %v, %v", zero, err)
	}
	for _, v := range []float64{math.Inf(1), math.NaN()} {
		if _, err := unit([]float64{1, v}); !errors.Is(err, ErrNotFinite) {
			t.Errorf("of %g: %v", v, err)
		}
	}
}

func TestPoolingOfAFile(t *testing.T) {
	for kind, want := range map[uint32]Pooling{0: PoolMean, 1: PoolMean, 3: PoolLast} {
		m := load(t, shape{architecture: "qwen3", kind: gguf.F32, kvHeads: 2, pooling: kind}.write(t))
		if m.Pooling != want {
			t.Errorf("pooling_type %d is %s, want %s", kind, m.Pooling, want)
		}
	}
	for _, kind := range []uint32{2, 4, 1 << 31} {
		_, err := Load(shape{architecture: "qwen3", kind: gguf.F32, kvHeads: 2, pooling: kind}.write(t))
		if !errors.Is(err, ErrModel) || !strings.Contains(err.Error(), "qwen3.pooling_type") {
			t.Errorf("pooling_type %d: %v", kind, err)
		}
	}
	for _, p := range []Pooling{PoolMean, PoolLast} {
		if parsed, err := ParsePooling(p.String()); parsed != p || err != nil {
			t.Errorf("%s is read as %s, %v", p, parsed, err)
		}
	}
	if _, err := ParsePooling("cls"); !errors.Is(err, ErrRequest) {
		t.Errorf("cls: %v", err)
	}
}

// embedded is a model, texts, and what llama.cpp makes of them.
type embedded struct {
	name    string
	model   *Model
	vectors [][]float64

	Path  string    `json:"path"`
	Texts [][]int32 `json:"texts"`
}

// TestEmbeddingsAreThoseOfLlamaCpp compares directions, as it does not normalise.
func TestEmbeddingsAreThoseOfLlamaCpp(t *testing.T) {
	var all []*embedded
	for _, architecture := range []string{"llama", "qwen2", "qwen3"} {
		for name, kind := range map[string]uint32{"mean": 1, "last": 3} {
			path := shape{architecture: architecture, kind: gguf.F32, kvHeads: 2, biases: architecture == "qwen2", pooling: kind}.write(t)
			e := &embedded{name: architecture + " " + name, model: load(t, path), Path: path}
			for _, text := range []string{"x", reading, strings.Repeat(reading, 2), strings.Join(hardTexts[:12], " ")} {
				tokens := e.model.Prompt(text)
				e.Texts = append(e.Texts, tokens[:min(len(tokens), e.model.ContextLength)])
			}
			if architecture == "llama" { // llama.cpp reads no pooling there: see compare
				e.Texts = slices.DeleteFunc(e.Texts, func(text []int32) bool { return len(text) > 100 })
				for n := range e.Texts[1][1:] {
					e.Texts = append(e.Texts, e.Texts[1][:n+1])
				}
			}
			all = append(all, e)
		}
	}
	for i, vectors := range runLlamaCpp[[][]float64](t, "node", "embed.mjs", all, len(all)) {
		all[i].vectors = vectors
		t.Run(all[i].name, all[i].compare)
	}
}

// compare checks that vectors have the direction of llama.cpp's. For architecture
// llama it gives the state of the last token alone; that of each token is the
// last of a shorter text, and so their mean can be had.
func (e *embedded) compare(t *testing.T) {
	texts := e.Texts
	if e.model.Architecture == "llama" && e.model.Pooling == PoolMean {
		sum := make([]float64, e.model.EmbeddingLength())
		for _, state := range e.vectors[1:] {
			for j, v := range state {
				sum[j] += v
			}
		}
		texts, e.vectors[1] = texts[:2], sum
	}
	worst := 1.0
	for i, tokens := range texts {
		own, err := e.model.Embed(tokens, e.model.Pooling, 2)
		if err != nil {
			t.Fatal(err)
		}
		c := cosine(own, e.vectors[i])
		if !(c > 0.99999) {
			t.Errorf("%d tokens: the cosine is %.7f", len(tokens), c)
		}
		worst = min(worst, c)
	}
	t.Logf("%d texts: the cosine is 1 − %.1e at worst", len(texts), 1-worst)
}

func cosine(a []float32, b []float64) float64 {
	if len(a) != len(b) {
		return math.NaN()
	}
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), b[i]
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
}
