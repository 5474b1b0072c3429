package engine

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/koinon/koinon/internal/tensor"
)

// sampler draws tokens. What it draws is fixed by the logits, its parameters,
// the seed and the step, bit for bit, so that anyone can draw again:
//
//  1. candidates are sorted by logit, the largest first, equals by token id;
//  2. temperature 0 takes the first. Else only the first TopK stay (0: all);
//  3. their probabilities are Softmax((logit − the largest)/temperature), and of
//     them the shortest beginning that sums to at least TopP stays;
//  4. with u = uniform(seed, step) times the sum of what stays, the first whose
//     running sum exceeds u is drawn, else the last.
type sampler struct {
	temperature, topP float32
	topK              int
	seed              uint64
	candidates        []int32
	probabilities     []float32
}

// uniform is a number in [0, 1): the first 24 bits of the SHA-256 of
// "koinon/sample/v1", a zero byte, seed and step, each in 8 bytes, big-endian.
func uniform(seed, step uint64) float32 {
	data := append([]byte("koinon/sample/v1"), 0)
	data = binary.BigEndian.AppendUint64(data, seed)
	data = binary.BigEndian.AppendUint64(data, step)
	sum := sha256.Sum256(data)
	return float32(binary.BigEndian.Uint32(sum[:])>>8) / (1 << 24)
}

// draw chooses the token of a step.
func (s *sampler) draw(logits []float32, step uint64) int32 {
	if s.temperature == 0 {
		best := 0
		for i, v := range logits {
			if v > logits[best] {
				best = i
			}
		}
		return int32(best)
	}
	s.sort(logits)
	kept := s.candidates
	if s.topK > 0 && s.topK < len(kept) {
		kept = kept[:s.topK]
	}
	p := s.probabilities[:len(kept)]
	for i, id := range kept {
		p[i] = (logits[id] - logits[kept[0]]) / s.temperature
	}
	tensor.Softmax(p)
	var sum float32
	n := 0
	for n < len(p) && (n == 0 || sum < s.topP) {
		sum += p[n]
		n++
	}
	u := uniform(s.seed, step) * sum
	var running float32
	for i := range n {
		if running += p[i]; running > u {
			return kept[i]
		}
	}
	return kept[n-1]
}

func (s *sampler) sort(logits []float32) {
	if len(s.candidates) != len(logits) {
		s.candidates, s.probabilities = make([]int32, len(logits)), make([]float32, len(logits))
	}
	for i := range s.candidates {
		s.candidates[i] = int32(i)
	}
	slices.SortFunc(s.candidates, func(a, b int32) int {
		if c := cmp.Compare(logits[b], logits[a]); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
}

// largest returns the n most likely tokens, in the sampler's order.
func largest(logits []float32, n int) []int32 {
	var s sampler
	s.sort(logits)
	return slices.Clone(s.candidates[:min(n, len(logits))])
}
