package engine

import (
	"errors"
	"fmt"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/tensor"
)

// Model is a model's weights in memory. It does not change and may be shared.
type Model struct {
	*Vocabulary
	// Architecture is as GGUF names it; Quantization the type of its matrices.
	Architecture, Quantization string
	// Name and License are as the file has them.
	Name, License string
	// Parameters counts the weights.
	Parameters uint64
	// ContextLength is the longest prompt and answer together, in tokens.
	ContextLength int

	dim, hidden, heads, kvHeads, headDim int
	eps                                  float32
	rope                                 *tensor.RoPE
	embedding                            []float32 // [vocabulary, dim]
	norm                                 []float32
	output                               *tensor.Panels
	layers                               []layer
}

type layer struct {
	attnNorm, ffnNorm          []float32
	q, k, v, o, gate, up, down *tensor.Panels
}

// Bounds of shapes, so that a hostile file cannot ask for absurd memory.
const (
	maxContext = 1 << 18
	maxLayers  = 1 << 10
	maxHead    = 256
)

// Load reads a model's weights from a GGUF file.
func Load(path string) (*Model, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m := &Model{}
	if m.Vocabulary, err = readVocabulary(f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := m.readShape(f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := m.readWeights(f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func (m *Model) readShape(f *gguf.File) error {
	var err error
	if m.Architecture, err = f.Text("general.architecture"); err != nil {
		return err
	}
	if m.Architecture != "llama" {
		return fmt.Errorf("%w: architecture %q; llama is supported", ErrModel, m.Architecture)
	}
	number := func(key string, fallback uint64) int {
		n, failed := f.Uint(m.Architecture + "." + key)
		if errors.Is(failed, gguf.ErrMissing) && fallback > 0 {
			return int(fallback)
		}
		if failed == nil && (n == 0 || n > 1<<24) {
			failed = fmt.Errorf("%w: %s.%s is %d", ErrModel, m.Architecture, key, n)
		}
		err = errors.Join(err, failed)
		return int(n)
	}
	m.dim, m.hidden = number("embedding_length", 0), number("feed_forward_length", 0)
	m.heads, m.ContextLength = number("attention.head_count", 0), number("context_length", 0)
	m.layers = make([]layer, min(maxLayers+1, number("block_count", 0)))
	if err != nil {
		return err
	}
	m.kvHeads = number("attention.head_count_kv", uint64(m.heads))
	m.headDim = m.dim / m.heads
	eps, failed := f.Float(m.Architecture + ".attention.layer_norm_rms_epsilon")
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	m.eps = float32(eps)
	switch rotated := number("rope.dimension_count", uint64(m.headDim)); {
	case m.dim%m.heads != 0 || m.heads%m.kvHeads != 0 || m.headDim%2 != 0:
		return fmt.Errorf("%w: %d heads, %d for keys and values, in width %d", ErrModel, m.heads, m.kvHeads, m.dim)
	case rotated != m.headDim:
		return fmt.Errorf("%w: rotary embedding of %d of %d elements", ErrModel, rotated, m.headDim)
	case m.headDim > maxHead:
		return fmt.Errorf("%w: heads of %d elements, at most %d are supported", ErrModel, m.headDim, maxHead)
	case m.ContextLength > maxContext || len(m.layers) > maxLayers:
		return fmt.Errorf("%w: context of %d tokens, %d layers", ErrModel, m.ContextLength, len(m.layers))
	}
	for _, key := range []string{"rope.scaling.type", "rope.scaling.factor"} {
		if f.Has(m.Architecture + "." + key) {
			return fmt.Errorf("%w: %s.%s", ErrModel, m.Architecture, key)
		}
	}
	base := 10000.0
	if key := m.Architecture + ".rope.freq_base"; f.Has(key) {
		if base, err = f.Float(key); err != nil || !(base > 1) {
			return errors.Join(err, fmt.Errorf("%w: %s is %g", ErrModel, key, base))
		}
	}
	m.rope = tensor.NewRoPE(m.headDim, m.ContextLength, base)
	m.Name, _ = f.Text("general.name") // may be absent
	m.License, _ = f.Text("general.license")
	return nil
}

func (m *Model) readWeights(f *gguf.File) error {
	var failed error
	floats := func(name string, shape ...uint64) []float32 {
		if failed != nil {
			return nil
		}
		t, err := f.Tensor(name, shape...)
		if err != nil {
			failed = err
			return nil
		}
		m.Parameters += t.Elements()
		var values []float32
		values, failed = t.Floats()
		return values
	}
	matrix := func(name string, out, in int) *tensor.Panels {
		w := floats(name, uint64(in), uint64(out))
		if failed != nil {
			return nil
		}
		return tensor.Pack(w, out, in)
	}
	m.embedding = floats("token_embd.weight", uint64(m.dim), uint64(m.Size()))
	m.norm = floats("output_norm.weight", uint64(m.dim))
	if f.HasTensor("output.weight") {
		m.output = matrix("output.weight", m.Size(), m.dim)
	} else if failed == nil {
		m.output = tensor.Pack(m.embedding, m.Size(), m.dim)
	}
	kv := m.kvHeads * m.headDim
	for i := range m.layers {
		block := fmt.Sprintf("blk.%d.", i)
		m.layers[i] = layer{
			attnNorm: floats(block+"attn_norm.weight", uint64(m.dim)), ffnNorm: floats(block+"ffn_norm.weight", uint64(m.dim)),
			q: matrix(block+"attn_q.weight", m.dim, m.dim), k: matrix(block+"attn_k.weight", kv, m.dim),
			v: matrix(block+"attn_v.weight", kv, m.dim), o: matrix(block+"attn_output.weight", m.dim, m.dim),
			gate: matrix(block+"ffn_gate.weight", m.hidden, m.dim), up: matrix(block+"ffn_up.weight", m.hidden, m.dim),
			down: matrix(block+"ffn_down.weight", m.dim, m.hidden),
		}
	}
	if failed != nil {
		return failed
	}
	t, err := f.Tensor("blk.0.attn_q.weight")
	m.Quantization = t.Type.String()
	return err
}
