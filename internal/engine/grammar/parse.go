package grammar

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Bounds of a grammar's source.
const (
	// MaxSource bounds a source, in bytes.
	MaxSource = 256 << 10
	// MaxRepetition bounds m and n of {m,n}.
	MaxRepetition = 1 << 14
	maxElements   = 1 << 17 // of all rules, repetitions written out
	maxNesting    = 200     // of groups
)

// ErrSyntax is what every [SyntaxError] is.
var ErrSyntax = errors.New("invalid grammar")

// SyntaxError says what is wrong with a grammar, and where. Lines and columns
// count from 1, columns in characters.
type SyntaxError struct {
	Line, Column int
	Reason       string
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid grammar: line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// Is makes every SyntaxError match [ErrSyntax].
func (e *SyntaxError) Is(target error) bool { return target == ErrSyntax }

// element is part of an alternate: a rule's number, or a set's as ^number.
type element int32

// rule is the alternates of one name, of a group, or of a repetition.
type rule struct {
	alternates [][]element
	defined    bool
	loop       bool // of * and +: its alternates are a body with itself, and nothing
	at         int  // where it is defined, or used first
}

// parser reads one source. Its methods panic with *SyntaxError.
type parser struct {
	source   string
	at       int
	names    map[string]int
	rules    []rule
	sets     setTable
	chains   map[element][]element // rules that repeat an element up to 1, 2, … times
	loops    map[element]element   // rules that repeat one without end
	elements int
	nesting  int
}

// Parse reads a grammar. Its errors are [*SyntaxError].
//
// The format is that of llama.cpp (grammars/README.md there): rules
// `name ::= alternate | alternate`, of literals in quotes, character classes in
// brackets, `.` for any character, names, and groups in parentheses, each
// repeated by `*`, `+`, `?`, `{m}`, `{m,}` or `{m,n}`. The escapes are \n, \r,
// \t, \\, \", \[, \], \xHH, \uHHHH and \UHHHHHHHH; # begins a comment. A text
// matches if the rule named root does. Left recursion is refused.
func Parse(source string) (g *Grammar, err error) {
	p := &parser{source: source, names: map[string]int{}, chains: map[element][]element{}, loops: map[element]element{}}
	defer func() {
		switch failed := recover().(type) {
		case nil:
		case *SyntaxError:
			g, err = nil, failed
		default:
			panic(failed)
		}
	}()
	if len(source) > MaxSource {
		p.fail(0, "it has %d bytes, at most %d are allowed", len(source), MaxSource)
	}
	for i, r := range source {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(source[i:]); size == 1 {
				p.fail(i, "not valid UTF-8")
			}
		}
	}
	for p.space(true); p.at < len(source); p.space(true) {
		p.rule()
	}
	return p.compile(), nil
}

func (p *parser) fail(at int, format string, args ...any) {
	line, start := 1, 0
	for i := range at {
		if p.source[i] == '\n' {
			line, start = line+1, i+1
		}
	}
	panic(&SyntaxError{line, utf8.RuneCountInString(p.source[start:at]) + 1, fmt.Sprintf(format, args...)})
}

// peek is the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.at == len(p.source) {
		return 0
	}
	return p.source[p.at]
}

// space skips blanks and comments, and the ends of lines where they mean nothing.
func (p *parser) space(lines bool) {
	for p.at < len(p.source) {
		switch c := p.source[p.at]; {
		case c == '#':
			for p.at < len(p.source) && p.source[p.at] != '\n' && p.source[p.at] != '\r' {
				p.at++
			}
		case c == ' ' || c == '\t' || lines && (c == '\n' || c == '\r'):
			p.at++
		default:
			return
		}
	}
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

func (p *parser) name() string {
	from := p.at
	for isWord(p.peek()) {
		p.at++
	}
	if p.at == from {
		p.fail(from, "a rule's name is expected")
	}
	return p.source[from:p.at]
}

// add makes a rule.
func (p *parser) add(r rule) element {
	p.rules = append(p.rules, r)
	p.grow(1)
	for _, a := range r.alternates {
		p.grow(len(a) + 1)
	}
	return element(len(p.rules) - 1)
}

func (p *parser) grow(n int) {
	if p.elements += n; p.elements > maxElements {
		p.fail(p.at, "the grammar is too large: with its repetitions it has more than %d elements", maxElements)
	}
}

// named is the rule of a name.
func (p *parser) named(name string, at int) element {
	id, ok := p.names[name]
	if !ok {
		id = int(p.add(rule{at: at}))
		p.names[name] = id
	}
	return element(id)
}

// rule reads one definition.
func (p *parser) rule() {
	at := p.at
	name := p.name()
	p.space(false)
	if len(p.source)-p.at < 3 || p.source[p.at:p.at+3] != "::=" {
		p.fail(p.at, "::= is expected after the name %q", name)
	}
	p.at += 3
	p.space(true)
	id := p.named(name, at)
	if p.rules[id].defined {
		p.fail(at, "the rule %q is defined twice", name)
	}
	p.rules[id].at, p.rules[id].defined = at, true
	alternates := p.alternates(false)
	p.rules[id].alternates = alternates
	if c := p.peek(); c != 0 && c != '\n' && c != '\r' {
		p.fail(p.at, "the end of the rule %q is expected, not %q", name, firstRune(p.source[p.at:]))
	}
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// alternates reads what | separates; within a group lines may end.
func (p *parser) alternates(nested bool) [][]element {
	list := [][]element{p.sequence(nested)}
	for p.peek() == '|' {
		p.at++
		p.space(true)
		list = append(list, p.sequence(nested))
	}
	return list
}

// sequence reads symbols, each with its repetitions.
func (p *parser) sequence(nested bool) []element {
	var seq []element
	last := -1 // where the last symbol begins, for repetitions
	for {
		at, before := p.at, len(seq)
		switch c := p.peek(); {
		case c == '"':
			seq, last = p.literal(seq), before
		case c == '[':
			seq, last = append(seq, p.class()), before
		case c == '.':
			p.at++
			seq, last = append(seq, p.set([]span{{0, utf8.MaxRune}})), before
		case c == '(':
			seq, last = append(seq, p.group()), before
		case isWord(c):
			seq, last = append(seq, p.named(p.name(), at)), before
		case c == '*' || c == '+' || c == '?' || c == '{':
			least, most := p.bounds()
			if last < 0 {
				p.fail(at, "%q has nothing before it to repeat", c)
			}
			seq = p.repeat(seq, last, least, most)
			p.grow(len(seq) - before)
			p.space(nested)
			continue
		default:
			return seq
		}
		p.grow(len(seq) - before)
		p.space(nested)
	}
}

func (p *parser) group() element {
	at := p.at
	if p.nesting++; p.nesting > maxNesting {
		p.fail(at, "groups are nested deeper than %d", maxNesting)
	}
	p.at++
	p.space(true)
	alternates := p.alternates(true)
	if p.peek() != ')' {
		if p.at == len(p.source) {
			p.fail(at, "this group is not closed")
		}
		p.fail(p.at, "%q is not expected in a group", firstRune(p.source[p.at:]))
	}
	p.at++
	p.nesting--
	return p.add(rule{alternates: alternates, defined: true, at: at})
}
