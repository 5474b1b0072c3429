package tokenizer

import "strings"

// words are the expressions since GPT-4. In Llama 3's, with three digits and a
// tail of \r\n, it is
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
//	 ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
type words struct {
	digits int    // how many make a number
	tail   string // what may follow punctuation
	marks  bool   // marks are part of words (Qwen 3.5)
	cases  bool   // words end where small letters are followed by capitals (Tekken, GPT-4o)
	// endings are contractions at the end of a word (GPT-4o); with cases, there
	// are no others.
	endings bool
}

func (w words) match(text string) (int, bool) {
	if !w.cases {
		if n := contraction(text, true); n > 0 {
			return n, true
		}
	}
	r, kind, size := first(text)
	if n := w.word(text, r, kind, size); n > 0 {
		return n, true
	}
	if kind == number {
		left := w.digits
		return run(text, func(_ rune, c class) bool { left--; return left >= 0 && c == number }), true
	}
	start := 0
	if r == ' ' {
		start = 1
	}
	if n := run(text[start:], w.isPunct); n > 0 {
		n += start
		return n + run(text[n:], func(r rune, _ class) bool { return strings.ContainsRune(w.tail, r) }), true
	}
	return spaces(text, true), true
}

// isLetter is \p{L}, or with marks [\p{L}\p{M}].
func (w words) isLetter(_ rune, c class) bool { return c == letter || w.marks && c == mark }

// isPunct is [^\s\p{L}\p{N}], or with marks [^\s\p{L}\p{M}\p{N}].
func (w words) isPunct(r rune, c class) bool { return c != space && c != number && !w.isLetter(r, c) }

// word is the length of letters with one character before them that is not
// letter, number or end of line; 0 if there are none.
func (w words) word(text string, r rune, kind class, size int) int {
	start := 0
	if kind != letter && kind != number && r != '\r' && r != '\n' {
		start = size
	}
	var n int
	if w.cases {
		n = casedWord(text[start:])
	} else {
		n = run(text[start:], w.isLetter)
	}
	if n == 0 && w.isLetter(r, kind) {
		return size // a mark alone, with no letter after it
	}
	if n == 0 {
		return 0
	}
	n += start
	if w.endings {
		n += contraction(text[n:], true)
	}
	return n
}

// casedWord is the length of
//
//	((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+|((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*
//
// by which llama.cpp stands in for capitals and small letters: those that are
// not ASCII are both.
func casedWord(text string) int {
	both := 0 // the end of the last letter that is both
	n := 0
	for n < len(text) {
		r, c, size := first(text[n:])
		if c != letter || r >= 'a' && r <= 'z' {
			break
		}
		if n += size; r > 'Z' {
			both = n
		}
	}
	small := run(text[n:], func(r rune, c class) bool { return c == letter && !(r >= 'A' && r <= 'Z') })
	switch {
	case small > 0:
		return n + small
	case both > 0:
		// The first alternative needs a letter that is not A–Z at its end.
		return both
	}
	return n
}
