package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/tokenizer"
	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/internal/tensor/block"
)

// tinyModel is the smallest model of an architecture, a file of about two
// thousand bytes. Spoil changes what goes into it before it is written.
func tinyModel(t testing.TB, architecture string, spoil func(meta map[string]any, tensors map[string][]uint64)) []byte {
	t.Helper()
	a := architecture + "."
	meta := map[string]any{
		"general.architecture": architecture, a + "context_length": uint32(8), a + "embedding_length": uint32(4), a + "block_count": uint32(1),
		a + "feed_forward_length": uint32(4), a + "attention.head_count": uint32(2), a + "attention.head_count_kv": uint32(1),
		a + "attention.layer_norm_rms_epsilon": float32(1e-5), a + "rope.freq_base": float32(10000),
		"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2", "tokenizer.ggml.tokens": []string{"a", "b", "ab", "<|end|>"},
		"tokenizer.ggml.merges": []string{"a b"}, "tokenizer.ggml.token_type": []int32{1, 1, 1, 3}, "tokenizer.ggml.eos_token_id": uint32(3),
		"tokenizer.chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}",
	}
	tensors := map[string][]uint64{
		"token_embd.weight": {4, 4}, "output_norm.weight": {4}, "blk.0.attn_norm.weight": {4}, "blk.0.ffn_norm.weight": {4},
		"blk.0.attn_q.weight": {4, 4}, "blk.0.attn_k.weight": {4, 2}, "blk.0.attn_v.weight": {4, 2}, "blk.0.attn_output.weight": {4, 4},
		"blk.0.ffn_gate.weight": {4, 4}, "blk.0.ffn_up.weight": {4, 4}, "blk.0.ffn_down.weight": {4, 4},
	}
	if architecture == "qwen3" {
		tensors["blk.0.attn_q_norm.weight"], tensors["blk.0.attn_k_norm.weight"] = []uint64{2}, []uint64{2}
	}
	if spoil != nil {
		spoil(meta, tensors)
	}
	w := new(gguf.Writer)
	for key, value := range meta {
		switch v := value.(type) {
		case string:
			w.Text(key, v)
		case uint32:
			w.Uint32(key, v)
		case uint64:
			w.Uint64(key, v)
		case float32:
			w.Float32(key, v)
		case bool:
			w.Bool(key, v)
		case []string:
			w.Texts(key, v)
		case []int32:
			w.Int32s(key, v)
		case []float32:
			w.Float32s(key, v)
		}
	}
	for name, shape := range tensors {
		values := make([]float32, gguf.Tensor{Shape: shape}.Elements())
		for i := range values {
			values[i] = float32(i%5-2) / 4
		}
		w.Tensor(name, gguf.F32, values, shape...)
	}
	var file bytes.Buffer
	if _, err := w.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func loadBytes(t testing.TB, data []byte) (*Model, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path)
}

