package engine

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

const tokensFile = "../../spec/vectors/tokenizer/v1.json"

// textVectors are texts and the ids that a model's vocabulary has for them.
type textVectors struct {
	Comment string       `json:"comment"`
	Model   source       `json:"model"`
	Texts   []textVector `json:"texts"`
}

type textVector struct {
	// Text is the text, or Hex its bytes if they are no UTF-8.
	Text string `json:"text,omitempty"`
	Hex  string `json:"hex,omitempty"`
	// Plain are the ids of a user's text, Special those where names of special
	// tokens are the tokens, if they differ.
	Plain   []int32 `json:"plain"`
	Special []int32 `json:"special,omitempty"`
}

// TestTokenizerVectors proves spec/engine.md, "Tokenizers", for the model that ships.
func TestTokenizerVectors(t *testing.T) {
	var published textVectors
	if *update {
		published = newTextVectors()
	} else {
		readVectors(t, tokensFile, &published)
	}
	m := published.Model.model(t)
	for i := range published.Texts {
		v := &published.Texts[i]
		raw, err := hex.DecodeString(v.Hex)
		if err != nil {
			t.Fatal(err)
		}
		text := v.Text + string(raw)
		plain, special := m.Encode(text, false), m.Encode(text, true)
		if *update {
			if v.Plain = plain; !slices.Equal(plain, special) {
				v.Special = special
			}
		}
		if v.Special == nil {
			v.Special = v.Plain
		}
		if !slices.Equal(plain, v.Plain) || !slices.Equal(special, v.Special) {
			t.Errorf("%q: computed %v and %v, published %v and %v", text, plain, special, v.Plain, v.Special)
		}
		if back := string(m.Decode(plain)); back != text {
			t.Errorf("%q came back as %q", text, back)
		}
		if slices.Equal(v.Plain, v.Special) {
			v.Special = nil
		}
	}
	writeVectors(t, tokensFile, published)
}

// newTextVectors chooses what is published.
func newTextVectors() textVectors {
	v := textVectors{
		Comment: "Texts and their token ids: see spec/engine.md. Made and checked by TestTokenizerVectors.",
		Model:   source{File: shipped},
	}
	for _, text := range slices.Concat(hardTexts, []string{
		"<|endoftext|>", "a<|endoftext|><|endoftext|> b", "<|endoftext", "\r\n\r\n \t \n", "١٢٣٤٥ Ⅷ ½¾", "हिन्दी ไทย עברית",
		"\x00\x01\x1b[0m\x7f\u0080\u0085", "func main() {\n\tfmt.Println(\"hi\")\n}\n", strings.Repeat("\n", 20) + strings.Repeat("ab", 20),
	}) {
		if text != "" {
			v.Texts = append(v.Texts, textVector{Text: text})
		}
	}
	all := make([]byte, 256)
	for b := range all {
		all[b] = byte(b)
	}
	for _, raw := range []string{string(all), "\xff", "the\xc3", "\xe2\x82 x", "\xf8\x80\x80", "\xed\xa0\x80 \xc0\xaf", "a\x80\xbfb 北\xe4\xba"} {
		v.Texts = append(v.Texts, textVector{Hex: hex.EncodeToString([]byte(raw))})
	}
	return v
}
