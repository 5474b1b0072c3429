package huggingface

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/tokenizer"
	"github.com/koinon/koinon/internal/tensor/block"
)

// object is JSON that a test can change before it is written.
type object = map[string]any

// weight is a tensor of a test's folder, its values as they are after storing.
type weight struct {
	shape  []int
	values []float32
}

// folder is a model folder in the making, files by name.
type folder struct {
	config, tokenizer, tokenizerConfig object
	weights                            map[string]weight
	names                              []string // of weights, in their order
	format                             block.Format
	shards                             int
	texts                              map[string]string // more files
}

// shape is what a test's model looks like.
type shape struct {
	class                           string
	dim, hidden, heads, kv, headDim int
	tied                            bool
	format                          block.Format
	shards                          int
	scaling                         object
	biases                          bool
}

const layers, padding = 2, 5

// newFolder makes a folder with random weights around a vocabulary.
func newFolder(s shape, v tokenizer.Vocabulary, tokenizerJSON object) *folder {
	size := len(v.Tokens) + padding
	f := &folder{weights: map[string]weight{}, format: s.format, shards: s.shards, texts: map[string]string{}, tokenizer: tokenizerJSON}
	f.config = object{
		"architectures": []string{s.class}, "vocab_size": size, "hidden_size": s.dim, "intermediate_size": s.hidden, "num_hidden_layers": layers,
		"num_attention_heads": s.heads, "num_key_value_heads": s.kv, "head_dim": s.headDim, "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
		"hidden_act": "silu", "rope_theta": 5000.0, "rope_scaling": nil, "tie_word_embeddings": s.tied, "sliding_window": nil, "torch_dtype": "float32",
	}
	if s.scaling != nil {
		f.config["rope_scaling"] = s.scaling
	}
	f.tokenizerConfig = object{"bos_token": nil, "eos_token": object{"content": v.Tokens[v.EOS], "lstrip": false}, "add_bos_token": false, "model_max_length": 1e30}
	if v.BOS >= 0 {
		f.tokenizerConfig["bos_token"] = v.Tokens[v.BOS]
	}
	rng := rand.New(rand.NewPCG(8, uint64(s.headDim)))
	add := func(name string, centre, spread float64, dims ...int) {
		n := 1
		for _, d := range dims {
			n *= d
		}
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(centre + spread*(2*rng.Float64()-1))
		}
		s.format.Decode(values, s.format.Append(nil, values))
		f.weights[name] = weight{dims, values}
		f.names = append(f.names, name)
	}
	matrix := func(name string, out, in int) { add(name, 0, math.Sqrt(3/float64(in)), out, in) }
	matrix("model.embed_tokens.weight", size, s.dim)
	if !s.tied {
		matrix("lm_head.weight", size, s.dim)
	}
	add("model.norm.weight", 1, 0.3, s.dim)
	q, kv := s.heads*s.headDim, s.kv*s.headDim
	for i := range layers {
		b := fmt.Sprintf("model.layers.%d.", i)
		add(b+"input_layernorm.weight", 1, 0.3, s.dim)
		add(b+"post_attention_layernorm.weight", 1, 0.3, s.dim)
		matrix(b+"self_attn.q_proj.weight", q, s.dim)
		matrix(b+"self_attn.k_proj.weight", kv, s.dim)
		matrix(b+"self_attn.v_proj.weight", kv, s.dim)
		matrix(b+"self_attn.o_proj.weight", s.dim, q)
		matrix(b+"mlp.gate_proj.weight", s.hidden, s.dim)
		matrix(b+"mlp.up_proj.weight", s.hidden, s.dim)
		matrix(b+"mlp.down_proj.weight", s.dim, s.hidden)
		if s.biases {
			add(b+"self_attn.q_proj.bias", 0, 0.5, q)
			add(b+"self_attn.k_proj.bias", 0, 0.5, kv)
			add(b+"self_attn.v_proj.bias", 0, 0.5, kv)
		}
		if s.class == "Qwen3ForCausalLM" {
			add(b+"self_attn.q_norm.weight", 1, 0.5, s.headDim)
			add(b+"self_attn.k_norm.weight", 1, 0.5, s.headDim)
		}
	}
	return f
}

