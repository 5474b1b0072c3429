package huggingface

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/quantize"
	"github.com/koinon/koinon/internal/engine/safetensors"
)

// tensor is one tensor of the file to be written.
type tensor struct {
	name  string
	kind  gguf.Type
	shape []uint64 // innermost dimension first
	rows  gguf.Rows
}

// wanted is a tensor of the folder and what it becomes.
type wanted struct {
	theirs, ours string
	shape        []uint64 // outermost dimension first, as the folder has it
	heads        uint64   // whose rows change places; 0 if none do
	optional     bool
}

// outputTensor gives the logits of a model whose embedding does not.
const outputTensor = "lm_head.weight"

// wanted lists the tensors of the architecture in the order of the file.
func (c *config) wanted() []wanted {
	dim, q, kv := c.HiddenSize, c.Heads*c.headDim, c.kvHeads*c.headDim
	list := []wanted{
		{theirs: "model.embed_tokens.weight", ours: "token_embd.weight", shape: []uint64{c.VocabSize, dim}},
		{theirs: "model.norm.weight", ours: "output_norm.weight", shape: []uint64{dim}},
	}
	if !c.tied {
		list = append(list, wanted{theirs: outputTensor, ours: "output.weight", shape: []uint64{c.VocabSize, dim}})
	}
	var qHeads, kHeads uint64
	if c.adjacent {
		qHeads, kHeads = c.Heads, c.kvHeads
	}
	for i := range c.Layers {
		theirs, ours := fmt.Sprintf("model.layers.%d.", i), fmt.Sprintf("blk.%d.", i)
		add := func(w wanted) {
			w.theirs, w.ours = theirs+w.theirs, ours+w.ours
			list = append(list, w)
		}
		add(wanted{theirs: "input_layernorm.weight", ours: "attn_norm.weight", shape: []uint64{dim}})
		add(wanted{theirs: "self_attn.q_proj.weight", ours: "attn_q.weight", shape: []uint64{q, dim}, heads: qHeads})
		add(wanted{theirs: "self_attn.k_proj.weight", ours: "attn_k.weight", shape: []uint64{kv, dim}, heads: kHeads})
		add(wanted{theirs: "self_attn.v_proj.weight", ours: "attn_v.weight", shape: []uint64{kv, dim}})
		add(wanted{theirs: "self_attn.q_proj.bias", ours: "attn_q.bias", shape: []uint64{q}, heads: qHeads, optional: !c.biases})
		add(wanted{theirs: "self_attn.k_proj.bias", ours: "attn_k.bias", shape: []uint64{kv}, heads: kHeads, optional: !c.biases})
		add(wanted{theirs: "self_attn.v_proj.bias", ours: "attn_v.bias", shape: []uint64{kv}, optional: !c.biases})
		if c.headNorms {
			add(wanted{theirs: "self_attn.q_norm.weight", ours: "attn_q_norm.weight", shape: []uint64{c.headDim}})
			add(wanted{theirs: "self_attn.k_norm.weight", ours: "attn_k_norm.weight", shape: []uint64{c.headDim}})
		}
		add(wanted{theirs: "self_attn.o_proj.weight", ours: "attn_output.weight", shape: []uint64{dim, q}})
		add(wanted{theirs: "post_attention_layernorm.weight", ours: "ffn_norm.weight", shape: []uint64{dim}})
		add(wanted{theirs: "mlp.gate_proj.weight", ours: "ffn_gate.weight", shape: []uint64{c.IntermediateSize, dim}})
		add(wanted{theirs: "mlp.up_proj.weight", ours: "ffn_up.weight", shape: []uint64{c.IntermediateSize, dim}})
		add(wanted{theirs: "mlp.down_proj.weight", ours: "ffn_down.weight", shape: []uint64{dim, c.IntermediateSize}})
	}
	return list
}

// derived are tensors that say nothing which the config does not: the rotary
// frequencies that older files store.
var derived = regexp.MustCompile(`^model\.(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq$`)

