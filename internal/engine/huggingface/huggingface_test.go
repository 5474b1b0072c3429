package huggingface

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/tokenizer"
	"github.com/koinon/koinon/internal/tensor/block"
)

// hardTexts are what tokenizers stumble over.
var hardTexts = []string{
	"", " ", "  ", "   the   things  ", "the\n\n\nthing\t\tsinging \r\n x", "I'll don't they've it's 'S 'LL", "naïve café — “quotes” … № 5½",
	"北京大学 日本語 한국어 中", "مرحبا بالعالم ١٢٣٤", "🙂👩‍👩‍👧‍👦🇬🇷 e\u0301", "x=1;if(x>=10){y[0]='\\n';}//comment", "0123456789 10,000.00 ²³",
	"\u00a0\u2003\u3000 odd", "ROMEO:\nBut soft, what light\n\n", "<|begin|>hi<|im_end|> <tool_call> <s>x</s><unk> <extra_token> y", "CamelCaseHTTP ÉCOLE", "a\x00b\x01\x1f\xff\xfe",
	strings.Repeat("ing", 40) + strings.Repeat(" ", 40) + "x", "<|endoftext|><|fim_pad|>", "▁▁ ▁x", "[PAD4100]", "<0x41>",
}

// importFolder writes a folder as a GGUF file.
func importFolder(t testing.TB, f *folder, o Options) string {
	t.Helper()
	path, err := tryImport(t, f, o)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func tryImport(t testing.TB, f *folder, o Options) (string, error) {
	t.Helper()
	opened, err := Open(f.write(t), o)
	if err != nil {
		return "", err
	}
	defer opened.Close()
	w, err := opened.Writer()
	if err != nil {
		return "", err
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	_, err = w.WriteTo(file)
	return path, err
}

// small is a model of one class.
func small(class string) shape {
	return shape{class: class, dim: 64, hidden: 96, heads: 4, kv: 2, headDim: 16, format: block.F32, biases: class == "Qwen2ForCausalLM"}
}

var llama3Scaling = object{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}

// The engine computes from an imported file what transformers compute from the
// folder: names, the order of rows, biases, norms of heads and rotation are right.
func TestLogitsAreThoseOfTheFolder(t *testing.T) {
	shapes := map[string]shape{}
	for class := range families {
		shapes[class] = small(class)
	}
	shapes["llama 3.1, tied, in shards"] = shape{class: "LlamaForCausalLM", dim: 64, hidden: 96, heads: 4, kv: 1, headDim: 32, tied: true, shards: 3, format: block.F32, scaling: llama3Scaling}
	shapes["llama with biases"] = shape{class: "LlamaForCausalLM", dim: 64, hidden: 96, heads: 4, kv: 4, headDim: 16, format: block.F32, biases: true}
	shapes["mistral, wide heads, BF16"] = shape{class: "MistralForCausalLM", dim: 64, hidden: 96, heads: 2, kv: 1, headDim: 48, format: block.BF16}
	shapes["qwen3, wide heads, F16"] = shape{class: "Qwen3ForCausalLM", dim: 64, hidden: 96, heads: 4, kv: 2, headDim: 32, tied: true, format: block.F16, shards: 2}
	for name, s := range shapes {
		t.Run(name, func(t *testing.T) {
			v, described := byteLevel(t, "qwen2", false)
			f := newFolder(s, v, described)
			var o Options
			if s.format == block.BF16 { // computing with it rounds the inputs, too
				wide := gguf.F32
				o.Type, s.format = &wide, block.F32
			}
			m, err := engine.Load(importFolder(t, f, o))
			if err != nil {
				t.Fatal(err)
			}
			if m.Quantization != s.format.String() {
				t.Errorf("stored as %s", m.Quantization)
			}
			tokens := m.Prompt("Once more unto the breach, dear friends, once more; or close the wall up with our English dead!")
			want := reference{f, s}.logits(tokens)
			var worst float64
			err = m.Logits(tokens, 2, func(i int, logits []float32) error {
				for j, l := range logits {
					worst = max(worst, math.Abs(float64(l)-want[i][j]))
				}
				return nil
			})
			if err != nil || !(worst < 1e-4) {
				t.Errorf("logits differ by up to %g over %d tokens, %v", worst, len(tokens), err)
			}
			t.Logf("logits differ by at most %.2g", worst)
		})
	}
}

// Every pre-tokenizer is recognised, and text becomes the ids of the vocabulary
// that the folder was made from.
func TestByteLevelTokensAreThoseOfTheFolder(t *testing.T) {
	for pre := range preTokenizerJSON {
		for _, pairs := range []bool{false, true} {
			v, described := byteLevel(t, pre, pairs)
			sameTokens(t, pre, v, importFolder(t, newFolder(small("LlamaForCausalLM"), v, described), Options{}))
		}
	}
}

func sameTokens(t *testing.T, name string, v tokenizer.Vocabulary, path string) {
	t.Helper()
	no := false
	v.AddBOS = &no
	want, err := tokenizer.New(v)
	if err != nil {
		t.Fatal(err)
	}
	got, err := engine.OpenVocabulary(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Size() != len(v.Tokens)+padding || got.Text(int32(got.Size()-1)) != fmt.Sprintf("[PAD%d]", got.Size()-1) || got.EOS() != v.EOS || got.BOS() != v.BOS {
		t.Errorf("%s: %d tokens, the last %q, begin and end %d and %d", name, got.Size(), got.Text(int32(got.Size()-1)), got.BOS(), got.EOS())
	}
	for _, text := range hardTexts {
		for _, special := range []bool{false, true} {
			if a, b := got.Encode(text, special), want.Encode(text, special); !slices.Equal(a, b) {
				t.Errorf("%s: %q is %v, want %v", name, text, a, b)
			}
		}
	}
}

func TestSentencePieceTokensAreThoseOfTheFolder(t *testing.T) {
	for _, metaspace := range []bool{false, true} {
		v, described, merges := sentencePiece(t, metaspace)
		path := importFolder(t, newFolder(small("MistralForCausalLM"), v, described), Options{})
		sameTokens(t, fmt.Sprintf("metaspace %t", metaspace), v, path)
		// Scores cut as the merges do, in the order in which they stand.
		got, err := engine.OpenVocabulary(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range hardTexts {
			if strings.Contains(text, "<") || text == "" || text == "a\x00b\x01\x1f\xff\xfe" {
				continue
			}
			if ids, want := got.Encode(text, false), merged(v, merges, text); !slices.Equal(ids, want) {
				t.Errorf("%q is %v, by merges %v", text, ids, want)
			}
		}
	}
}

// merged encodes a text by merges, the most urgent first, as tokenizers do.
func merged(v tokenizer.Vocabulary, merges [][2]string, text string) []int32 {
	rank := map[[2]string]int{}
	for i, m := range merges {
		rank[m] = i
	}
	var parts []string
	for _, r := range strings.ReplaceAll(" "+text, " ", "▁") {
		if slices.Contains(v.Tokens, string(r)) {
			parts = append(parts, string(r))
			continue
		}
		for _, b := range []byte(string(r)) {
			parts = append(parts, fmt.Sprintf("<0x%02X>", b))
		}
	}
	for {
		best, at := len(merges), -1
		for i := range len(parts) - 1 {
			if n, ok := rank[[2]string{parts[i], parts[i+1]}]; ok && n < best {
				best, at = n, i
			}
		}
		if at < 0 {
			break
		}
		parts = slices.Replace(parts, at, at+2, parts[at]+parts[at+1])
	}
	ids := make([]int32, len(parts))
	for i, p := range parts {
		ids[i] = int32(slices.Index(v.Tokens, p))
	}
	return ids
}

func TestWhatSurroundsATextIsAsTheFilesSay(t *testing.T) {
	v, _ := byteLevel(t, "llama-bpe", false)
	begin, end := v.Tokens[v.BOS], v.Tokens[v.EOS]
	around := object{"type": "Sequence", "processors": []object{{"type": "ByteLevel"}, {"type": "TemplateProcessing",
		"single": []object{{"SpecialToken": object{"id": begin}}, {"Sequence": object{"id": "A"}}, {"SpecialToken": object{"id": end}}}}}}
	for name, c := range map[string]struct {
		change   func(f *folder)
		bos, eos bool
	}{
		"nothing says so":    {func(f *folder) { delete(f.tokenizerConfig, "add_bos_token") }, false, false},
		"the post-processor": {func(f *folder) { delete(f.tokenizerConfig, "add_bos_token"); f.tokenizer["post_processor"] = around }, true, true},
		"the config":         {func(f *folder) { f.tokenizerConfig["add_bos_token"] = true }, true, false},
		"the config, too":    {func(f *folder) { f.tokenizer["post_processor"] = around }, false, true},
		"ids of the config": {func(f *folder) {
			f.tokenizerConfig = nil
			f.config["bos_token_id"], f.config["eos_token_id"] = v.BOS, []int32{v.EOS, v.BOS}
			f.tokenizer["post_processor"] = around
		}, true, true},
		"ids of the generation": {func(f *folder) {
			f.tokenizerConfig = nil
			f.texts["generation_config.json"] = fmt.Sprintf(`{"bos_token_id":%d,"eos_token_id":[%d]}`, v.BOS, v.EOS)
			f.tokenizer["post_processor"] = around
		}, true, true},
		"the map": {func(f *folder) {
			f.tokenizerConfig = object{"add_bos_token": true}
			f.texts["special_tokens_map.json"] = fmt.Sprintf(`{"bos_token":%q,"eos_token":{"content":%q}}`, begin, end)
		}, true, false},
	} {
		_, f := byteLevel(t, "llama-bpe", false)
		made := newFolder(small("LlamaForCausalLM"), v, f)
		c.change(made)
		got, err := engine.OpenVocabulary(importFolder(t, made, Options{}))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.AddsBOS() != c.bos || got.AddsEOS() != c.eos || got.BOS() != v.BOS || got.EOS() != v.EOS {
			t.Errorf("%s: begins with %d: %t, ends with %d: %t", name, got.BOS(), got.AddsBOS(), got.EOS(), got.AddsEOS())
		}
	}
}

func TestTemplatesAndLicences(t *testing.T) {
	v, described := byteLevel(t, "gpt-2", false)
	for name, c := range map[string]struct {
		config any
		file   string
		want   string
	}{
		"text":          {"{{ messages[0].content }}", "", "{{ messages[0].content }}"},
		"list":          {[]object{{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}}, "", "D"},
		"a file of its": {"old", "new", "new"},
		"none":          {nil, "", ""},
	} {
		f := newFolder(small("LlamaForCausalLM"), v, described)
		f.tokenizerConfig["chat_template"] = c.config
		if c.file != "" {
			f.texts["chat_template.jinja"] = c.file
		}
		f.texts["README.md"] = "---\nlicense: apache-2.0\ntags:\n- x\n---\n# Card\n"
		file, err := gguf.Open(importFolder(t, f, Options{Name: "named"}))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := file.Text("tokenizer.chat_template"); got != c.want || c.want != "" && err != nil {
			t.Errorf("%s: template %q, %v", name, got, err)
		}
		if got, err := file.Text("general.license"); got != "Apache-2.0" {
			t.Errorf("%s: licence %q, %v", name, got, err)
		}
		if got, err := file.Text("general.name"); got != "named" {
			t.Errorf("%s: name %q, %v", name, got, err)
		}
		file.Close()
	}
	for front, want := range map[string]string{"license: mit": "MIT", "license: llama3.1": "LicenseRef-llama3.1", "license: other\nlicense_name: qwen-research": "LicenseRef-qwen-research", "title: x": "", "license: [a, b]": "", "license: \"a\\u001bb\"": ""} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "README.md"), []byte("---\n"+front+"\n---\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := cardLicense(dir); got != want {
			t.Errorf("%q: licence %q, want %q", front, got, want)
		}
	}
}

func TestImportedInAnotherType(t *testing.T) {
	v, described := byteLevel(t, "gpt-2", false)
	f := newFolder(small("LlamaForCausalLM"), v, described)
	kind := gguf.Q8_0
	m, err := engine.Load(importFolder(t, f, Options{Type: &kind}))
	if err != nil || m.Quantization != "Q8_0" {
		t.Fatalf("%+v, %v", m, err)
	}
}

// The context ends where a sliding window or the engine would make a difference.
func TestContextsThatAreCut(t *testing.T) {
	v, described := byteLevel(t, "gpt-2", false)
	for class, want := range map[string]int{"LlamaForCausalLM": 256, "MistralForCausalLM": 100, "Qwen2ForCausalLM": 256} {
		f := newFolder(small(class), v, described)
		f.config["sliding_window"] = 100
		m, err := engine.Load(importFolder(t, f, Options{}))
		if err != nil || m.ContextLength != want {
			t.Errorf("%s: %+v, %v", class, m.ContextLength, err)
		}
	}
}

// hostile changes a sound folder; want is in the error.
var hostile = map[string]struct {
	change func(f *folder)
	want   string
}{
	"architecture":       {func(f *folder) { f.config["architectures"] = []string{"GemmaForCausalLM"} }, `architectures is "GemmaForCausalLM"`},
	"two architectures":  {func(f *folder) { f.config["architectures"] = []string{"A", "B"} }, "architectures"},
	"no config":          {func(f *folder) { f.config = nil }, "config.json"},
	"no tokenizer":       {func(f *folder) { f.tokenizer = nil }, "tokenizer.json"},
	"yarn":               {func(f *folder) { f.config["rope_scaling"] = object{"type": "yarn", "factor": 4} }, `rope_type of rope_scaling is "yarn"`},
	"yarn, newer":        {func(f *folder) { f.config["rope_parameters"] = object{"rope_type": "yarn"} }, `rope_type of rope_parameters is "yarn"`},
	"llama3 is wrong":    {func(f *folder) { f.config["rope_scaling"] = object{"rope_type": "llama3", "factor": 8} }, "low_freq_factor 0"},
	"theta":              {func(f *folder) { f.config["rope_theta"] = -1 }, "rope_theta is -1"},
	"quantised":          {func(f *folder) { f.config["quantization_config"] = object{"quant_method": "gptq"} }, "quantization_config"},
	"activation":         {func(f *folder) { f.config["hidden_act"] = "gelu" }, `hidden_act is "gelu"`},
	"biases of the MLP":  {func(f *folder) { f.config["mlp_bias"] = true }, "mlp_bias"},
	"part of a rotation": {func(f *folder) { f.config["partial_rotary_factor"] = 0.5 }, "partial_rotary_factor is 0.5"},
	"no heads":           {func(f *folder) { f.config["num_attention_heads"] = 0 }, "num_attention_heads is 0"},
	"huge":               {func(f *folder) { f.config["hidden_size"] = 1 << 40 }, "hidden_size is 1099511627776"},
	"negative":           {func(f *folder) { f.config["hidden_size"] = -64 }, "hidden_size"},
	"layers":             {func(f *folder) { f.config["num_hidden_layers"] = 1 << 20 }, "num_hidden_layers is 1048576"},
	"odd heads":          {func(f *folder) { f.config["head_dim"] = 15 }, "head_dim is 15"},
	"heads":              {func(f *folder) { f.config["num_key_value_heads"] = 3 }, "num_key_value_heads, 3"},
	"epsilon":            {func(f *folder) { f.config["rms_norm_eps"] = 0 }, "rms_norm_eps is 0"},
	"vocabulary":         {func(f *folder) { f.config["vocab_size"] = 100 }, "vocab_size 100"},
	"huge vocabulary":    {func(f *folder) { f.config["vocab_size"] = 1 << 23 }, "vocab_size is 8388608"},
	"twice in a config":  {func(f *folder) { f.config = nil; f.texts["config.json"] = `{"vocab_size":1,"vocab_size":2}` }, "duplicate"},
	"not JSON":           {func(f *folder) { f.config = nil; f.texts["config.json"] = `{` }, "config.json"},
	"end of text":        {func(f *folder) { f.tokenizerConfig["eos_token"] = "<nowhere>" }, `eos_token is "<nowhere>"`},
	"id of an end":       {func(f *folder) { delete(f.tokenizerConfig, "eos_token"); f.config["eos_token_id"] = 1 << 30 }, "eos_token_id is 1073741824"},
	"template":           {func(f *folder) { f.tokenizerConfig["chat_template"] = 7 }, "chat_template"},
	"template's bytes":   {func(f *folder) { f.texts["chat_template.jinja"] = "\xff" }, "chat_template.jinja"},
	"shape": {func(f *folder) {
		w := f.weights["model.layers.1.mlp.up_proj.weight"]
		f.weights["model.layers.1.mlp.up_proj.weight"] = weight{[]int{w.shape[1], w.shape[0]}, w.values}
	}, "tensor model.layers.1.mlp.up_proj.weight has shape [64 96]"},
	"missing tensor": {func(f *folder) { delete(f.weights, "model.layers.1.self_attn.v_proj.weight") }, "model.layers.1.self_attn.v_proj.weight"},
	"missing head":   {func(f *folder) { delete(f.weights, "lm_head.weight") }, "lm_head.weight"},
	"unknown tensor": {func(f *folder) {
		f.weights["model.layers.0.self_attn.o_proj.bias"] = weight{[]int{1}, []float32{1}}
		f.names = append(f.names, "model.layers.0.self_attn.o_proj.bias")
	}, "model.layers.0.self_attn.o_proj.bias"},
	"no number": {func(f *folder) {
		f.weights["model.layers.1.mlp.up_proj.weight"].values[70] = float32(math.NaN())
	}, "tensor blk.1.ffn_up.weight: weight is not a finite number: element 6 of row 1"},
	"model type":     {func(f *folder) { f.tokenizer["model"].(object)["type"] = "Unigram" }, `model.type is "Unigram"`},
	"no tokens":      {func(f *folder) { f.tokenizer["model"].(object)["vocab"] = object{} }, "model.vocab is empty"},
	"token's id":     {func(f *folder) { f.tokenizer["model"].(object)["vocab"].(object)["!"] = -7 }, `id of model.vocab "!" is -7`},
	"one id for two": {func(f *folder) { f.tokenizer["model"].(object)["vocab"].(object)["!"] = 7 }, "id 7 of model.vocab is both"},
	"two ids for one": {func(f *folder) {
		f.tokenizer["added_tokens"] = append(f.tokenizer["added_tokens"].([]object), object{"id": 3, "content": "!"})
	}, `id of added_tokens "!" is 3`},
	"merge":           {func(f *folder) { f.tokenizer["model"].(object)["merges"] = []string{"a"} }, `merge "a"`},
	"merge of three":  {func(f *folder) { f.tokenizer["model"].(object)["merges"] = [][]string{{"a", "b", "c"}} }, "merges"},
	"merge to no one": {func(f *folder) { f.tokenizer["model"].(object)["merges"] = []string{"a zzzz"} }, "merge 0"},
	"normaliser":      {func(f *folder) { f.tokenizer["normalizer"] = object{"type": "Lowercase"} }, "normalizer is Lowercase"},
	"pre-tokenizer":   {func(f *folder) { f.tokenizer["pre_tokenizer"] = object{"type": "Whitespace"} }, "--pre"},
	"prefix": {func(f *folder) {
		f.tokenizer["pre_tokenizer"] = object{"type": "ByteLevel", "add_prefix_space": true}
	}, "add_prefix_space"},
}

func TestHostileFoldersAreRefused(t *testing.T) {
	for name, c := range hostile {
		t.Run(name, func(t *testing.T) {
			v, described := byteLevel(t, "gpt-2", false)
			f := newFolder(small("LlamaForCausalLM"), v, described)
			c.change(f)
			_, err := tryImport(t, f, Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	v, described := byteLevel(t, "gpt-2", false)
	if _, err := tryImport(t, newFolder(small("LlamaForCausalLM"), v, described), Options{Pre: "nonsense"}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("a pre-tokenizer that is none: %v", err)
	}
	described["pre_tokenizer"] = object{"type": "Whitespace"}
	if _, err := tryImport(t, newFolder(small("LlamaForCausalLM"), v, described), Options{Pre: "gpt-2"}); err != nil {
		t.Errorf("with --pre: %v", err)
	}
}