// Errors of a hostile file name the field, and have a name themselves.
func TestHostileModelsAreRefusedByField(t *testing.T) {
	type spoil = func(meta map[string]any, tensors map[string][]uint64)
	set := func(key string, value any) spoil {
		return func(meta map[string]any, _ map[string][]uint64) { meta[key] = value }
	}
	drop := func(key string) spoil {
		return func(meta map[string]any, tensors map[string][]uint64) { delete(meta, key); delete(tensors, key) }
	}
	shape := func(name string, shape ...uint64) spoil {
		return func(_ map[string]any, tensors map[string][]uint64) { tensors[name] = shape }
	}
	for name, c := range map[string]struct {
		spoil spoil
		field string
		want  error
	}{
		"no architecture":       {drop("general.architecture"), "general.architecture", gguf.ErrMissing},
		"another architecture":  {set("general.architecture", "bert"), "general.architecture", ErrModel},
		"no context":            {drop("llama.context_length"), "llama.context_length", gguf.ErrMissing},
		"context of text":       {set("llama.context_length", "long"), "llama.context_length", gguf.ErrKind},
		"context of zero":       {set("llama.context_length", uint32(0)), "llama.context_length", ErrModel},
		"context without end":   {set("llama.context_length", uint64(1)<<62), "llama.context_length", ErrModel},
		"large context":         {set("llama.context_length", uint32(1<<20)), "llama.context_length", ErrModel},
		"many layers":           {set("llama.block_count", uint32(1<<20)), "llama.block_count", ErrModel},
		"one layer too many":    {set("llama.block_count", uint32(2)), "blk.1.attn_norm.weight", gguf.ErrNoTensor},
		"wide":                  {set("llama.embedding_length", uint32(1<<10)), "token_embd.weight", gguf.ErrFormat},
		"no heads":              {set("llama.attention.head_count", uint32(0)), "llama.attention.head_count", ErrModel},
		"many heads":            {set("llama.attention.head_count", uint32(1<<23)), "llama.attention.head_count", ErrModel},
		"odd sharing":           {set("llama.attention.head_count_kv", uint32(3)), "llama.attention.head_count_kv", ErrModel},
		"long heads":            {set("llama.attention.key_length", uint32(1<<10)), "llama.attention.key_length", ErrModel},
		"partial rotation":      {set("llama.rope.dimension_count", uint32(4)), "llama.rope.dimension_count", ErrModel},
		"values of their own":   {set("llama.attention.value_length", uint32(8)), "llama.attention.value_length", ErrModel},
		"epsilon":               {set("llama.attention.layer_norm_rms_epsilon", float32(math.NaN())), "llama.attention.layer_norm_rms_epsilon", ErrModel},
		"negative epsilon":      {set("llama.attention.layer_norm_rms_epsilon", float32(-1)), "llama.attention.layer_norm_rms_epsilon", ErrModel},
		"frequency":             {set("llama.rope.freq_base", float32(math.Inf(1))), "llama.rope.freq_base", ErrModel},
		"scaling":               {set("llama.rope.scaling.type", "yarn"), "llama.rope.scaling.type", ErrModel},
		"pooling":               {set("llama.pooling_type", uint32(2)), "llama.pooling_type", ErrModel},
		"tokenizer":             {set("tokenizer.ggml.model", "bert"), "tokenizer.ggml.model", ErrModel},
		"pre-tokenizer":         {set("tokenizer.ggml.pre", "mine"), "tokenizer.ggml.pre", ErrModel},
		"no tokens":             {drop("tokenizer.ggml.tokens"), "tokenizer.ggml.tokens", gguf.ErrMissing},
		"tokens of numbers":     {set("tokenizer.ggml.tokens", []int32{1}), "tokenizer.ggml.tokens", gguf.ErrKind},
		"more tokens":           {set("tokenizer.ggml.tokens", []string{"a", "b", "ab", "<|end|>", "c"}), "tokenizer.ggml.token_type", tokenizer.ErrVocabulary},
		"the same token twice":  {set("tokenizer.ggml.tokens", []string{"a", "b", "ab", "a"}), "tokenizer.ggml.tokens", tokenizer.ErrVocabulary},
		"merge of nothing":      {set("tokenizer.ggml.merges", []string{"a c"}), "tokenizer.ggml.merges", tokenizer.ErrVocabulary},
		"end out of range":      {set("tokenizer.ggml.eos_token_id", uint32(4)), "tokenizer.ggml.eos_token_id", ErrModel},
		"beginning is text":     {set("tokenizer.ggml.bos_token_id", "a"), "tokenizer.ggml.bos_token_id", gguf.ErrKind},
		"template":              {set("tokenizer.chat_template", "{% for"), "tokenizer.chat_template", ErrTemplate},
		"template is a number":  {set("tokenizer.chat_template", uint32(1)), "tokenizer.chat_template", gguf.ErrKind},
		"no weights":            {drop("blk.0.ffn_up.weight"), "blk.0.ffn_up.weight", gguf.ErrNoTensor},
		"weights across":        {shape("blk.0.attn_k.weight", 2, 4), "blk.0.attn_k.weight", gguf.ErrFormat},
		"vector is a matrix":    {shape("output_norm.weight", 4, 1), "output_norm.weight", gguf.ErrFormat},
		"unknown weights":       {shape("blk.0.ffn_gate_inp.weight", 4), "blk.0.ffn_gate_inp.weight", ErrModel},
		"one bias of three":     {shape("blk.0.attn_q.bias", 4), "blk.0.attn_q.bias", ErrModel},
		"factors that are none": {shape("rope_freqs.weight", 1), "rope_freqs.weight", ErrModel},
	} {
		_, err := loadBytes(t, tinyModel(t, "llama", c.spoil))
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.field) {
			t.Errorf("%s: %v; it should be %q and name %s", name, err, c.want, c.field)
		}
	}
	if _, err := loadBytes(t, tinyModel(t, "llama", nil)); err != nil {
		t.Errorf("the model that is not spoilt: %v", err)
	}
}

