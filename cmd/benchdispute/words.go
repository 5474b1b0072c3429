package main

import (
	"math/rand/v2"
	"time"

	"github.com/koinon/koinon/internal/mechanism/bisection"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/receipt"
)

// size is a model's shape, and the numbers of positions to measure at.
type size struct {
	name                                                                 string
	dim, hidden, heads, kvHeads, headDim, layers, vocabulary, maxContext uint64
	format                                                               referee.Format
	contexts                                                             []uint64
}

// sizes are the model that ships and shapes of published models: SmolLM2 135M,
// Llama 3.1 8B and 70B.
var sizes = []size{
	{"trivium 3M Q8_0", 192, 512, 6, 2, 32, 6, 4096, 512, referee.Q8_0, []uint64{512}},
	{"135M Q8_0", 576, 1536, 9, 3, 64, 30, 49152, 8192, referee.Q8_0, []uint64{4096}},
	{"8B Q4_K", 4096, 14336, 32, 8, 128, 32, 128256, 131072, referee.Q4_K, []uint64{4096, 32768}},
	{"8B F32", 4096, 14336, 32, 8, 128, 32, 128256, 131072, referee.F32, []uint64{4096}},
	{"70B Q4_K", 8192, 28672, 64, 8, 128, 80, 128256, 131072, referee.Q4_K, []uint64{4096, 32768}},
	{"70B F16", 8192, 28672, 64, 8, 128, 80, 128256, 131072, referee.F16, []uint64{4096}},
}

// word is what one number of an operator costs.
type word struct {
	Model     string  `json:"model"`
	Positions uint64  `json:"positions"`
	Operator  string  `json:"operator"`
	Seconds   float64 `json:"seconds"`
	Bytes     int     `json:"bytes"` // of the move that proves it
}

func (s size) shape() referee.Shape {
	shape := referee.Shape{
		Dim: s.dim, Hidden: s.hidden, Heads: s.heads, KVHeads: s.kvHeads, HeadDim: s.headDim, Layers: s.layers, Vocabulary: s.vocabulary,
		Context: s.maxContext, Epsilon: 0x3727c5ac, Tied: true, Embedding: s.format, Output: s.format,
	}
	for range s.layers {
		shape.Matrices = append(shape.Matrices, referee.Matrices{Q: s.format, K: s.format, V: s.format, O: s.format, Gate: s.format, Up: s.format, Down: s.format})
	}
	return shape
}

// judge lets the referee compute the last word of each operator at the last of so
// many positions, and of the step that follows.
func (s size) judge(positions uint64, rounds int) (list []word, err error) {
	r := receipt.Receipt{
		PromptTokens: positions, CompletionTokens: 1,
		Sampling: receipt.Sampling{Kind: receipt.Categorical, Temperature: 0.8, TopP: 0.95, MinP: 0.05, RepetitionPenalty: 1.1},
	}
	t, err := referee.NewTrace(s.shape(), r, 0)
	if err != nil {
		return nil, err
	}
	known := map[referee.Operator]bool{}
	for _, segment := range []uint64{0, t.Segments() - 2, t.Segments() - 1} {
		runs := t.Runs(segment)
		for i := len(runs) - 1; i >= 0; i-- {
			run := runs[i]
			if known[run.Operator] {
				continue
			}
			known[run.Operator] = true
			chunk := t.Chunks(segment) - 1
			if i+1 < len(runs) {
				chunk = runs[i+1].First - 1
			}
			w, err := s.one(&t, referee.Place{Segment: segment, Chunk: chunk, Word: t.Words(segment, chunk) - 1}, rounds)
			if err != nil {
				return nil, err
			}
			w.Positions, w.Operator = positions, run.Operator.String()
			list = append(list, w)
		}
	}
	return list, nil
}

func (s size) one(t *referee.Trace, at referee.Place, rounds int) (word, error) {
	w := word{Model: s.name}
	claimed := make([]uint32, t.Words(at.Segment, at.Chunk))
	for range rounds {
		source := &invented{trace: t, random: rand.New(rand.NewPCG(1, 2))}
		began := time.Now()
		if _, err := t.Judge(at, claimed, source); err != nil {
			return w, err
		}
		spent := time.Since(began).Seconds() - source.spent.Seconds()
		if w.Seconds == 0 || spent < w.Seconds {
			w.Seconds = spent
		}
		n, err := bisection.ProofSize(t, at, source.read)
		if err != nil {
			return w, err
		}
		w.Bytes = n
	}
	return w, nil
}

// invented is a source of numbers of the right form.
type invented struct {
	trace  *referee.Trace
	random *rand.Rand
	read   referee.Witness
	spent  time.Duration // on inventing
}

// Chunk implements [referee.Source].
func (v *invented) Chunk(segment, index uint64) ([]uint32, error) {
	began := time.Now()
	words := make([]uint32, v.trace.Words(segment, index))
	for i := range words {
		if segment > 0 { // tokens are 0
			words[i] = 0x3c000000 + v.random.Uint32N(1<<24) // 2⁻⁷ to 2⁻⁵
		}
	}
	v.read.Chunks = append(v.read.Chunks, referee.Chunk{Segment: segment, Index: index, Words: words})
	v.spent += time.Since(began)
	return words, nil
}

// Row implements [referee.Source].
func (v *invented) Row(index uint64) ([]byte, error) {
	began := time.Now()
	data := make([]byte, v.trace.Shape.Row(index).Bytes)
	for i := range data {
		data[i] = byte(v.random.Uint32N(0x38)) // no exponent of infinity in any format
	}
	v.read.Rows = append(v.read.Rows, referee.Row{Index: index, Data: data})
	v.spent += time.Since(began)
	return data, nil
}

// Biases implements [referee.Source].
func (v *invented) Biases() ([]referee.Bias, error) { return nil, nil }
