package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/tokenizer"
	"github.com/koinon/koinon/internal/tensor/block"
)

// writeModelFolder writes a small model as transformers save one.
func writeModelFolder(dir string) error {
	const dim, hidden, heads, kv, layers = 64, 96, 4, 2, 2
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	known := map[string]int{}
	for b := range 256 {
		known[tokenizer.ToAlphabet(string([]byte{byte(b)}))] = b
	}
	known["th"] = 256
	header, data := map[string]any{}, []byte(nil)
	rng := rand.New(rand.NewPCG(1, 1))
	add := func(name string, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		values := make([]float32, n)
		for i := range values {
			values[i] = rng.Float32()/4 - 0.125
		}
		from := len(data)
		data = block.F16.Append(data, values)
		header[name] = map[string]any{"dtype": "F16", "shape": shape, "data_offsets": []int{from, len(data)}}
	}
	add("model.embed_tokens.weight", 260, dim)
	add("model.norm.weight", dim)
	for i := range layers {
		b := fmt.Sprintf("model.layers.%d.", i)
		add(b+"input_layernorm.weight", dim)
		add(b+"post_attention_layernorm.weight", dim)
		add(b+"self_attn.q_proj.weight", dim, dim)
		add(b+"self_attn.k_proj.weight", dim/heads*kv, dim)
		add(b+"self_attn.v_proj.weight", dim/heads*kv, dim)
		add(b+"self_attn.o_proj.weight", dim, dim)
		add(b+"mlp.gate_proj.weight", hidden, dim)
		add(b+"mlp.up_proj.weight", hidden, dim)
		add(b+"mlp.down_proj.weight", dim, hidden)
	}
	for name, content := range map[string]any{
		"config.json": map[string]any{
			"architectures": []string{"LlamaForCausalLM"}, "vocab_size": 260, "hidden_size": dim, "intermediate_size": hidden, "num_hidden_layers": layers,
			"num_attention_heads": heads, "num_key_value_heads": kv, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "tie_word_embeddings": true,
		},
		"tokenizer.json": map[string]any{
			"added_tokens":  []any{map[string]any{"id": 257, "content": "<|end|>", "special": true}},
			"pre_tokenizer": map[string]any{"type": "ByteLevel", "add_prefix_space": false},
			"model":         map[string]any{"type": "BPE", "vocab": known, "merges": []string{"t h"}},
		},
		"tokenizer_config.json": map[string]any{"eos_token": "<|end|>"},
	} {
		text, err := json.Marshal(content)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	file := append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	return os.WriteFile(filepath.Join(dir, "model.safetensors"), append(file, data...), 0o644)
}

// writeSplit writes a model as two files.
func writeSplit(model, prefix string) error {
	f, err := gguf.Open(model)
	if err != nil {
		return err
	}
	defer f.Close()
	tensors := f.Tensors()
	for i, part := range [][]gguf.Tensor{tensors[:len(tensors)/3], tensors[len(tensors)/3:]} {
		w := new(gguf.Writer)
		if i == 0 {
			w = gguf.Rewrite(f)
		}
		w.Uint32("split.no", uint32(i))
		w.Uint32("split.count", 2)
		w.Uint32("split.tensors.count", uint32(len(tensors)))
		for _, t := range part {
			w.Copy(t)
		}
		file, err := os.Create(fmt.Sprintf("%s-%05d-of-00002.gguf", prefix, i+1))
		if err != nil {
			return err
		}
		if _, err := w.WriteTo(file); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	return nil
}
