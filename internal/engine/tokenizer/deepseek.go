package tokenizer

import (
	"slices"
	"strings"
)

// belongs says whether a character is in a set.
type belongs func(r rune, c class) bool

func isLetter(_ rune, c class) bool  { return c == letter }
func isNumber(_ rune, c class) bool  { return c == number }
func isPunct(_ rune, c class) bool   { return c == punct }
func isNewline(r rune, _ class) bool { return r == '\r' || r == '\n' }

// isSign is [\p{P}…], with some signs besides.
func isSign(signs string) belongs {
	return func(r rune, c class) bool { return c == punct || c == symbolic && strings.ContainsRune(signs, r) }
}

// isEastAsian is [一-龥ࠀ-一가-퟿], without the white space in it: llama.cpp puts
// another character in its place before it matches sets without categories.
func isEastAsian(r rune, c class) bool {
	return c != space && (r >= 0x800 && r <= 0x9fa5 || r >= 0xac00 && r <= 0xd7ff)
}

// isCJK is [一-龥぀-ゟ゠-ヿ].
func isCJK(r rune, _ class) bool { return r >= 0x4e00 && r <= 0x9fa5 || r >= 0x3040 && r <= 0x30ff }

// isDeepSeekPunct is [!-/:-~！-／：-～‘-‟　-。].
func isDeepSeekPunct(r rune, c class) bool {
	return r >= '!' && r <= '/' || r >= ':' && r <= '~' || r >= 0xff01 && r <= 0xff0f || r >= 0xff1a && r <= 0xff5e ||
		r >= 0x2018 && r <= 0x201f || r >= 0x3000 && r <= 0x3002 && c != space
}

// isPunctOrSymbol is [\p{P}\p{S}]. In llama.cpp's ASCII ~ is neither.
func isPunctOrSymbol(r rune, c class) bool { return (c == punct || c == symbolic) && r != '~' }

// one matches single characters.
func one(in belongs) expression {
	return func(text string) (int, bool) {
		r, c, n := first(text)
		return n, in(r, c)
	}
}

// many matches one character or more.
func many(in belongs) expression {
	return func(text string) (int, bool) {
		if n := run(text, in); n > 0 {
			return n, true
		}
		_, _, n := first(text)
		return n, false
	}
}

// upTo3 matches one to three characters.
func upTo3(in belongs) expression {
	return func(text string) (int, bool) {
		left := 3
		return many(func(r rune, c class) bool { left--; return left >= 0 && in(r, c) })(text)
	}
}

// spaced matches one character or more after white space or not.
func spaced(in belongs) expression {
	return func(text string) (int, bool) {
		_, c, start := first(text)
		if c != space {
			start = 0
		}
		if n := run(text[start:], in); n > 0 {
			return start + n, true
		}
		_, _, n := first(text)
		return n, false
	}
}

// threeDigits is [0-9][0-9][0-9].
func threeDigits(text string) (int, bool) {
	for i := range 3 {
		if i == len(text) || text[i] < '0' || text[i] > '9' {
			// No match begins before the character that spoils this one.
			_, _, n := first(text[min(i, len(text)-1):])
			return min(i+n, len(text)), false
		}
	}
	return 3, true
}

// trailingSpace is \s+$.
func trailingSpace(text string) (int, bool) {
	n := run(text, func(_ rune, c class) bool { return c == space })
	if n == len(text) {
		return n, true
	}
	return n + run(text[n:], func(_ rune, c class) bool { return c != space }), false
}

// deepSeek3 is the third expression of DeepSeek-V3:
//
//	[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|
//	 ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
func deepSeek3(text string) (int, bool) {
	r, c, size := first(text)
	if r < 0x80 && (c == punct || c == symbolic) {
		if n := run(text[1:], func(r rune, _ class) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' }); n > 0 {
			return 1 + n, true
		}
	}
	inWord := func(_ rune, c class) bool { return c == letter || c == mark }
	if c != letter && !isPunctOrSymbol(r, c) && !isNewline(r, c) {
		if n := run(text[size:], inWord); n > 0 {
			return size + n, true
		}
	}
	if n := run(text, inWord); n > 0 {
		return n, true
	}
	start := 0
	if r == ' ' {
		start = 1
	}
	if n := run(text[start:], isPunctOrSymbol); n > 0 {
		n += start
		return n + run(text[n:], isNewline), true
	}
	if c == space {
		return spaces(text, true), true
	}
	return size, false
}

