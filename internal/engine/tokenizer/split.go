package tokenizer

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// contractions are kept apart from the word before them.
var contractions = []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}

// Split cuts text into the pieces that merges may not cross, as the regular
// expression of GPT-2 does (Radford et al., 2019; llama.cpp's "gpt-2"):
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// The pieces joined are the text. Bytes that are no UTF-8 count as neither
// letter, number nor space.
func Split(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for len(text) > 0 {
			n := pieceLength(text)
			if !yield(text[:n]) {
				return
			}
			text = text[n:]
		}
	}
}

// class sorts runes as the expression's character sets do.
type class int

const (
	other class = iota
	letter
	number
	space
)

func classOf(r rune) class {
	switch {
	case r == utf8.RuneError:
		return other
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return space
	}
	return other
}

// pieceLength is the length in bytes of the first piece of a text that is not empty.
func pieceLength(text string) int {
	if text[0] == '\'' {
		for _, c := range contractions {
			if strings.HasPrefix(text, c) {
				return len(c)
			}
		}
	}
	first, size := utf8.DecodeRuneInString(text)
	start := 0
	if first == ' ' && len(text) > 1 {
		if next, _ := utf8.DecodeRuneInString(text[1:]); classOf(next) != space {
			start, first = 1, next
			_, size = utf8.DecodeRuneInString(text[1:])
		}
	}
	kind := classOf(first)
	end, last := start+size, start
	for end < len(text) {
		r, n := utf8.DecodeRuneInString(text[end:])
		if classOf(r) != kind {
			break
		}
		last, end = end, end+n
	}
	// A run of spaces leaves its last to the word that follows it.
	if kind == space && end < len(text) && last > start {
		return last
	}
	return end
}
