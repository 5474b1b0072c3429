package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/engine/tokenizer"
	"github.com/koinon/koinon/internal/tensor/block"
	"github.com/koinon/koinon/receipt"
)

const testTemplate = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"

// shape is a small model with random weights.
type shape struct {
	architecture string    // llama if empty
	kind         gguf.Type // of its matrices
	kvHeads      int
	tied, biases bool
	dim, hidden  int    // 64 and 96 if zero
	pooling      uint32 // of the file, if not 0
}

// writeModel writes a small model of architecture llama, its matrices of a type.
func writeModel(t testing.TB, kind gguf.Type, kvHeads int, tied bool) string {
	t.Helper()
	return shape{kind: kind, kvHeads: kvHeads, tied: tied}.write(t)
}

func (s shape) write(t testing.TB) string {
	t.Helper()
	const heads, layers, context = 4, 2, 256
	s.architecture = cmp.Or(s.architecture, "llama")
	dim, hidden := uint64(cmp.Or(s.dim, 64)), uint64(cmp.Or(s.hidden, 96))
	rng := rand.New(rand.NewPCG(7, uint64(s.kvHeads)))
	w := new(gguf.Writer)
	w.Text("general.architecture", s.architecture)
	w.Text("general.name", "test")
	for key, n := range map[string]uint32{
		"context_length": context, "embedding_length": uint32(dim), "block_count": layers, "feed_forward_length": uint32(hidden),
		"attention.head_count": heads, "attention.head_count_kv": uint32(s.kvHeads), "rope.dimension_count": uint32(dim) / heads,
	} {
		w.Uint32(s.architecture+"."+key, n)
	}
	w.Float32(s.architecture+".attention.layer_norm_rms_epsilon", 1e-5)
	w.Float32(s.architecture+".rope.freq_base", 10000)
	if s.pooling != 0 {
		w.Uint32(s.architecture+".pooling_type", s.pooling)
	}
	var tokens, merges []string
	var types []int32
	for b := range 256 {
		tokens, types = append(tokens, tokenizer.ToAlphabet(string([]byte{byte(b)}))), append(types, 1)
	}
	for _, m := range [][2]string{{"t", "h"}, {"th", "e"}, {" ", "a"}, {" ", "the"}, {"i", "n"}, {"in", "g"}, {" ", " "}, {"0", "1"}, {"\n", "\n"}} {
		l, r := tokenizer.ToAlphabet(m[0]), tokenizer.ToAlphabet(m[1])
		tokens, types, merges = append(tokens, l+r), append(types, 1), append(merges, l+" "+r)
	}
	tokens, types = append(tokens, "<|endoftext|>"), append(types, 3)
	w.Text("tokenizer.ggml.model", "gpt2")
	w.Text("tokenizer.ggml.pre", "gpt-2")
	w.Texts("tokenizer.ggml.tokens", tokens)
	w.Int32s("tokenizer.ggml.token_type", types)
	w.Texts("tokenizer.ggml.merges", merges)
	w.Uint32("tokenizer.ggml.bos_token_id", uint32(len(tokens)-1))
	w.Uint32("tokenizer.ggml.eos_token_id", uint32(len(tokens)-1))
	w.Bool("tokenizer.ggml.add_bos_token", false)
	w.Text("tokenizer.chat_template", testTemplate)
	random := func(name string, kind gguf.Type, centre, spread float32, shape ...uint64) {
		n := uint64(1)
		for _, d := range shape {
			n *= d
		}
		values := make([]float32, n)
		for i := range values {
			values[i] = centre + spread*(2*rng.Float32()-1)
		}
		w.Tensor(name, kind, values, shape...)
	}
	// As in trained models, what a layer adds is small beside what it is added to,
	// and logits are a few units apart. Else every rounding of an input to int8
	// that falls the other way grows into another answer: changing embeddings by
	// 2e-7 of themselves then moves log-probabilities by 2e-2.
	spread := func(in uint64) float32 { return float32(math.Sqrt(3 / float64(in))) }
	kind, kv := s.kind, dim/heads*uint64(s.kvHeads)
	if kind == gguf.TQ1_0 || kind == gguf.TQ2_0 { // as the files of such models are
		random("token_embd.weight", gguf.F16, 0, spread(dim), dim, uint64(len(tokens)))
		random("output.weight", gguf.Q6_K, 0, spread(dim), dim, uint64(len(tokens)))
	} else {
		random("token_embd.weight", kind, 0, spread(dim), dim, uint64(len(tokens)))
		if !s.tied {
			random("output.weight", kind, 0, spread(dim), dim, uint64(len(tokens)))
		}
	}
	random("output_norm.weight", gguf.F32, 1, 0.2, dim)
	for i := range layers {
		b := fmt.Sprintf("blk.%d.", i)
		random(b+"attn_norm.weight", gguf.F32, 1, 0.2, dim)
		random(b+"ffn_norm.weight", gguf.F32, 1, 0.2, dim)
		random(b+"attn_q.weight", kind, 0, spread(dim), dim, dim)
		random(b+"attn_k.weight", kind, 0, spread(dim), dim, kv)
		random(b+"attn_v.weight", kind, 0, spread(dim), dim, kv)
		random(b+"attn_output.weight", kind, 0, spread(dim)/4, dim, dim)
		random(b+"ffn_gate.weight", kind, 0, spread(dim), dim, hidden)
		random(b+"ffn_up.weight", kind, 0, spread(dim), dim, hidden)
		random(b+"ffn_down.weight", kind, 0, spread(hidden)/4, hidden, dim)
		if s.biases {
			random(b+"attn_q.bias", gguf.F32, 0, 0.3, dim)
			random(b+"attn_k.bias", gguf.F32, 0, 0.3, kv)
			random(b+"attn_v.bias", gguf.F32, 0, 0.3, kv)
		}
		if s.architecture == "qwen3" {
			random(b+"attn_q_norm.weight", gguf.F32, 1, 0.3, dim/heads)
			random(b+"attn_k_norm.weight", gguf.F32, 1, 0.3, dim/heads)
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

func load(t testing.TB, path string) *Model {
	t.Helper()
	m, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// shapes are models of every architecture and every format.
func shapes() map[string]shape {
	all := map[string]shape{
		"llama, tied, F16":       {kind: gguf.F16, kvHeads: 2, tied: true},
		"llama with biases, F32": {kind: gguf.F32, kvHeads: 4, biases: true},
		"qwen2, F32":             {architecture: "qwen2", kind: gguf.F32, kvHeads: 2, tied: true, biases: true},
		"qwen3, F32":             {architecture: "qwen3", kind: gguf.F32, kvHeads: 1},
		"qwen3, Q8_0":            {architecture: "qwen3", kind: gguf.Q8_0, kvHeads: 2},
	}
	for _, kind := range block.Formats() {
		all[kind.String()] = shape{kind: kind, kvHeads: 2, dim: 256, hidden: 512}
	}
	return all
}

const reading = "In the beginning was the thing, and the thing was singing: 0101 and so on, and on, and on and on until the end of the reading of it."

// The bits of every logit do not depend on threads, nor on how the prompt is cut.
func TestLogitsAreTheSameBitsHoweverComputed(t *testing.T) {
	for name, shape := range shapes() {
		t.Run(name, func(t *testing.T) {
			m := load(t, shape.write(t))
			prompt := m.Prompt(reading)
			want := digest(m.newSequence(1).extend(prompt))
			for _, workers := range []int{1, 3} {
				for _, cut := range []int{1, 7, len(prompt)} {
					s := m.newSequence(workers)
					var logits []float32
					for part := range slices.Chunk(prompt, cut) {
						logits = s.extend(part)
					}
					if got := digest(logits); got != want {
						t.Errorf("%d threads, %d tokens at a time: other bits", workers, cut)
					}
				}
			}
		})
	}
}

// Nor do they depend on what else is in the batch, or on whether the beginning
// of a prompt was computed for somebody else.
func TestAnswersAreTheSameBitsInAnyCompany(t *testing.T) {
	m := load(t, writeModel(t, gguf.Q8_0, 2, true))
	ask := func(i int) Request {
		prompt := m.Prompt(reading)
		return Request{Prompt: prompt[:20+10*i], MaxTokens: 30, Sampling: sampling.Params{Temperature: 1, TopP: 1, Seed: uint64(i)}}
	}
	var alone [8][]Token
	for i := range alone {
		alone[i], _ = generated(t, New(m, Options{Threads: 1}), ask(i))
	}
	e := New(m, Options{Slots: 5, Queue: 8, Threads: 2})
	for round := range 2 { // the second finds the prompts of the first
		var all sync.WaitGroup
		for i := range alone {
			all.Go(func() {
				tokens, _ := generated(t, e, ask(i))
				if !slices.EqualFunc(tokens, alone[i], func(a, b Token) bool { return a.Leaf == b.Leaf }) {
					t.Errorf("round %d, answer %d: in company other bits than alone", round, i)
				}
			})
		}
		all.Wait()
	}
	if len(e.pages.index) == 0 {
		t.Error("no prompt was kept")
	}
}

// Pages come back: after answers that end, break off or never begin, all are free.
func TestPagesComeBack(t *testing.T) {
	m := load(t, writeModel(t, gguf.F32, 4, true))
	e := New(m, Options{Slots: 2, Queue: 20, Threads: 1})
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			n := 0
			_, _ = e.Generate(ctx, Request{Prompt: m.Prompt(reading[i:]), MaxTokens: 100, Sampling: sampling.Params{TopP: 1}}, func(Token) error {
				if n++; n == 5*i {
					cancel()
				}
				return ctx.Err()
			})
		})
	}
	all.Wait()
	for { // the loop ends by itself
		e.mu.Lock()
		looping := e.looping
		e.mu.Unlock()
		if !looping {
			break
		}
		runtime.Gosched()
	}
	if idle := e.pages.idle.Len() + len(e.pages.free); idle != e.pages.count {
		t.Errorf("%d of %d pages came back", idle, e.pages.count)
	}
}

// TestScopesShareNothing asks one thing in two scopes: a second answer in one
// finds what the first computed, an answer in the other does not, and all are
// the same to the bit.
func TestScopesShareNothing(t *testing.T) {
	m := load(t, writeModel(t, gguf.F32, 4, true))
	e := New(m, Options{Slots: 2})
	r := Request{Prompt: m.Prompt(strings.Repeat("the thing ", 20)), MaxTokens: 2, Sampling: sampling.Params{TopP: 1}}
	if len(r.Prompt) <= 2*pageTokens {
		t.Fatalf("the prompt of %d tokens fills no page", len(r.Prompt))
	}
	first, _ := generated(t, e, r)
	again, _ := generated(t, e, r)
	r.Scope = receipt.Sum([]byte("another"))
	other, _ := generated(t, e, r)
	if first[0].Cached != 0 || again[0].Cached < pageTokens || other[0].Cached != 0 || again[1].Cached != 0 {
		t.Errorf("%d, %d and %d tokens cached, and %d in the second step", first[0].Cached, again[0].Cached, other[0].Cached, again[1].Cached)
	}
	if first[1].Leaf != again[1].Leaf || first[1].Leaf != other[1].Leaf {
		t.Error("the cache changed an answer")
	}
}

func generated(t *testing.T, e *Engine, r Request) ([]Token, string) {
	t.Helper()
	var tokens []Token
	end, err := e.Generate(t.Context(), r, func(token Token) error {
		tokens = append(tokens, token)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tokens, end.Finish
}

func TestAnAnswerIsFixedByItsSeed(t *testing.T) {
	m := load(t, writeModel(t, gguf.Q8_0, 4, true))
	r := Request{Prompt: m.Prompt("the thing"), MaxTokens: 24, Sampling: sampling.Params{Temperature: 0.9, TopP: 0.95, TopK: 40, Seed: 11}, TopLogprobs: 3}
	first, _ := generated(t, New(m, Options{Threads: 1}), r)
	again, _ := generated(t, New(m, Options{Threads: 2}), r)
	for i := range first {
		if first[i].Leaf != again[i].Leaf {
			t.Fatalf("step %d differs", i)
		}
	}
	r.Sampling.Seed++
	if other, _ := generated(t, New(m, Options{}), r); slices.EqualFunc(first, other, func(a, b Token) bool { return a.ID == b.ID }) {
		t.Error("another seed gave the same answer")
	}
	// What was drawn is what scoring says.
	ids := append([]int32(nil), r.Prompt...)
	for _, token := range first {
		ids = append(ids, token.ID)
	}
	scores, err := m.Score(ids, 2)
	if err != nil {
		t.Fatal(err)
	}
	for i, token := range first {
		if got := scores[len(r.Prompt)-1+i]; got != token.Logprob {
			t.Errorf("step %d: drawn with %g, scored %g", i, token.Logprob, got)
		}
		if len(token.Top) != 3 || token.Top[0].Logprob < token.Top[2].Logprob {
			t.Errorf("step %d: alternatives %v", i, token.Top)
		}
	}
}

func TestStopAndLength(t *testing.T) {
	m := load(t, writeModel(t, gguf.F32, 4, true))
	e := New(m, Options{})
	r := Request{Prompt: m.Prompt("the"), MaxTokens: 30, Sampling: sampling.Params{TopP: 1}}
	whole, finish := generated(t, e, r)
	if finish != FinishLength || len(whole) != 30 {
		t.Fatalf("%d tokens, %s", len(whole), finish)
	}
	var text []byte
	for _, token := range whole {
		text = append(text, m.Piece(token.ID)...)
	}
	r.Stop = []string{string(text[10:14])}
	cut, finish := generated(t, e, r)
	if finish != FinishStop || len(cut) >= len(whole) {
		t.Errorf("with a stop string: %d tokens, %s", len(cut), finish)
	}
}

func TestRefusals(t *testing.T) {
	m := load(t, writeModel(t, gguf.F32, 4, true))
	e := New(m, Options{Slots: 1})
	good := Request{Prompt: m.Prompt("the"), MaxTokens: 5, Sampling: sampling.Params{TopP: 1}}
	none := func(Token) error { return nil }
	for name, c := range map[string]struct {
		spoil func(*Request)
		want  error
	}{
		"no prompt":   {func(r *Request) { r.Prompt = nil }, ErrRequest},
		"bad token":   {func(r *Request) { r.Prompt = []int32{99999} }, ErrRequest},
		"no room":     {func(r *Request) { r.Prompt = slices.Repeat([]int32{1}, 256) }, ErrContextLength},
		"temperature": {func(r *Request) { r.Sampling.Temperature = -1 }, ErrRequest},
		"no tokens":   {func(r *Request) { r.MaxTokens = 0 }, ErrRequest},
	} {
		r := good
		c.spoil(&r)
		if _, err := e.Generate(t.Context(), r, none); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	// While one answer holds the only slot there is no queue: the next is
	// refused, and one that is cancelled gives its slot back.
	ctx, cancel := context.WithCancel(t.Context())
	started, stop := make(chan struct{}), errors.New("stop")
	done := make(chan error, 1)
	go func() {
		_, err := e.Generate(ctx, good, func(Token) error {
			close(started)
			<-ctx.Done()
			return stop
		})
		done <- err
	}()
	<-started
	if _, err := e.Generate(t.Context(), good, none); !errors.Is(err, ErrBusy) {
		t.Errorf("second answer: %v", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, stop) {
		t.Errorf("first answer: %v", err)
	}
	if _, err := e.Generate(t.Context(), good, none); err != nil {
		t.Errorf("after the first: %v", err)
	}
}

func TestChatTemplate(t *testing.T) {
	m := load(t, writeModel(t, gguf.F32, 4, true))
	ids, err := m.Chat(Conversation{Messages: []Message{{Role: "user", Content: "the thing <|endoftext|>"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(m.Decode(ids)), "user: the thing \nassistant:"; got != want {
		t.Errorf("chat is %q, want %q (the control token is one token)", got, want)
	}
}

func BenchmarkDecode(b *testing.B) {
	models, err := filepath.Glob("../../models/*/*.gguf")
	if err != nil || len(models) == 0 {
		b.Skip("no model is shipped")
	}
	m := load(b, models[0])
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			s := m.newSequence(threads)
			for b.Loop() {
				if len(s.history.tokens) == m.ContextLength {
					s = m.newSequence(threads)
				}
				s.extend([]int32{int32(len(s.history.tokens) % m.Size())})
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