// tensors finds the architecture's tensors in the folder, and refuses others.
func (f *Folder) tensors() ([]tensor, error) {
	c := f.config
	if c.Layers > uint64(len(f.weights.Names())) { // before a list of that length is made
		return nil, fmt.Errorf("%w: num_hidden_layers is %d, the weights have %d tensors", ErrConfig, c.Layers, len(f.weights.Names()))
	}
	var list []tensor
	if c.scaling != nil {
		factors := c.frequencyFactors()
		list = append(list, tensor{"rope_freqs.weight", gguf.F32, []uint64{uint64(len(factors))}, func(dst []float32, _ uint64) error {
			copy(dst, factors)
			return nil
		}})
	}
	known := map[string]bool{}
	for _, w := range c.wanted() {
		t, err := f.weights.Tensor(w.theirs)
		if w.optional && errors.Is(err, safetensors.ErrNoTensor) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%w (architecture %s)", err, c.Architectures[0])
		}
		known[w.theirs] = true
		converted, err := f.convert(w, t)
		if err != nil {
			return nil, err
		}
		list = append(list, converted)
	}
	for _, name := range f.weights.Names() {
		if known[name] || derived.MatchString(name) || name == outputTensor && c.tied {
			continue
		}
		return nil, fmt.Errorf("%w: tensor %s is none of architecture %s", ErrUnsupported, name, c.Architectures[0])
	}
	return list, nil
}

func (f *Folder) convert(w wanted, t safetensors.Tensor) (tensor, error) {
	if !slices.Equal(t.Shape, w.shape) {
		return tensor{}, fmt.Errorf("%w: tensor %s has shape %v, config.json makes it %v", ErrConfig, w.theirs, t.Shape, w.shape)
	}
	stored, err := t.Format()
	if err != nil {
		return tensor{}, err
	}
	shape := slices.Clone(w.shape)
	slices.Reverse(shape)
	kind := gguf.F32
	switch {
	case f.options.Type != nil:
		kind = quantize.Type(w.ours, shape, *f.options.Type, f.config.tied)
	case len(shape) > 1:
		kind = stored
	}
	rows := func(dst []float32, first uint64) error { return t.Read(dst, first*shape[0]) }
	if w.heads > 0 {
		rows = adjacentPairs(t, w.heads)
	}
	return tensor{w.ours, kind, shape, rows}, nil
}

// adjacentPairs gives the rows of queries or keys in another order. Transformers
// turn element j of a head together with element j + half of it; llama's files
// expect the two beside each other, as elements 2j and 2j + 1. A bias is a row of
// single elements.
func adjacentPairs(t safetensors.Tensor, heads uint64) gguf.Rows {
	head, width := t.Shape[0]/heads, uint64(1)
	if len(t.Shape) > 1 {
		width = t.Shape[1]
	}
	place := func(row uint64) uint64 { // of a row in the folder
		within := row % head
		return row - within + within%2*(head/2) + within/2
	}
	return func(dst []float32, first uint64) error {
		for i := uint64(0); i < uint64(len(dst))/width; i++ {
			if err := t.Read(dst[i*width:][:width], place(first+i)*width); err != nil {
				return err
			}
		}
		return nil
	}
}

// mostCommon is the type of most elements.
func mostCommon(tensors []tensor) gguf.Type {
	var most gguf.Type
	elements := map[gguf.Type]uint64{}
	for _, t := range tensors {
		elements[t.kind] += gguf.Tensor{Shape: t.shape}.Elements()
		if elements[t.kind] > elements[most] || t.kind == most {
			most = t.kind
		}
	}
	return most
}

// describe writes the metadata of the model itself.
func (f *Folder) describe(w *gguf.Writer, kind gguf.Type) {
	c := f.config
	w.Text("general.architecture", c.family.name)
	w.Text("general.type", "model")
	w.Text("general.name", f.Name)
	if f.License != "" {
		w.Text("general.license", f.License)
	}
	if f.options.Type != nil {
		kind = *f.options.Type
	}
	quantize.Describe(w, kind)
	for _, n := range []struct {
		key   string
		value uint64
	}{
		{"vocab_size", c.VocabSize}, {"context_length", c.context}, {"embedding_length", c.HiddenSize}, {"block_count", c.Layers},
		{"feed_forward_length", c.IntermediateSize}, {"attention.head_count", c.Heads}, {"attention.head_count_kv", c.kvHeads},
		{"attention.key_length", c.headDim}, {"attention.value_length", c.headDim}, {"rope.dimension_count", c.headDim},
	} {
		w.Uint32(c.family.name+"."+n.key, uint32(n.value)) // at most 2^24
	}
	w.Float32(c.family.name+".rope.freq_base", float32(c.theta))
	w.Float32(c.family.name+".attention.layer_norm_rms_epsilon", float32(c.NormEps))
}
