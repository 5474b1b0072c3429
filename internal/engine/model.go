package engine

import (
	"fmt"
	"regexp"
	"strings"

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
	// Pooling is how the model's embeddings are meant to be made.
	Pooling Pooling

	dim, hidden, heads, kvHeads, headDim int
	eps                                  float32
	rope                                 *tensor.RoPE
	embedding                            *tensor.Matrix // [vocabulary, dim]
	norm                                 []float32
	output                               *tensor.Matrix // may be the embedding
	layers                               []layer
}

// layer is one decoder layer; biases and norms of heads only where the
// architecture has them.
type layer struct {
	attnNorm, ffnNorm, qNorm, kNorm, qBias, kBias, vBias []float32
	q, k, v, o, gate, up, down                           *tensor.Matrix
}

// family is what sets an architecture apart from the others.
type family struct {
	halves    bool // rotary pairs are halves of a head apart, not adjacent
	headNorms bool // queries and keys are normalised in each head
}

// families by GGUF's general.architecture. Mistral's and SmolLM's files say
// llama.
var families = map[string]family{
	"llama": {},
	"qwen2": {halves: true},
	"qwen3": {halves: true, headNorms: true},
}

// Load reads a model's weights from a GGUF file.
func Load(path string) (*Model, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m := &Model{}
	if m.Vocabulary, err = ReadVocabulary(f); err != nil {
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

// readFloats reads a tensor that stays in float32.
func readFloats(f *gguf.File, name string, shape ...uint64) ([]float32, error) {
	t, err := f.Tensor(name, shape...)
	if err != nil {
		return nil, err
	}
	return t.Floats()
}

// weightReader reads tensors; the first failure stays.
type weightReader struct {
	file   *gguf.File
	memory *tensor.Memory
	count  uint64 // elements read
	failed error
}

func (r *weightReader) vector(name string, n int) []float32 {
	if r.failed != nil {
		return nil
	}
	values, err := readFloats(r.file, name, uint64(n))
	r.failed = err
	r.count += uint64(len(values))
	return values
}

// optional is vector, or nil if the file has no such tensor.
func (r *weightReader) optional(name string, n int) []float32 {
	if !r.file.HasTensor(name) {
		return nil
	}
	return r.vector(name, n)
}

func (r *weightReader) matrix(name string, out, in int) *tensor.Matrix {
	if r.failed != nil {
		return nil
	}
	t, err := r.file.Tensor(name, uint64(in), uint64(out))
	if err != nil {
		r.failed = err
		return nil
	}
	r.count += t.Elements()
	m, err := r.memory.NewMatrix(t.Type, t.Data(), out, in)
	if err != nil {
		r.failed = fmt.Errorf("tensor %s: %w", name, err)
	}
	t.Forget()
	return m
}

func (m *Model) readWeights(f *gguf.File) error {
	r := &weightReader{file: f, memory: new(tensor.Memory)}
	room := 0
	for _, t := range f.Tensors() {
		if len(t.Shape) == 2 {
			room += tensor.MatrixBytes(t.Type, int(t.Shape[1]), int(t.Shape[0]))
		}
	}
	r.memory.Reserve(room)
	m.embedding = r.matrix("token_embd.weight", m.Size(), m.dim)
	m.norm = r.vector("output_norm.weight", m.dim)
	m.output = m.embedding
	if f.HasTensor("output.weight") {
		m.output = r.matrix("output.weight", m.Size(), m.dim)
	}
	q, kv := m.heads*m.headDim, m.kvHeads*m.headDim
	for i := range m.layers {
		block := fmt.Sprintf("blk.%d.", i)
		l := layer{
			attnNorm: r.vector(block+"attn_norm.weight", m.dim), ffnNorm: r.vector(block+"ffn_norm.weight", m.dim),
			q: r.matrix(block+"attn_q.weight", q, m.dim), k: r.matrix(block+"attn_k.weight", kv, m.dim),
			v: r.matrix(block+"attn_v.weight", kv, m.dim), o: r.matrix(block+"attn_output.weight", m.dim, q),
			gate: r.matrix(block+"ffn_gate.weight", m.hidden, m.dim), up: r.matrix(block+"ffn_up.weight", m.hidden, m.dim),
			down:  r.matrix(block+"ffn_down.weight", m.dim, m.hidden),
			qBias: r.optional(block+"attn_q.bias", q), kBias: r.optional(block+"attn_k.bias", kv), vBias: r.optional(block+"attn_v.bias", kv),
		}
		if families[m.Architecture].headNorms {
			l.qNorm, l.kNorm = r.vector(block+"attn_q_norm.weight", m.headDim), r.vector(block+"attn_k_norm.weight", m.headDim)
		}
		if r.failed == nil && ((l.qBias == nil) != (l.kBias == nil) || (l.qBias == nil) != (l.vBias == nil)) {
			r.failed = fmt.Errorf("%w: %sattn_q.bias, attn_k.bias and attn_v.bias belong together; the file has only some of them", ErrModel, block)
		}
		m.layers[i] = l
	}
	if r.failed != nil {
		return r.failed
	}
	m.Parameters = r.count
	m.Quantization = m.layers[0].q.Format().String()
	return m.refuseUnknown(f)
}

// refuseUnknown refuses a file with tensors that were not read: a model that
// leaves out part of its weights would answer, and answer wrongly.
func (m *Model) refuseUnknown(f *gguf.File) error {
	known := regexp.MustCompile(`^(token_embd|output|output_norm|rope_freqs|blk\.\d+\.(attn_(norm|q|k|v|output|q_norm|k_norm)|ffn_(norm|gate|up|down)))\.(weight|bias)$`)
	for _, t := range f.Tensors() {
		if bias := strings.HasSuffix(t.Name, ".bias"); !known.MatchString(t.Name) ||
			bias && !strings.HasSuffix(t.Name, "attn_q.bias") && !strings.HasSuffix(t.Name, "attn_k.bias") && !strings.HasSuffix(t.Name, "attn_v.bias") {
			return fmt.Errorf("%w: tensor %s is none of architecture %s", ErrModel, t.Name, m.Architecture)
		}
	}
	return nil
}
