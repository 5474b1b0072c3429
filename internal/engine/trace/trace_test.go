package trace

import (
	"testing"

	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/internal/tensor/block"
)

// cached keeps every chunk that was read: a trace keeps one segment's alone.
type cached struct {
	*Trace
	chunks map[[2]uint64][]uint32
}

func (c cached) Chunk(segment, index uint64) (words []uint32, err error) {
	if words = c.chunks[[2]uint64{segment, index}]; words == nil {
		words, err = c.Trace.Chunk(segment, index)
		c.chunks[[2]uint64{segment, index}] = words
	}
	return words, err
}

// checkWords lets the referee compute the words of some segments, and compares bit
// by bit.
func checkWords(t *testing.T, tr *Trace, segments ...uint64) {
	t.Helper()
	source := cached{tr, map[[2]uint64][]uint32{}}
	for _, segment := range segments {
		for chunk := range tr.Chunks(segment) {
			words, err := tr.Chunk(segment, chunk)
			if err != nil {
				t.Fatal(err)
			}
			if uint64(len(words)) != tr.Words(segment, chunk) {
				t.Fatalf("%s: chunk %d has %d words, the referee expects %d", tr.Describe(segment, chunk), chunk, len(words), tr.Words(segment, chunk))
			}
			claimed := append([]uint32{}, words...)
			for word := range uint64(len(claimed)) {
				at := referee.Place{Segment: segment, Chunk: chunk, Word: word}
				right, err := tr.Judge(at, claimed, source)
				if err != nil {
					t.Fatal(err)
				}
				if !right {
					got, _ := tr.Compute(at, source)
					t.Fatalf("%s, word %d of chunk %d: the engine gives %08x, the referee %08x", tr.Describe(segment, chunk), word, chunk, claimed[word], got)
				}
			}
			claimed[chunk%uint64(len(claimed))] ^= 1
			if right, err := tr.Judge(referee.Place{Segment: segment, Chunk: chunk, Word: chunk % uint64(len(claimed))}, claimed, source); err != nil || right {
				t.Fatalf("%s: a wrong bit is right: %v", tr.Describe(segment, chunk), err)
			}
		}
	}
}

var hot = sampling.Params{Temperature: 0.8, TopP: 0.9, TopK: 40, MinP: 0.01, Seed: 7}

// Every word of a trace, in every format and architecture, is what the referee
// computes in integers (spec/engine.md), and its leaf is the engine's.
func TestEveryWordIsTheReferees(t *testing.T) {
	models := map[string]model{
		"F32": {kind: block.F32}, "F16": {kind: block.F16, tied: true}, "BF16": {kind: block.BF16},
		"Q8_0": {kind: block.Q8_0, biases: true, architecture: "qwen2"}, "Q4_0": {kind: block.Q4_0, architecture: "qwen3", tied: true},
	}
	for _, kind := range []block.Format{block.Q4_K, block.Q5_K, block.Q6_K, block.TQ1_0, block.TQ2_0} {
		models[kind.String()] = model{kind: kind, dim: 256, hidden: 256}
	}
	for name, m := range models {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, leaves := answer(t, m.write(t), 50, 3, hot)
			tr, err := New(c, 2)
			if err != nil {
				t.Fatal(err)
			}
			if tr.Leaf() != leaves[2] {
				t.Fatal("the trace's leaf is not the engine's")
			}
			checkWords(t, tr, 0, 1, 2, tr.Segments()-2, tr.Segments()-1)
		})
	}
}

// What typical_p keeps is the referee's too, however much that is.
func TestTypicalDrawsAreTheReferees(t *testing.T) {
	path := model{kind: block.F32, dim: 16, hidden: 24}.write(t)
	for _, typical := range []float32{0.01, 0.3, 0.8, 0.999} {
		for seed := range uint64(3) {
			p := sampling.Params{Temperature: 0.5 + float32(seed), TopP: 1, TypicalP: typical, Seed: seed}
			if seed > 0 {
				p.Temperature, p.TopP, p.MinP, p.TopK = 1.9, 0.9, 0.02, int(100*seed)
			}
			c, leaves := answer(t, path, 20, 2, p)
			tr, err := New(c, 1)
			if err != nil {
				t.Fatal(err)
			}
			if tr.Leaf() != leaves[1] {
				t.Fatalf("%+v: the trace draws another token than the engine", p)
			}
			checkWords(t, tr, tr.Segments()-1)
		}
	}
}

// Logits of more than one span have a fold each.
func TestLogitsOfSeveralSpans(t *testing.T) {
	c, leaves := answer(t, model{kind: block.F32, dim: 16, hidden: 24, more: 2*tensor.FoldSpan - 100}.write(t), 5, 2, sampling.Params{TopP: 1})
	tr, err := New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	if tr.Leaf() != leaves[1] {
		t.Fatal("the trace's leaf is not the engine's")
	}
	checkWords(t, tr, tr.Segments()-1)
}
