package trace

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/rows"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/engine/tokenizer"
	"github.com/koinon/koinon/internal/tensor/block"
	"github.com/koinon/koinon/receipt"
)

// model is a small model with random weights.
type model struct {
	architecture string       // llama if empty
	kind         block.Format // of its matrices
	dim, hidden  uint64       // 64 and 96 if zero
	tied, biases bool
	more         int // tokens beside 257
	seed         uint64
}

// write writes it to a file.
func (s model) write(t testing.TB) string {
	t.Helper()
	const heads, kvHeads, layers = 4, 2, 2
	s.architecture = cmp.Or(s.architecture, "llama")
	dim, hidden := cmp.Or(s.dim, 64), cmp.Or(s.hidden, 96)
	rng := rand.New(rand.NewPCG(11, s.seed))
	w := new(gguf.Writer)
	w.Text("general.architecture", s.architecture)
	w.Text("general.name", "test")
	w.Text("general.license", "Apache-2.0")
	for _, n := range []struct {
		key   string
		value uint64
	}{
		{"context_length", 256}, {"embedding_length", dim}, {"block_count", layers}, {"feed_forward_length", hidden},
		{"attention.head_count", heads}, {"attention.head_count_kv", kvHeads}, {"rope.dimension_count", dim / heads},
	} {
		w.Uint32(s.architecture+"."+n.key, uint32(n.value))
	}
	w.Float32(s.architecture+".attention.layer_norm_rms_epsilon", 1e-5)
	w.Float32(s.architecture+".rope.freq_base", 10000)
	var tokens []string
	var types []int32
	for b := range 256 {
		tokens, types = append(tokens, tokenizer.ToAlphabet(string([]byte{byte(b)}))), append(types, 1)
	}
	for i := range s.more {
		tokens, types = append(tokens, fmt.Sprintf("<more %d>", i)), append(types, 4)
	}
	tokens, types = append(tokens, "<|endoftext|>"), append(types, 3)
	w.Text("tokenizer.ggml.model", "gpt2")
	w.Text("tokenizer.ggml.pre", "gpt-2")
	w.Texts("tokenizer.ggml.tokens", tokens)
	w.Int32s("tokenizer.ggml.token_type", types)
	w.Texts("tokenizer.ggml.merges", nil)
	w.Uint32("tokenizer.ggml.eos_token_id", uint32(len(tokens)-1))
	random := func(name string, kind block.Format, centre, spread float64, shape ...uint64) {
		values := make([]float32, gguf.Tensor{Shape: shape}.Elements())
		for i := range values {
			values[i] = float32(centre + spread*(2*rng.Float64()-1))
		}
		w.Tensor(name, kind, values, shape...)
	}
	spread := func(in uint64) float64 { return math.Sqrt(3 / float64(in)) }
	kv := dim / heads * kvHeads
	random("token_embd.weight", s.kind, 0, spread(dim), dim, uint64(len(tokens)))
	if !s.tied {
		random("output.weight", s.kind, 0, 4*spread(dim), dim, uint64(len(tokens)))
	}
	random("output_norm.weight", block.F32, 1, 0.2, dim)
	for i := range layers {
		b := fmt.Sprintf("blk.%d.", i)
		random(b+"attn_norm.weight", block.F32, 1, 0.2, dim)
		random(b+"ffn_norm.weight", block.F32, 1, 0.2, dim)
		for _, m := range []struct {
			name    string
			in, out uint64
		}{{"attn_q", dim, dim}, {"attn_k", dim, kv}, {"attn_v", dim, kv}, {"attn_output", dim, dim}, {"ffn_gate", dim, hidden}, {"ffn_up", dim, hidden}, {"ffn_down", hidden, dim}} {
			random(b+m.name+".weight", s.kind, 0, spread(m.in), m.in, m.out)
		}
		if s.biases {
			random(b+"attn_q.bias", block.F32, 0, 0.3, dim)
			random(b+"attn_k.bias", block.F32, 0, 0.3, kv)
			random(b+"attn_v.bias", block.F32, 0, 0.3, kv)
		}
		if s.architecture == "qwen3" {
			random(b+"attn_q_norm.weight", block.F32, 1, 0.3, dim/heads)
			random(b+"attn_k_norm.weight", block.F32, 1, 0.3, dim/heads)
		}
	}
	var file bytes.Buffer
	if _, err := w.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// load opens a model's file both ways.
func load(t testing.TB, path string) (*engine.Model, *rows.File) {
	t.Helper()
	m, err := engine.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rows.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return m, r
}

// answer has a model answer a prompt of so many tokens with n tokens, and returns
// the case and the leaves that the answer was committed to with.
func answer(t testing.TB, path string, prompt, n int, p sampling.Params) (*Case, []receipt.Digest) {
	t.Helper()
	m, r := load(t, path)
	c := &Case{Model: m, Rows: r, Bias: p.Bias, Threads: 2}
	rng := rand.New(rand.NewPCG(1, 2))
	for range prompt {
		c.Prompt = append(c.Prompt, int32(rng.IntN(m.Size()-1)))
	}
	request := engine.Request{Prompt: c.Prompt, MaxTokens: n, Sampling: p}
	var leaves []receipt.Digest
	for i := 0; i <= n; i++ {
		given := append(append([]int32{}, c.Output...), make([]int32, n-i)...)
		replay, err := m.Replay(context.Background(), request, given, 2)
		if err != nil {
			t.Fatal(err)
		}
		if leaves = replay.Leaves; i < n {
			c.Output = append(c.Output, replay.Drawn[i])
		}
	}
	c.Receipt = receipt.Receipt{
		Version: receipt.Version, Class: receipt.Exact, PromptTokens: uint64(prompt), CompletionTokens: uint64(n),
		PromptDigest: receipt.TokensDigest(c.Prompt), OutputDigest: receipt.TokensDigest(c.Output), Commitment: receipt.MerkleRoot(leaves),
		Seed: receipt.NameSeed(p.Seed),
		Sampling: receipt.Sampling{
			Kind: receipt.Categorical, Temperature: p.Temperature, TopP: p.TopP, TopK: uint32(p.TopK), MinP: p.MinP, TypicalP: p.TypicalP,
			RepetitionPenalty: p.RepetitionPenalty, PresencePenalty: p.PresencePenalty, FrequencyPenalty: p.FrequencyPenalty,
			PenaltyWindow: uint32(p.PenaltyWindow), MaxTokens: uint32(n),
			LogitBias: receipt.BiasDigest(func(yield func(uint32, float32) bool) {
				for _, b := range p.Bias {
					if !yield(uint32(b.Token), b.Value) {
						return
					}
				}
			}),
		},
	}
	return c, leaves
}