// Weights that are no numbers are refused, in every format, with the tensor's name.
func TestWeightsThatAreNoNumbersAreRefused(t *testing.T) {
	const name = "blk.1.ffn_down.weight"
	nan := map[block.Format][]byte{
		block.F32: {0, 0, 0xc0, 0x7f}, block.F16: {0, 0x7e}, block.BF16: {0xc0, 0x7f},
	}
	infinite := map[block.Format][]byte{
		block.F32: {0, 0, 0x80, 0xff}, block.F16: {0, 0xfc}, block.BF16: {0x80, 0x7f},
	}
	// Where the scale of the last block, a float16, is from its end.
	scale := map[block.Format]int{
		block.Q8_0: 34, block.Q4_0: 18, block.Q4_K: 144, block.Q5_K: 176, block.Q6_K: 2, block.TQ1_0: 2, block.TQ2_0: 2,
	}
	for _, format := range block.Formats() {
		path := shape{kind: format, kvHeads: 2, dim: 256, hidden: 256}.write(t)
		for kind, bytes := range map[string][]byte{"NaN": nan[format], "Inf": infinite[format]} {
			back := len(bytes)
			if back == 0 {
				back, bytes = scale[format], map[string][]byte{"NaN": {1, 0x7c}, "Inf": {0, 0x7c}}[kind]
			}
			_, err := loadBytes(t, spoilTensor(t, path, name, back, bytes))
			if !errors.Is(err, tensor.ErrWeights) || !strings.Contains(fmt.Sprint(err), name) {
				t.Errorf("%s with %s: %v", format, kind, err)
			}
		}
		if format == block.Q4_K || format == block.Q5_K { // the scale of minima follows
			if _, err := loadBytes(t, spoilTensor(t, path, name, scale[format]-2, []byte{0, 0x7c})); !errors.Is(err, tensor.ErrWeights) {
				t.Errorf("%s with an infinite scale of minima: %v", format, err)
			}
		}
	}
	_, err := loadBytes(t, spoilTensor(t, writeModel(t, gguf.F32, 2, true), "blk.0.attn_norm.weight", 4, nan[block.F32]))
	if !errors.Is(err, gguf.ErrFormat) || !strings.Contains(fmt.Sprint(err), "blk.0.attn_norm.weight") {
		t.Errorf("a norm: %v", err)
	}
}

// spoilTensor overwrites bytes of a file, back from the end of a tensor.
func spoilTensor(t *testing.T, path, name string, back int, bytes []byte) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	tensor, err := f.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	stored := tensor.Data() // in data
	copy(stored[len(stored)-back:], bytes)
	return data
}

// FuzzLoad: any bytes are a model or an error. A model computes.
func FuzzLoad(f *testing.F) {
	for _, architecture := range []string{"llama", "qwen2", "qwen3"} {
		f.Add(tinyModel(f, architecture, nil))
	}
	whole := tinyModel(f, "llama", func(meta map[string]any, tensors map[string][]uint64) {
		meta["tokenizer.ggml.model"], meta["tokenizer.ggml.scores"] = "llama", []float32{0, 1, 2, 3}
		tensors["rope_freqs.weight"] = []uint64{1}
		tensors["output.weight"] = []uint64{4, 4}
	})
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	huge := bytes.Clone(whole)
	binary.LittleEndian.PutUint64(huge[8:], 1<<60) // tensors
	f.Add(huge)
	path := filepath.Join(f.TempDir(), "model.gguf")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := Load(path)
		if err != nil {
			return
		}
		ids := m.Prompt("ab\xff ")
		if len(ids) == 0 || len(ids) > m.ContextLength {
			ids = []int32{int32(m.Size() - 1)}
		}
		if _, err := m.DigestLogits(ids, 1); err != nil {
			t.Errorf("logits: %v", err)
		}
		if _, err := m.Embed(ids, m.Pooling, 1); err != nil && !errors.Is(err, ErrNotFinite) {
			t.Errorf("embedding: %v", err)
		}
		if _, err := m.Chat(Conversation{Messages: []Message{{Role: "user", Content: "a"}}}); err != nil && !errors.Is(err, ErrNoTemplate) && !errors.Is(err, ErrTemplate) {
			t.Errorf("chat: %v", err)
		}
	})
}
