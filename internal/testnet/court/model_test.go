package court

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/rows"
	"github.com/koinon/koinon/internal/engine/tokenizer"
	"github.com/koinon/koinon/internal/proof/party"
	"github.com/koinon/koinon/internal/tensor/block"
)

// writeModel writes a small llama with random weights, the same for one seed in
// every format: two formats of one seed are a model and its quantised twin.
func writeModel(t testing.TB, path string, kind block.Format) {
	t.Helper()
	const dim, hidden, heads, kvHeads, layers = 64, 96, 4, 2, 2
	rng := rand.New(rand.NewPCG(11, 1))
	w := new(gguf.Writer)
	w.Text("general.architecture", "llama")
	w.Text("general.name", "bard")
	w.Text("general.license", "Apache-2.0")
	for _, n := range []struct {
		key   string
		value uint32
	}{
		{"context_length", 256}, {"embedding_length", dim}, {"block_count", layers}, {"feed_forward_length", hidden},
		{"attention.head_count", heads}, {"attention.head_count_kv", kvHeads}, {"rope.dimension_count", dim / heads},
	} {
		w.Uint32("llama."+n.key, n.value)
	}
	w.Float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
	w.Float32("llama.rope.freq_base", 10000)
	var tokens []string
	var types []int32
	for b := range 256 {
		tokens, types = append(tokens, tokenizer.ToAlphabet(string([]byte{byte(b)}))), append(types, 1)
	}
	tokens, types = append(tokens, "<|endoftext|>"), append(types, 3)
	w.Text("tokenizer.ggml.model", "gpt2")
	w.Text("tokenizer.ggml.pre", "gpt-2")
	w.Texts("tokenizer.ggml.tokens", tokens)
	w.Int32s("tokenizer.ggml.token_type", types)
	w.Texts("tokenizer.ggml.merges", nil)
	w.Uint32("tokenizer.ggml.eos_token_id", uint32(len(tokens)-1))
	tensor := func(name string, kind block.Format, centre, spread float64, shape ...uint64) {
		values := make([]float32, gguf.Tensor{Shape: shape}.Elements())
		for i := range values {
			values[i] = float32(centre + spread*(2*rng.Float64()-1))
		}
		w.Tensor(name, kind, values, shape...)
	}
	spread := func(in uint64) float64 { return math.Sqrt(3 / float64(in)) }
	const kv = dim / heads * kvHeads
	tensor("token_embd.weight", kind, 0, spread(dim), dim, uint64(len(tokens)))
	tensor("output.weight", kind, 0, 4*spread(dim), dim, uint64(len(tokens)))
	tensor("output_norm.weight", block.F32, 1, 0.2, dim)
	for _, b := range []string{"blk.0.", "blk.1."} {
		tensor(b+"attn_norm.weight", block.F32, 1, 0.2, dim)
		tensor(b+"ffn_norm.weight", block.F32, 1, 0.2, dim)
		for _, m := range []struct {
			name    string
			in, out uint64
		}{
			{"attn_q", dim, dim}, {"attn_k", dim, kv}, {"attn_v", dim, kv}, {"attn_output", dim, dim},
			{"ffn_gate", dim, hidden}, {"ffn_up", dim, hidden}, {"ffn_down", hidden, dim},
		} {
			tensor(b+m.name+".weight", kind, 0, spread(m.in), m.in, m.out)
		}
	}
	var file bytes.Buffer
	if _, err := w.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// models are the registered one and its quantised twin, made once.
var models struct {
	once        sync.Once
	bard, twin  party.Weights
	setUpFailed bool
}

// weights loads both. The twin proves its rows by the registered file: it has no
// others that the ledger would take.
func weights(t testing.TB) (bard, twin party.Weights) {
	t.Helper()
	models.once.Do(func() {
		models.setUpFailed = true
		home, err := os.MkdirTemp("", "koinon-court-")
		if err != nil {
			t.Fatal(err)
		}
		load := func(name string, kind block.Format) party.Weights {
			path := filepath.Join(home, name)
			writeModel(t, path, kind)
			m, err := engine.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			r, err := rows.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			return party.Weights{Model: m, Rows: r}
		}
		models.bard, models.twin = load("bard.gguf", block.F32), load("twin.gguf", block.Q8_0)
		models.twin.Rows = models.bard.Rows
		models.setUpFailed = false
	})
	if models.setUpFailed {
		t.Fatal("the models could not be made")
	}
	return models.bard, models.twin
}
