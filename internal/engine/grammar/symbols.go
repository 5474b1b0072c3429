package grammar

import (
	"unicode/utf8"
)

// literal appends the characters between quotes.
func (p *parser) literal(seq []element) []element {
	from := p.at
	for p.at++; p.at < len(p.source); {
		if p.peek() == '"' {
			p.at++
			return seq
		}
		r := p.char()
		seq = append(seq, p.set([]span{{r, r}}))
	}
	p.fail(from, "this literal is not closed")
	return nil
}

// class reads a set of characters in brackets.
func (p *parser) class() element {
	from := p.at
	p.at++
	negated := p.peek() == '^'
	if negated {
		p.at++
	}
	var spans []span
	for p.peek() != ']' {
		at := p.at
		s := span{low: p.member(from)}
		s.high = s.low
		if p.peek() == '-' && p.at+1 < len(p.source) && p.source[p.at+1] != ']' {
			p.at++
			s.high = p.member(from)
		}
		if s.high < s.low {
			p.fail(at, "the range ends before it begins")
		}
		spans = append(spans, s)
	}
	p.at++
	spans = normalise(spans)
	if negated {
		spans = complement(spans)
	}
	if len(spans) == 0 {
		p.fail(from, "the class has no characters")
	}
	return p.set(spans)
}

// member is a character of a class.
func (p *parser) member(from int) rune {
	if p.at == len(p.source) {
		p.fail(from, "this class is not closed")
	}
	return p.char()
}

// char reads a character or an escape.
func (p *parser) char() rune {
	if p.at == len(p.source) {
		p.fail(p.at, "the grammar ends within a literal or a class")
	}
	r, size := utf8.DecodeRuneInString(p.source[p.at:])
	if r != '\\' {
		p.at += size
		return r
	}
	at := p.at
	p.at++
	c := p.peek()
	p.at = min(p.at+1, len(p.source))
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case '\\', '"', '[', ']':
		return rune(c)
	case 'x':
		return p.hex(at, 2)
	case 'u':
		return p.hex(at, 4)
	case 'U':
		return p.hex(at, 8)
	}
	p.fail(at, "unknown escape")
	return 0
}

func (p *parser) hex(at, digits int) rune {
	var v uint32
	for range digits {
		c := p.peek()
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | uint32(c-'0')
		case c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
			v = v<<4 | uint32(c&^0x20-'A'+10)
		default:
			p.fail(at, "the escape needs %d hexadecimal digits", digits)
		}
		p.at++
	}
	if v > utf8.MaxRune || v >= 0xd800 && v <= 0xdfff {
		p.fail(at, "the escape is no character")
	}
	return rune(v)
}

// bounds reads a repetition; most is −1 for none.
func (p *parser) bounds() (least, most int) {
	at, c := p.at, p.peek()
	p.at++
	switch c {
	case '*':
		return 0, -1
	case '+':
		return 1, -1
	case '?':
		return 0, 1
	}
	p.space(false)
	least = p.number()
	most = least
	p.space(false)
	if p.peek() == ',' {
		p.at++
		p.space(false)
		if most = -1; p.peek() != '}' {
			most = p.number()
			p.space(false)
		}
	}
	if p.peek() != '}' {
		p.fail(p.at, "} is expected")
	}
	p.at++
	if most >= 0 && most < least {
		p.fail(at, "the most repetitions are fewer than the least")
	}
	return least, most
}

func (p *parser) number() int {
	from, n := p.at, 0
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		if n = 10*n + int(c-'0'); n > MaxRepetition {
			p.fail(from, "more than %d repetitions", MaxRepetition)
		}
		p.at++
	}
	if p.at == from {
		p.fail(from, "a number is expected")
	}
	return n
}

// repeat replaces the end of a sequence by its repetitions. A bounded rest is a
// chain of rules, each the body and the rest of the chain, or nothing; an
// unbounded one is a rule of the body and itself, or nothing. Their last element
// needs no place on a stack, so that long repetitions are not deep.
func (p *parser) repeat(seq []element, from, least, most int) []element {
	if from == len(seq) { // an empty literal
		return seq
	}
	body := seq[from]
	if len(seq)-from > 1 {
		whole := append([]element(nil), seq[from:]...)
		body = p.add(rule{alternates: [][]element{whole}, defined: true, at: p.at})
	}
	seq = seq[:from:from]
	for range least {
		seq = append(seq, body)
	}
	switch {
	case most < 0:
		loop, ok := p.loops[body]
		if !ok {
			loop = p.add(rule{defined: true, loop: true, at: p.at})
			p.rules[loop].alternates = [][]element{{body, loop}, {}}
			p.grow(4)
			p.loops[body] = loop
		}
		seq = append(seq, loop)
	case most > least:
		chain := p.chains[body]
		for len(chain) < most-least {
			more := []element{body}
			if len(chain) > 0 {
				more = append(more, chain[len(chain)-1])
			}
			chain = append(chain, p.add(rule{alternates: [][]element{more, {}}, defined: true, at: p.at}))
		}
		p.chains[body] = chain
		seq = append(seq, chain[most-least-1])
	}
	return seq
}
