package engine

import (
	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/tensor"
)

// Decoder is a model's decoder laid open, for those who compute it operator by
// operator. What it points to is the model's and must not be changed.
type Decoder struct {
	Dim, Hidden, Heads, KVHeads, HeadDim int
	Context                              int // tokens
	Epsilon                              float32
	Halves                               bool // rotary pairs are halves of a head apart
	HeadNorms                            bool // queries and keys are normalised in each head
	RoPE                                 *tensor.RoPE
	Embedding, Output                    *tensor.Matrix // [vocabulary, dim]; the same if tied
	Norm                                 []float32
	Layers                               []DecoderLayer
}

// DecoderLayer is one layer; biases and norms of heads are nil where there are none.
type DecoderLayer struct {
	AttnNorm, FFNNorm, QNorm, KNorm, QBias, KBias, VBias []float32
	Q, K, V, O, Gate, Up, Down                           *tensor.Matrix
}

// Decoder lays the model open.
func (m *Model) Decoder() Decoder {
	family := families[m.Architecture]
	d := Decoder{
		Dim: m.dim, Hidden: m.hidden, Heads: m.heads, KVHeads: m.kvHeads, HeadDim: m.headDim, Context: m.ContextLength,
		Epsilon: m.eps, Halves: family.halves, HeadNorms: family.headNorms, RoPE: m.rope,
		Embedding: m.embedding, Output: m.output, Norm: m.norm, Layers: make([]DecoderLayer, len(m.layers)),
	}
	for i, l := range m.layers {
		d.Layers[i] = l.open()
	}
	return d
}

func (l *layer) open() DecoderLayer {
	return DecoderLayer{
		AttnNorm: l.attnNorm, FFNNorm: l.ffnNorm, QNorm: l.qNorm, KNorm: l.kNorm, QBias: l.qBias, KBias: l.kBias, VBias: l.vBias,
		Q: l.q, K: l.k, V: l.v, O: l.o, Gate: l.gate, Up: l.up, Down: l.down,
	}
}

// Outline is the decoder of a file without its weights: dimensions and rotation.
func Outline(f *gguf.File) (Decoder, error) {
	m := &Model{}
	if err := m.readShape(f); err != nil {
		return Decoder{}, err
	}
	return m.Decoder(), nil
}
