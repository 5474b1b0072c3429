package tokenizer

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// preTokenizer cuts text into the pieces that merges may not cross.
type preTokenizer struct {
	// expressions cut one after the other what the ones before have left.
	expressions []expression
	// wholePieces takes a piece that is a token as it is, without merging.
	wholePieces bool
	addBOS      bool
}

// expression is a regular expression, written out. At the beginning of a text
// it gives the length of its match there, or false and the length of what it
// cannot match in. llama.cpp applies std::regex, whose \s is as Unicode's, whose
// character classes are exact, and which takes the first alternative that matches.
type expression func(text string) (n int, matches bool)

// preTokenizers by their names in GGUF's tokenizer.ggml.pre, of which llama.cpp
// (llama_vocab::impl::load) has more: those of a kind are together.
var preTokenizers = func() map[string]preTokenizer {
	all := map[string]preTokenizer{}
	add := func(p preTokenizer, names ...string) {
		for _, name := range names {
			all[name] = p
		}
	}
	of := func(expressions ...expression) preTokenizer { return preTokenizer{expressions: expressions} }
	llama3 := words{digits: 3, tail: "\r\n"}.match
	qwen2 := words{digits: 1, tail: "\r\n"}.match
	tekken := words{digits: 1, tail: "\r\n/", cases: true}.match

	add(of(many(isSign("$+<=>^~|")), gpt2, many(isNumber), threeDigits), "", "default")
	add(of(many(isSign("$+<=>^~|`")), gpt2, threeDigits), "falcon")
	add(of(gpt2), "gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0", "mellum",
		"modern-bert", "jina-v1-en", "jina-v2-code", "roberta-bpe", "exaone4", "mpt", "olmo", "jais", "trillion", "granite-docling")
	add(of(one(isNumber), gpt2), "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b")
	add(preTokenizer{expressions: []expression{llama3}, wholePieces: true, addBOS: true},
		"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano")
	add(of(llama3), "dbrx", "smaug-bpe", "glm4", "chatglm-bpe")
	add(of(qwen2), "qwen2", "deepseek-r1-qwen", "kormo", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2",
		"bailingmoe", "bailingmoe2", "llada-moe")
	add(of(words{digits: 1, tail: "\r\n", marks: true}.match), "qwen35")
	add(of(words{digits: 1}.match), "seed-coder")
	add(preTokenizer{expressions: []expression{tekken}, wholePieces: true, addBOS: true}, "tekken")
	add(of(words{digits: 3, tail: "\r\n/", cases: true, endings: true}.match), "gpt-4o", "llama4", "kanana2", "minimax-m2")
	add(of(one(isNewline), spaced(isCased), spaced(isDeepSeekPunct), trailingSpace, many(isEastAsian), many(isNumber)), "deepseek-llm")
	add(of(one(isNewline), spaced(isLetter), spaced(isPunct), many(isEastAsian), one(isNumber)), "deepseek-coder")
	add(of(upTo3(isNumber), many(isCJK), deepSeek3), "deepseek-v3", "hunyuan-dense", "joyai-llm")
	return all
}()

// PreTokenizers are the names of the pre-tokenizers that byte-level vocabularies
// may have.
func PreTokenizers() []string {
	return slices.Sorted(maps.Keys(preTokenizers))[1:] // the first is "", for none
}

func preTokenizerOf(name string) (preTokenizer, error) {
	p, ok := preTokenizers[name]
	if !ok {
		return p, fmt.Errorf("%w: tokenizer.ggml.pre is %q; supported are %s", ErrPreTokenizer, name, strings.Join(PreTokenizers(), ", "))
	}
	return p, nil
}

// split cuts a text. The pieces joined are the text.
func (p preTokenizer) split(text string) []string {
	pieces := []string{text}
	for _, e := range p.expressions {
		var finer []string
		for _, piece := range pieces {
			finer = e.cut(finer, piece)
		}
		pieces = finer
	}
	return pieces
}

// cut appends an expression's matches and what is between them.
func (e expression) cut(pieces []string, text string) []string {
	skipped := 0
	for skipped < len(text) {
		n, matches := e(text[skipped:])
		if !matches {
			skipped += n
			continue
		}
		if skipped > 0 {
			pieces = append(pieces, text[:skipped])
		}
		pieces, text, skipped = append(pieces, text[skipped:skipped+n]), text[skipped+n:], 0
	}
	if text != "" {
		pieces = append(pieces, text)
	}
	return pieces
}

// Split cuts text as the expression of GPT-2 does (Radford et al., 2019;
// llama.cpp's "gpt-2"):
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// The pieces joined are the text. Bytes that are no UTF-8 count as neither
// letter, number nor space.
func Split(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for len(text) > 0 {
			n, _ := gpt2(text)
			if !yield(text[:n]) {
				return
			}
			text = text[n:]
		}
	}
}

// gpt2 is the expression of [Split]. It matches everywhere.
func gpt2(text string) (int, bool) {
	if n := contraction(text, false); n > 0 {
		return n, true
	}
	start := 0
	_, kind, _ := first(text)
	if text[0] == ' ' && len(text) > 1 {
		if _, next, _ := first(text[1:]); next != space {
			start, kind = 1, next
		}
	}
	if kind == space {
		return spaces(text, false), true
	}
	return start + run(text[start:], func(_ rune, c class) bool {
		return c == kind || kind != letter && kind != number && c != letter && c != number && c != space
	}), true
}

// contraction is the length of 's, 't, 're, 've, 'm, 'll or 'd at the beginning
// of a text, or 0.
func contraction(text string, anyCase bool) int {
	if text == "" || text[0] != '\'' {
		return 0
	}
	for _, c := range []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
		if strings.HasPrefix(text, c) || anyCase && len(text) >= len(c) && strings.EqualFold(text[:len(c)], c) {
			return len(c)
		}
	}
	return 0
}

// spaces is the length of the match of \s*[\r\n]+|\s+(?!\S)|\s+ in a text that
// begins with white space; without lines, of \s+(?!\S)|\s+.
func spaces(text string, lines bool) int {
	end, last, line := 0, 0, 0
	for end < len(text) {
		r, c, n := first(text[end:])
		if c != space {
			break
		}
		last, end = end, end+n
		if r == '\r' || r == '\n' {
			line = end
		}
	}
	switch {
	case lines && line > 0:
		return line
	case end < len(text) && last > 0:
		return last // the last space is the next word's
	}
	return end
}
