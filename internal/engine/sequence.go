package engine

import (
	"math"

	"github.com/koinon/koinon/internal/tensor"
)

// prefillChunk is how many tokens of a prompt are computed at once; it does not
// change a bit of the result.
const prefillChunk = 64

// sequence is one text being continued: the keys and values of its tokens so
// far, and room for computing more. It is not safe for concurrent use.
type sequence struct {
	*Model
	workers int
	length  int
	keys    [][]float32 // by layer, [tokens, kv heads, head]
	values  [][]float32

	x, normed, q, attn, proj, gate, up, act, logits []float32
	scores                                          [][]float32 // by head
}

func (m *Model) newSequence(workers int) *sequence {
	s := &sequence{
		Model: m, workers: workers,
		keys: make([][]float32, len(m.layers)), values: make([][]float32, len(m.layers)),
		logits: make([]float32, m.Size()), scores: make([][]float32, m.heads),
	}
	for _, buffer := range []*[]float32{&s.x, &s.normed, &s.q, &s.attn, &s.proj} {
		*buffer = make([]float32, prefillChunk*m.dim)
	}
	for _, buffer := range []*[]float32{&s.gate, &s.up, &s.act} {
		*buffer = make([]float32, prefillChunk*m.hidden)
	}
	return s
}

// extend appends tokens and returns the logits of what follows the last. They
// are valid until the next call.
func (s *sequence) extend(tokens []int32) []float32 {
	for len(tokens) > prefillChunk {
		s.chunk(tokens[:prefillChunk])
		tokens = tokens[prefillChunk:]
	}
	s.chunk(tokens)
	last := s.x[(len(tokens)-1)*s.dim:][:s.dim]
	tensor.RMSNorm(s.normed[:s.dim], last, s.norm, s.eps)
	tensor.MatMul(s.logits, s.normed[:s.dim], s.output, 1, s.workers)
	return s.logits
}

// chunk runs tokens through all layers; s.x then has their last states.
func (s *sequence) chunk(tokens []int32) {
	for i, token := range tokens {
		copy(s.x[i*s.dim:][:s.dim], s.embedding[int(token)*s.dim:][:s.dim])
	}
	for i := range s.layers {
		s.layer(i, len(tokens))
	}
	s.length += len(tokens)
}

func (s *sequence) layer(index, n int) {
	l := &s.layers[index]
	kv := s.kvHeads * s.headDim
	x, normed, q := s.x[:n*s.dim], s.normed[:n*s.dim], s.q[:n*s.dim]

	s.normalise(normed, x, l.attnNorm)
	tensor.MatMul(q, normed, l.q, n, s.workers)
	keys := grow(&s.keys[index], n*kv)
	tensor.MatMul(keys, normed, l.k, n, s.workers)
	tensor.MatMul(grow(&s.values[index], n*kv), normed, l.v, n, s.workers)
	for i := range n {
		s.rope.Apply(q[i*s.dim:][:s.dim], s.length+i)
		s.rope.Apply(keys[i*kv:][:kv], s.length+i)
	}
	tensor.Parallel(s.heads, s.workers, func(head int) { s.attend(index, head, n) })
	tensor.MatMul(s.proj[:n*s.dim], s.attn[:n*s.dim], l.o, n, s.workers)
	tensor.Add(x, s.proj[:n*s.dim])

	s.normalise(normed, x, l.ffnNorm)
	gate, up, act := s.gate[:n*s.hidden], s.up[:n*s.hidden], s.act[:n*s.hidden]
	tensor.MatMul(gate, normed, l.gate, n, s.workers)
	tensor.MatMul(up, normed, l.up, n, s.workers)
	tensor.SwiGLU(act, gate, up)
	tensor.MatMul(s.proj[:n*s.dim], act, l.down, n, s.workers)
	tensor.Add(x, s.proj[:n*s.dim])
}

func (s *sequence) normalise(y, x, w []float32) {
	for at := 0; at < len(x); at += s.dim {
		tensor.RMSNorm(y[at:at+s.dim], x[at:at+s.dim], w, s.eps)
	}
}

// grow lengthens a cache by n elements and returns them.
func grow(cache *[]float32, n int) []float32 {
	old := len(*cache)
	for cap(*cache) < old+n {
		*cache = append((*cache)[:cap(*cache)], 0)
	}
	*cache = (*cache)[:old+n]
	return (*cache)[old:]
}

// attend computes one head's attention for the last n tokens, each over itself
// and all before it: scores in the order of positions, then their weighted sum
// of values in the same order.
func (s *sequence) attend(index, head, n int) {
	hd, kv := s.headDim, s.kvHeads*s.headDim
	offset := head / (s.heads / s.kvHeads) * hd
	keys, values := s.keys[index], s.values[index]
	scale := 1 / tensor.Sqrt(float32(hd))
	for i := range n {
		positions := s.length + i + 1
		q := s.q[i*s.dim+head*hd:][:hd]
		if cap(s.scores[head]) < positions {
			s.scores[head] = make([]float32, positions, 2*positions+prefillChunk)
		}
		scores := s.scores[head][:positions]
		for p := range scores {
			scores[p] = dot(q, keys[p*kv+offset:][:hd]) * scale
		}
		tensor.Softmax(scores)
		out := s.attn[i*s.dim+head*hd:][:hd]
		clear(out)
		for p, weight := range scores {
			for j, v := range values[p*kv+offset:][:hd] {
				out[j] += float32(weight * v)
			}
		}
	}
}

// dot is a sum of products in ascending order.
func dot(a, b []float32) float32 {
	var sum float32
	for i, v := range a {
		sum += float32(v * b[i])
	}
	return sum
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

// bitsOf lists the logits' bits, little-endian, for their digest.
func bitsOf(dst []byte, logits []float32) []byte {
	dst = dst[:0]
	for _, v := range logits {
		b := math.Float32bits(v)
		dst = append(dst, byte(b), byte(b>>8), byte(b>>16), byte(b>>24))
	}
	return dst
}
