package tokenizer

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// class sorts characters as the expressions' character sets do. White space is
// a class of its own, whatever general category it has.
type class byte

const (
	other    class = '-'
	letter   class = 'L' // \p{L}
	number   class = 'N' // \p{N}
	mark     class = 'M' // \p{M}
	punct    class = 'P' // \p{P}
	symbolic class = 'S' // \p{S}
	space    class = 'W' // \s
)

// unicodeClasses has, in ascending order, the characters whose class differs
// from the one's before: of Unicode 15.1, as in llama.cpp's unicode-data.cpp.
// Go's tables change with its releases, and with them texts would be cut
// differently by those who have to agree.
//
//go:embed unicode-15.1.txt
var unicodeClasses string

// pageSize is how many characters' classes are kept together; equal pages are shared.
const pageSize = 256

var classes = func() (pages [(utf8.MaxRune + 1) / pageSize]*[pageSize]class) {
	shared := map[[pageSize]class]*[pageSize]class{}
	var page [pageSize]class
	current, next := other, 0
	fill := func(to int) {
		for next < to {
			page[next%pageSize] = current
			if next++; next%pageSize > 0 {
				continue
			}
			if shared[page] == nil {
				copied := page
				shared[page] = &copied
			}
			pages[next/pageSize-1] = shared[page]
		}
	}
	for line := range strings.Lines(unicodeClasses) {
		from, kind, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		r, err := strconv.ParseInt(from, 16, 32)
		if !ok || err != nil || len(kind) != 1 {
			panic(fmt.Sprintf("unicode-15.1.txt has the line %q", line))
		}
		fill(int(r))
		current = class(kind[0])
	}
	fill(utf8.MaxRune + 1)
	return pages
}()

func classOf(r rune) class { return classes[r/pageSize][r%pageSize] }

// first is a text's first character, its class, and its length in bytes. Bytes
// that are no UTF-8 are as U+FFFD, one by one. An empty text has the class 0.
func first(text string) (rune, class, int) {
	if text == "" {
		return 0, 0, 0
	}
	r, n := utf8.DecodeRuneInString(text)
	return r, classOf(r), n
}

// run is the length of the characters at the beginning of text that belong.
func run(text string, belongs func(rune, class) bool) int {
	n := 0
	for n < len(text) {
		r, c, size := first(text[n:])
		if !belongs(r, c) {
			break
		}
		n += size
	}
	return n
}