// isCased is DeepSeek-LLM's set of the letters that have cases.
func isCased(r rune, _ class) bool {
	i, _ := slices.BinarySearchFunc(cased, r, func(interval [2]rune, r rune) int { return int(interval[1] - r) })
	return i < len(cased) && r >= cased[i][0]
}

var cased = [][2]rune{
	{0x41, 0x5A}, {0x61, 0x7A}, {0xB5, 0xB5}, {0xC0, 0xD6}, {0xD8, 0xF6}, {0xF8, 0x1BA}, {0x1BC, 0x1BF},
	{0x1C4, 0x293}, {0x295, 0x2AF}, {0x370, 0x373}, {0x376, 0x376}, {0x377, 0x377}, {0x37B, 0x37D},
	{0x37F, 0x37F}, {0x386, 0x386}, {0x388, 0x38A}, {0x38C, 0x38C}, {0x38E, 0x3A1}, {0x3A3, 0x3F5},
	{0x3F7, 0x481}, {0x48A, 0x52F}, {0x531, 0x556}, {0x10A0, 0x10C5}, {0x13A0, 0x13F5}, {0x13F8, 0x13FD},
	{0x1C90, 0x1CBA}, {0x1CBD, 0x1CBF}, {0x1D00, 0x1D2B}, {0x1D6B, 0x1D77}, {0x1D79, 0x1D9A}, {0x1E00, 0x1F15},
	{0x1F18, 0x1F1D}, {0x1F20, 0x1F45}, {0x1F48, 0x1F4D}, {0x1F50, 0x1F57}, {0x1F59, 0x1F59}, {0x1F5B, 0x1F5B},
	{0x1F5D, 0x1F5D}, {0x1F5F, 0x1F7D}, {0x1F80, 0x1FB4}, {0x1FB6, 0x1FBC}, {0x1FBE, 0x1FBE}, {0x1FC2, 0x1FC4},
	{0x1FC6, 0x1FCC}, {0x1FD0, 0x1FD3}, {0x1FD6, 0x1FDB}, {0x1FE0, 0x1FEC}, {0x1FF2, 0x1FF4}, {0x1FF6, 0x1FFC},
	{0x2102, 0x2102}, {0x2107, 0x2107}, {0x210A, 0x2113}, {0x2115, 0x2115}, {0x2119, 0x211D}, {0x2124, 0x2124},
	{0x2126, 0x2126}, {0x2128, 0x2128}, {0x212A, 0x212D}, {0x212F, 0x2134}, {0x2139, 0x2139}, {0x213C, 0x213F},
	{0x2145, 0x2149}, {0x214E, 0x214E}, {0x2183, 0x2183}, {0x2184, 0x2184}, {0x2C00, 0x2C7B}, {0x2C7E, 0x2CE4},
	{0x2CEB, 0x2CEE}, {0x2CF2, 0x2CF2}, {0x2CF3, 0x2CF3}, {0xA640, 0xA66D}, {0xA680, 0xA69B}, {0xA722, 0xA76F},
	{0xA771, 0xA787}, {0xA78B, 0xA78E}, {0xAB70, 0xABBF}, {0xFB00, 0xFB06}, {0xFB13, 0xFB17}, {0xFF21, 0xFF3A},
	{0xFF41, 0xFF5A}, {0x10400, 0x1044F}, {0x104B0, 0x104D3}, {0x104D8, 0x104FB}, {0x10C80, 0x10CB2},
	{0x10CC0, 0x10CF2}, {0x118A0, 0x118DF}, {0x1E900, 0x1E943},
}
