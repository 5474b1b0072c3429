package engine

import (
	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/receipt"
)

// prefillChunk is how many tokens of prompts are computed at once; it does not
// change a bit of the result.
const prefillChunk = 64

// sequence is one text being continued, alone. It is not safe for concurrent use.
type sequence struct {
	*forward
	history history
}

func (m *Model) newSequence(workers int) *sequence {
	limit := (m.ContextLength + pageTokens - 1) / pageTokens
	return &sequence{forward: m.newForward(workers), history: history{store: newPages(m, limit)}}
}

// extend appends at most ContextLength tokens in all, and returns the logits of
// what follows the last. They are valid until the next call.
func (s *sequence) extend(tokens []int32) []float32 {
	for len(tokens) > prefillChunk {
		s.chunk(tokens[:prefillChunk], nil, false)
		tokens = tokens[prefillChunk:]
	}
	s.chunk(tokens, []int{len(tokens) - 1}, false)
	return s.predict()
}

// chunk appends tokens, of which what follows some is asked for, as [forward.run] has
// it.
func (s *sequence) chunk(tokens []int32, rows []int, leaves bool) {
	if !s.history.grow(len(tokens)) {
		panic("engine: a text beyond the context")
	}
	s.run([]span{{history: &s.history, tokens: tokens}}, rows, leaves)
}

// logProbabilities returns log-probabilities of the wanted tokens.
func logProbabilities(logits []float32, want []int32) []float32 {
	top := logits[0]
	for _, v := range logits {
		if v > top {
			top = v
		}
	}
	shifted := make([]float32, len(logits))
	for i, v := range logits {
		shifted[i] = v - top
	}
	tensor.ExpAll(shifted, shifted)
	var sum float64
	for _, v := range shifted {
		sum += float64(v)
	}
	norm := tensor.Log(sum)
	result := make([]float32, len(want))
	for i, id := range want {
		result[i] = float32(float64(logits[id]-top) - norm)
	}
	return result
}

// digest is what a leaf has of logits.
func digest(logits []float32) receipt.Digest {
	var room [64]uint64 // of most vocabularies
	return receipt.Fold(tensor.Folds(room[:0], logits))
}