func (f *folder) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	put := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, o := range map[string]object{"config.json": f.config, "tokenizer.json": f.tokenizer, "tokenizer_config.json": f.tokenizerConfig} {
		if o == nil {
			continue
		}
		data, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		put(name, data)
	}
	for name, text := range f.texts {
		put(name, []byte(text))
	}
	if f.shards < 2 {
		put("model.safetensors", f.safetensors(t, f.names))
		return dir
	}
	places := map[string]string{}
	for i := range f.shards {
		part := f.names[i*len(f.names)/f.shards : (i+1)*len(f.names)/f.shards]
		file := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, f.shards)
		put(file, f.safetensors(t, part))
		for _, name := range part {
			places[name] = file
		}
	}
	index, err := json.Marshal(object{"metadata": object{"total_size": 1}, "weight_map": places})
	if err != nil {
		t.Fatal(err)
	}
	put("model.safetensors.index.json", index)
	return dir
}

func (f *folder) safetensors(t testing.TB, names []string) []byte {
	t.Helper()
	header, data := object{"__metadata__": object{"format": "pt"}}, []byte(nil)
	for _, name := range names {
		w, ok := f.weights[name]
		if !ok {
			continue // a test took it out
		}
		from := len(data)
		data = f.format.Append(data, w.values)
		header[name] = object{"dtype": f.format.String(), "shape": w.shape, "data_offsets": []int{from, len(data)}}
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), data...)
}

