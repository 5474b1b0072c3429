package huggingface

import (
	"fmt"
	"slices"
	"strings"

	"github.com/koinon/koinon/internal/engine/tokenizer"
)

// step is a normaliser or a pre-tokenizer of tokenizer.json, or a sequence of them.
type step struct {
	Type          string `json:"type"`
	Normalizers   []step `json:"normalizers"`
	PreTokenizers []step `json:"pretokenizers"`

	Pattern          pattern `json:"pattern"`
	Behavior         string  `json:"behavior"`
	Invert           bool    `json:"invert"`
	UseRegex         *bool   `json:"use_regex"`
	AddPrefixSpace   *bool   `json:"add_prefix_space"`
	IndividualDigits bool    `json:"individual_digits"`
	Replacement      string  `json:"replacement"`
	PrependScheme    string  `json:"prepend_scheme"`
	Prepend          string  `json:"prepend"`
	Content          string  `json:"content"`
}

type pattern struct {
	Regex  string `json:"Regex"`
	String string `json:"String"`
}

// flat appends the steps of a sequence, and those of sequences in it.
func (s *step) flat(list []step) []step {
	if s == nil {
		return list
	}
	if s.Type != "Sequence" {
		return append(list, *s)
	}
	for _, inner := range [][]step{s.Normalizers, s.PreTokenizers} {
		for i := range inner {
			list = inner[i].flat(list)
		}
	}
	return list
}

// String describes a pre-tokenizer so that equal ones have equal descriptions.
func (s step) String() string {
	switch s.Type {
	case "Split":
		if s.Pattern.Regex == "" {
			return fmt.Sprintf("Split text %q %s", s.Pattern.String, s.Behavior)
		}
		// Some families write the control characters themselves.
		regex := strings.NewReplacer("\r", `\r`, "\n", `\n`).Replace(s.Pattern.Regex)
		return fmt.Sprintf("Split %s %s invert=%t", regex, s.Behavior, s.Invert)
	case "ByteLevel":
		return fmt.Sprintf("ByteLevel regex=%t", s.UseRegex == nil || *s.UseRegex)
	case "Digits":
		return fmt.Sprintf("Digits individual=%t", s.IndividualDigits)
	case "Punctuation":
		return "Punctuation " + s.Behavior
	}
	return s.Type
}

// Expressions of pre-tokenizers, as the families publish them.
const (
	contractions = `(?i:'s|'t|'re|'ve|'m|'ll|'d)`
	afterWords   = `|\s*[\r\n]+|\s+(?!\S)|\s+`
	cased        = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`
	capitals     = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*`

	llama3Words = contractions + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*` + afterWords
	qwen2Words  = contractions + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*` + afterWords
	tekkenWords = cased + `|` + capitals + `|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*` + afterWords
	gpt4oWords  = cased + contractions + `?|` + capitals + contractions + `?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*` + afterWords
	deepSeek3   = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+" + `|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*` + afterWords
)

// recognised are the descriptions of pre-tokenizers and their names in GGUF's
// tokenizer.ggml.pre. Of names that cut alike the best known stands here.
var recognised = func() map[string]string {
	split := func(expression string) string {
		return step{Type: "Split", Pattern: pattern{Regex: expression}, Behavior: "Isolated"}.String()
	}
	const bytes, words = "ByteLevel regex=false", "ByteLevel regex=true"
	return map[string]string{
		words:                                 "gpt-2",
		join("Digits individual=true", words): "smollm",
		join(split(llama3Words), bytes):       llama3Name,
		join(split(qwen2Words), bytes):        "qwen2",
		join(split(tekkenWords), bytes):       "tekken",
		join(split(gpt4oWords), bytes):        "gpt-4o",
		join(split(`\p{N}{1,3}`), split(`[一-龥぀-ゟ゠-ヿ]+`), split(deepSeek3), bytes):                  "deepseek-v3",
		join("Punctuation Contiguous", words, "Digits individual=false", split(`[0-9][0-9][0-9]`)): "falcon",
	}
}()

// Of the pre-tokenizers with Llama 3's expression, this takes words that are
// tokens whole (ignore_merges), the other does not.
const llama3Name, llama3Merging = "llama-bpe", "dbrx"

// maxDescription is the bytes of a pre-tokenizer that an error repeats.
const maxDescription = 1000

func join(steps ...string) string { return strings.Join(steps, "; ") }

// preTokenizerName is GGUF's name of a byte-level pre-tokenizer: the one chosen,
// or that of its description.
func (t *tokenizerFile) preTokenizerName(chosen string) (string, error) {
	if chosen != "" {
		if !slices.Contains(tokenizer.PreTokenizers(), chosen) {
			return "", fmt.Errorf("%w: --pre %q; known are %s", ErrUnsupported, chosen, strings.Join(tokenizer.PreTokenizers(), ", "))
		}
		return chosen, nil
	}
	var steps []string
	for _, s := range t.PreTokenizer.flat(nil) {
		if s.Type == "ByteLevel" && s.AddPrefixSpace != nil && *s.AddPrefixSpace {
			return "", fmt.Errorf("%w: pre_tokenizer: ByteLevel has add_prefix_space, which no pre-tokenizer here has", ErrUnsupported)
		}
		steps = append(steps, s.String())
	}
	name, ok := recognised[join(steps...)]
	if !ok {
		description := join(steps...)
		description = description[:min(len(description), maxDescription)]
		return "", fmt.Errorf("%w: pre_tokenizer %q is none that is known; if it cuts text as one of these does, name that with --pre: %s",
			ErrUnsupported, description, strings.Join(tokenizer.PreTokenizers(), ", "))
	}
	if name == llama3Name && !t.Model.IgnoreMerges {
		name = llama3Merging
	}
	return name, nil
}
