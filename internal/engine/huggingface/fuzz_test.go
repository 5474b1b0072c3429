package huggingface

import (
	stdjson "encoding/json"
	"errors"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/koinon/koinon/internal/engine/tokenizer"
)

// tiny are small tokenizers of both kinds.
var tiny = []string{
	`{"added_tokens":[{"id":3,"content":"<|x|>","special":true}],"pre_tokenizer":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}`,
	`{"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"ByteLevel"}]},"model":{"vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]]}}`,
	`{"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"a"}},{"Sequence":{"id":"A"}}]},"model":{"type":"BPE","byte_fallback":true,"unk_token":"a","vocab":{"a":0,"b":1,"ab":2,"<0x0A>":3},"merges":["a b"]}}`,
}

// FuzzTokenizer holds tokenizer.json to the package's promise: any bytes give a
// vocabulary that encodes, or an error with a name.
func FuzzTokenizer(f *testing.F) {
	for _, text := range tiny {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := new(tokenizerFile)
		if json.Unmarshal(data, file) != nil {
			return
		}
		err := file.check()
		var v *tokenizer.Vocabulary
		if err == nil {
			v, _, err = file.vocabulary(8, "")
		}
		if err != nil {
			if !errors.Is(err, ErrConfig) && !errors.Is(err, ErrUnsupported) {
				t.Errorf("an error without a name: %v", err)
			}
			return
		}
		file.PostProcessor.around()
		if encoder, err := tokenizer.New(*v); err == nil {
			encoder.Encode("ab a\nb <|x|>", true)
		}
	})
}

// FuzzConfig does the same for config.json.
func FuzzConfig(f *testing.F) {
	v, described := byteLevel(f, "gpt-2", false)
	for class := range families {
		made := newFolder(small(class), v, described)
		data, err := stdjson.Marshal(made.config)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"architectures":["LlamaForCausalLM"],"rope_parameters":{"rope_type":"llama3","rope_theta":500000,"factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":8192}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := new(config)
		if json.Unmarshal(data, c) != nil {
			return
		}
		if err := c.check(); err != nil {
			if !errors.Is(err, ErrConfig) && !errors.Is(err, ErrUnsupported) {
				t.Errorf("an error without a name: %v", err)
			}
			return
		}
		if c.scaling != nil && c.headDim < 1<<10 {
			for i, factor := range c.frequencyFactors() {
				if !(factor >= 1) {
					t.Errorf("frequency %d is divided by %g", i, factor)
				}
			}
		}
	})
}