// trivium is the vocabulary of the model that ships: real merges.
func trivium(t testing.TB) tokenizer.Vocabulary {
	t.Helper()
	file, err := gguf.Open("../../../models/trivium/trivium.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	v := tokenizer.Vocabulary{BOS: -1, EOS: -1, Unknown: -1}
	var failed error
	v.Tokens, err = file.Texts("tokenizer.ggml.tokens")
	v.Merges, failed = file.Texts("tokenizer.ggml.merges")
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	v.Types = make([]tokenizer.Type, len(v.Tokens))
	for i := range v.Types {
		v.Types[i] = tokenizer.Normal
	}
	return v
}

// byteLevel is a byte-level vocabulary with added tokens of each type, and its
// tokenizer.json; pairs writes merges as pairs.
func byteLevel(t testing.TB, pre string, pairs bool) (tokenizer.Vocabulary, object) {
	t.Helper()
	v := trivium(t)
	v.Pre = pre
	known, list := object{}, []object{}
	for i, text := range v.Tokens {
		known[text] = i
	}
	for i, text := range v.Tokens { // trivium's own mark is added, as such are
		if strings.HasPrefix(text, "<|") {
			v.Types[i] = tokenizer.Control
			list = append(list, object{"id": i, "content": text, "special": true})
		}
	}
	for _, a := range []struct {
		text string
		kind tokenizer.Type
	}{{"<|begin|>", tokenizer.Control}, {"<|im_end|>", tokenizer.Control}, {"<|fim_pad|>", tokenizer.Control}, {"<tool_call>", tokenizer.UserDefined}, {"    ", tokenizer.UserDefined}} {
		list = append(list, object{"id": len(v.Tokens), "content": a.text, "special": a.kind == tokenizer.Control && a.text != "<|fim_pad|>", "normalized": false})
		v.Tokens, v.Types = append(v.Tokens, a.text), append(v.Types, a.kind)
	}
	v.BOS, v.EOS = int32(len(v.Tokens)-5), int32(len(v.Tokens)-4)
	var merges any = v.Merges
	if pairs {
		var split [][]string
		for _, m := range v.Merges {
			split = append(split, strings.SplitN(m, " ", 2))
		}
		merges = split
	}
	return v, object{
		"version": "1.0", "added_tokens": list, "normalizer": nil, "pre_tokenizer": preTokenizerJSON[pre],
		"post_processor": object{"type": "ByteLevel", "trim_offsets": false}, "decoder": object{"type": "ByteLevel"},
		"model": object{"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": false,
			"byte_fallback": false, "ignore_merges": pre == "llama-bpe" || pre == "tekken", "vocab": known, "merges": merges},
	}
}

// preTokenizerJSON are pre-tokenizers as the families publish them.
var preTokenizerJSON = func() map[string]object {
	split := func(regex string) object {
		return object{"type": "Split", "pattern": object{"Regex": regex}, "behavior": "Isolated", "invert": false}
	}
	bytes := func(regex bool) object {
		return object{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex}
	}
	sequence := func(steps ...object) object { return object{"type": "Sequence", "pretokenizers": steps} }
	llama := `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	return map[string]object{
		"gpt-2":     {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
		"smollm":    sequence(object{"type": "Digits", "individual_digits": true}, bytes(true)),
		"llama-bpe": sequence(split(llama), bytes(false)),
		"dbrx":      sequence(split(llama), bytes(false)),
		"qwen2":     sequence(split(`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`), bytes(false)),
		"tekken":    sequence(split(`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`), bytes(false)),
		"gpt-4o":    sequence(split(`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`), bytes(false)),
		"deepseek-v3": sequence(split(`\p{N}{1,3}`), split("[一-龥぀-ゟ゠-ヿ]+"),
			split("[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"), bytes(false)),
		"falcon": sequence(object{"type": "Punctuation", "behavior": "Contiguous"}, bytes(true), object{"type": "Digits", "individual_digits": false},
			object{"type": "Split", "pattern": object{"Regex": "[0-9][0-9][0-9]"}, "behavior": "Isolated", "invert": false}),
	}
}()

// sentencePiece is trivium's vocabulary as Llama 2's is written: characters, ▁
// for spaces, bytes to fall back to. Metaspace has the spaces written by a
// pre-tokenizer, else normalisers do it.
func sentencePiece(t testing.TB, metaspace bool) (tokenizer.Vocabulary, object, [][2]string) {
	t.Helper()
	v := tokenizer.Vocabulary{Kind: tokenizer.SentencePiece, BOS: 1, EOS: 2, Unknown: 0}
	ids, merges, texts := map[string]int{}, [][2]string(nil), []string(nil)
	add := func(text string, kind tokenizer.Type, score int) {
		if _, twice := ids[text]; !twice {
			ids[text] = len(v.Tokens)
			v.Tokens, v.Types, v.Scores = append(v.Tokens, text), append(v.Types, kind), append(v.Scores, float32(score))
		}
	}
	add("<unk>", tokenizer.Unknown, 0)
	add("<s>", tokenizer.Control, 0)
	add("</s>", tokenizer.Control, 0)
	for b := range 256 {
		add(fmt.Sprintf("<0x%02X>", b), tokenizer.Byte, 0)
	}
	back := map[rune]byte{}
	for b := range 256 {
		r, _ := utf8.DecodeRuneInString(tokenizer.ToAlphabet(string([]byte{byte(b)})))
		back[r] = byte(b)
	}
	plainText := func(s string) string {
		var out []byte
		for _, r := range s {
			out = append(out, back[r])
		}
		return strings.ReplaceAll(string(out), " ", "▁")
	}
	for _, m := range trivium(t).Merges {
		l, r, _ := strings.Cut(m, " ")
		left, right := plainText(l), plainText(r)
		if !utf8.ValidString(left) || !utf8.ValidString(right) || strings.ContainsRune(left+right, 0) {
			continue
		}
		if _, twice := ids[left+right]; !twice {
			merges, texts = append(merges, [2]string{left, right}), append(texts, left+right)
			add(left+right, tokenizer.Normal, -len(texts)+1)
		}
	}
	for _, text := range append(texts, "é", "中", "▁") {
		for _, r := range text {
			add(string(r), tokenizer.Normal, -len(texts))
		}
	}
	add("<extra_token>", tokenizer.UserDefined, 0)
	o := object{
		"added_tokens": []object{{"id": 0, "content": "<unk>", "special": true}, {"id": 1, "content": "<s>", "special": true}, {"id": 2, "content": "</s>", "special": true},
			{"id": ids["<extra_token>"], "content": "<extra_token>", "special": false}},
		"normalizer":     object{"type": "Sequence", "normalizers": []object{{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": object{"String": " "}, "content": "▁"}}},
		"pre_tokenizer":  nil,
		"post_processor": object{"type": "TemplateProcessing", "single": []object{{"SpecialToken": object{"id": "<s>", "type_id": 0}}, {"Sequence": object{"id": "A", "type_id": 0}}}},
		"model":          object{"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true, "vocab": ids, "merges": joined(merges)},
	}
	if metaspace {
		o["normalizer"], o["pre_tokenizer"] = nil, object{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false}
	}
	return v, o, merges
}

func joined(merges [][2]string) []string {
	list := make([]string, len(merges))
	for i, m := range merges {
		list[i] = m[0] + " " + m[1]
	}
	return list
}
