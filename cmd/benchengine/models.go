package main

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/tokenizer"
)

// shape is a decoder of architecture llama, its embedding and output apart.
type shape struct {
	name                                            string
	vocabulary, dim, hidden, heads, kvHeads, layers int
}

// shapes are what is measured: about 5, 50 and 500 million parameters. Widths
// are whole blocks of every format.
var shapes = []shape{
	{"5M", 4096, 256, 768, 4, 2, 4},
	{"50M", 16384, 512, 1536, 8, 4, 12},
	{"500M", 32000, 1280, 3840, 20, 5, 22},
}

// formats are what each shape's matrices are stored as.
var formats = []gguf.Type{gguf.F32, gguf.Q8_0, gguf.Q4_K}

// contextLength is the longest text of the files, in tokens.
const contextLength = 1024

// parameters counts the weights.
func (s shape) parameters() int {
	width := s.dim / s.heads * s.kvHeads
	layer := 2*s.dim*s.dim + 2*s.dim*width + 3*s.dim*s.hidden + 2*s.dim
	return 2*s.vocabulary*s.dim + s.dim + s.layers*layer
}

// path is where the shape lies in a format.
func (s shape) path(dir string, kind gguf.Type) string {
	return filepath.Join(dir, fmt.Sprintf("%s-%s.gguf", s.name, kind))
}

// write writes the file, if it is not there.
func (s shape) write(path string, kind gguf.Type) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	part, err := os.CreateTemp(dir, "part-*")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name()) // fails once it has its name
	buffered := bufio.NewWriter(part)
	_, err = s.writer(kind).WriteTo(buffered)
	if err := errors.Join(err, buffered.Flush(), part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), path)
}

// writer has the file's content: random weights, of the size that keeps states
// near one.
func (s shape) writer(kind gguf.Type) *gguf.Writer {
	w := new(gguf.Writer)
	w.Text("general.architecture", "llama")
	w.Text("general.name", "random "+s.name)
	for key, n := range map[string]int{
		"context_length": contextLength, "embedding_length": s.dim, "block_count": s.layers, "feed_forward_length": s.hidden,
		"attention.head_count": s.heads, "attention.head_count_kv": s.kvHeads, "rope.dimension_count": s.dim / s.heads,
		"vocab_size": s.vocabulary,
	} {
		w.Uint32("llama."+key, uint32(n))
	}
	w.Float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
	w.Float32("llama.rope.freq_base", 10000)
	s.writeVocabulary(w)

	r := rand.New(rand.NewPCG(uint64(s.dim), 1))
	ones := make([]float32, s.dim)
	for i := range ones {
		ones[i] = 1
	}
	// One row after the other is cut from the same numbers: to draw and to
	// quantise half a thousand million would take longer than to measure them.
	matrix := func(name string, in, out int) {
		values := make([]float32, in*out)
		seed := values[:min(len(values), 64*in)]
		for i := range seed {
			seed[i] = float32(r.NormFloat64()) * 0.03
		}
		for at := len(seed); at < len(values); at += len(seed) {
			copy(values[at:], seed)
		}
		w.Tensor(name, kind, values, uint64(in), uint64(out))
	}
	norm := func(name string) { w.Tensor(name, gguf.F32, ones, uint64(s.dim)) }
	width := s.dim / s.heads * s.kvHeads
	matrix("token_embd.weight", s.dim, s.vocabulary)
	norm("output_norm.weight")
	matrix("output.weight", s.dim, s.vocabulary)
	for i := range s.layers {
		block := fmt.Sprintf("blk.%d.", i)
		norm(block + "attn_norm.weight")
		matrix(block+"attn_q.weight", s.dim, s.dim)
		matrix(block+"attn_k.weight", s.dim, width)
		matrix(block+"attn_v.weight", s.dim, width)
		matrix(block+"attn_output.weight", s.dim, s.dim)
		norm(block + "ffn_norm.weight")
		matrix(block+"ffn_gate.weight", s.dim, s.hidden)
		matrix(block+"ffn_up.weight", s.dim, s.hidden)
		matrix(block+"ffn_down.weight", s.hidden, s.dim)
	}
	return w
}

// writeVocabulary writes a vocabulary that both engines load: every byte, then
// words that no text has.
func (s shape) writeVocabulary(w *gguf.Writer) {
	tokens, types := make([]string, s.vocabulary), make([]int32, s.vocabulary)
	for i := range tokens {
		tokens[i], types[i] = fmt.Sprintf("word%d", i), int32(tokenizer.Normal)
		if i < 256 {
			tokens[i] = tokenizer.ToAlphabet(string([]byte{byte(i)}))
		}
	}
	last := s.vocabulary - 1
	tokens[256] = "th" // of the one merge, as there must be some
	tokens[last], types[last] = "<|endoftext|>", int32(tokenizer.Control)
	w.Text("tokenizer.ggml.model", "gpt2")
	w.Text("tokenizer.ggml.pre", "gpt-2")
	w.Texts("tokenizer.ggml.tokens", tokens)
	w.Int32s("tokenizer.ggml.token_type", types)
	w.Texts("tokenizer.ggml.merges", []string{"t h"})
	w.Uint32("tokenizer.ggml.bos_token_id", uint32(last))
	w.Uint32("tokenizer.ggml.eos_token_id", uint32(last))
	w.Bool("tokenizer.ggml.add_bos_token", false)
}
