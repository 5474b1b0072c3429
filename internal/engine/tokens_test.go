package engine

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/engine/tokenizer"
)

// tokens are what llama.cpp makes of texts with one vocabulary.
type tokens struct {
	Plain   [][]int32 `json:"plain"`
	Special [][]int32 `json:"special"`
	Marked  [][]int32 `json:"marked"` // with BOS and EOS; by tokens.py alone
	Ends    []int32   `json:"ends"`
	Pieces  [][]byte  `json:"pieces"` // by tokens.py alone
}

// askTokens runs tokens.mjs or tokens.py.
func askTokens[T string | []byte](t *testing.T, program, script string, paths []string, texts []T) []tokens {
	t.Helper()
	return runLlamaCpp[tokens](t, program, script, map[string]any{"texts": texts, "paths": paths}, len(paths))
}

// cutter is a vocabulary to compare with llama.cpp.
type cutter struct {
	name, path string
	own        *Vocabulary
}

func newCutter(t *testing.T, name string, v tokenizer.Vocabulary) cutter {
	t.Helper()
	c := cutter{name: name, path: writeVocabulary(t, v)}
	var err error
	if c.own, err = OpenVocabulary(c.path); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return c
}

// preTokenizers has one name for each way to cut.
var preTokenizers = []string{"default", "falcon", "gpt-2", "smollm", "llama-bpe", "dbrx", "qwen2", "qwen35", "seed-coder", "tekken", "gpt-4o",
	"deepseek-llm", "deepseek-coder", "deepseek-v3"}

// byteLevels are a vocabulary for each of the named pre-tokenizers.
func byteLevels(t *testing.T, names []string) []cutter {
	t.Helper()
	v := byteLevelVocabulary()
	all := make([]cutter, len(names))
	for i, pre := range names {
		v.Pre = pre
		all[i] = newCutter(t, "gpt2/"+pre, v)
	}
	return all
}

// cutters are a vocabulary for each pre-tokenizer and those of SentencePiece
// with its settings.
func cutters(t *testing.T) []cutter {
	t.Helper()
	yes, no := true, false
	all := byteLevels(t, preTokenizers)
	pieces := sentencePieceVocabulary()
	for name, change := range map[string]func(*tokenizer.Vocabulary){
		"plain":           func(*tokenizer.Vocabulary) {},
		"no prefix":       func(v *tokenizer.Vocabulary) { v.SpacePrefix, v.AddBOS, v.AddEOS = &no, &no, &yes },
		"Phi-3 mini":      func(v *tokenizer.Vocabulary) { v.Name = "Phi-3 mini" },
		"no scores worth": func(v *tokenizer.Vocabulary) { clear(v.Scores) },
	} {
		v := pieces
		v.Scores = slices.Clone(pieces.Scores)
		change(&v)
		all = append(all, newCutter(t, "llama/"+name, v))
	}
	return all
}

// compare reports where the own tokens differ from llama.cpp's.
func (c cutter) compare(t *testing.T, texts []string, theirs tokens) {
	t.Helper()
	failures, unknown := 0, int32(0)
	if strings.HasPrefix(c.name, "gpt2/") {
		unknown = -1
	}
	check := func(what, text string, own, their []int32) {
		if !slices.Equal(own, their) {
			if failures++; failures < 6 {
				t.Errorf("%s of %q:\nour tokens  %v %q\nllama.cpp's %v %q", what, text, own, c.texts(own), their, c.texts(their))
			}
		}
	}
	for i, text := range texts {
		special := c.own.Encode(text, true)
		if theirs.Marked != nil {
			check("marks", text, special, theirs.Marked[i])
		}
		if c.own.AddsBOS() {
			special = special[1:]
		}
		if c.own.AddsEOS() {
			special = special[:len(special)-1]
		}
		// Where its merges happen to spell a control token, llama.cpp takes a user's
		// text for one. We never do.
		if !slices.ContainsFunc(theirs.Plain[i], func(id int32) bool { return c.own.IsControl(id) && id != unknown }) {
			check("text", text, c.own.Encode(text, false), theirs.Plain[i])
		}
		check("special tokens", text, special, theirs.Special[i])
	}
	for id := range int32(c.own.Size()) {
		if ends := slices.Contains(theirs.Ends, id); c.own.EndsText(id) != ends {
			t.Errorf("token %d, %q, ends a text: %t, in llama.cpp %t", id, c.own.Text(id), !ends, ends)
		}
		if theirs.Pieces != nil && len(theirs.Pieces[id]) > 0 && !bytes.Equal(c.own.Piece(id), theirs.Pieces[id]) {
			t.Errorf("token %d is %q, in llama.cpp %q", id, c.own.Piece(id), theirs.Pieces[id])
		}
	}
	if failures > 0 {
		t.Errorf("%d of %d differ", failures, 2*len(texts))
	}
}

func (c cutter) texts(ids []int32) []string {
	var texts []string
	for _, id := range ids {
		texts = append(texts, string(c.own.Piece(id)))
	}
	return texts
}

// TestTokensAreThoseOfLlamaCpp compares ids one by one, for each pre-tokenizer.
func TestTokensAreThoseOfLlamaCpp(t *testing.T) {
	compareAll(t, cutters(t), tokenTexts())
	// llama.cpp's regular expressions are slow, so other names have fewer texts.
	others := slices.DeleteFunc(tokenizer.PreTokenizers(), func(name string) bool { return slices.Contains(preTokenizers, name) })
	compareAll(t, byteLevels(t, others), randomTexts(40, snippets))
}

func compareAll(t *testing.T, all []cutter, texts []string) {
	t.Helper()
	theirs := askTokens(t, "node", "tokens.mjs", paths(all), texts)
	for i, c := range all {
		t.Run(c.name, func(t *testing.T) { c.compare(t, texts, theirs[i]) })
	}
}

func paths(all []cutter) []string {
	paths := make([]string, len(all))
	for i, c := range all {
		paths[i] = c.path
	}
	return paths
}

// TestTokensOfAnyBytes compares with llama.cpp's library on texts that are no
// UTF-8. It takes each byte that is none for U+FFFD before it cuts bytes; we
// keep the byte, and compare with what we make of U+FFFD.
func TestTokensOfAnyBytes(t *testing.T) {
	broken := append(slices.Clone(snippets), "\x80", "\xbf", "\xc3", "\xe2", "\xe2\x82", "\xf1", "\xf1\x80\x80", "\xf8", "\xff", "\xfe\xff")
	texts := randomTexts(300, broken)
	for b := range 256 {
		one := string([]byte{byte(b)})
		texts = append(texts, one, "a"+one+" "+one+"1")
	}
	raw := make([][]byte, len(texts))
	for i, text := range texts {
		raw[i] = []byte(text)
	}
	valid := make([]string, len(texts))
	for i, text := range texts {
		valid[i] = string([]rune(text))
	}
	all := cutters(t)
	theirs := askTokens(t, "python3", "tokens.py", paths(all), raw)
	for i, c := range all {
		t.Run(c.name, func(t *testing.T) {
			if strings.HasPrefix(c.name, "gpt2/") {
				c.compare(t, valid, theirs[i])
			} else {
				c.compare(t, texts, theirs[i])
			}
		})
	}
}
