package toolcall

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Parser divides an answer, as it comes, into text and calls. Whatever is no
// call of a known tool is text.
type Parser struct {
	format  Format
	names   []string
	held    string // what may be, or is, part of a call
	inside  bool   // held is of a call's body
	opening string // the mark that was taken off before the body
	called  bool   // the last that came was a call
	text    bool   // the answer is text, whatever comes
}

// NewParser makes a parser for one answer. Obliged says that the answer was
// generated under the format's grammar, which leaves a Listed call's mark out.
func NewParser(f Format, tools []Tool, obliged bool) *Parser {
	p := &Parser{format: f, inside: obliged && f == Listed}
	for _, t := range tools {
		p.names = append(p.names, t.Name)
	}
	return p
}

// Push takes the next part of an answer, and returns the text and the calls that
// are certain.
func (p *Parser) Push(part string) (text string, calls []Call) {
	p.held += part
	switch p.format {
	case Tagged:
		return p.tagged()
	case Listed:
		return p.listed()
	case Bare:
		return p.bare()
	}
	text, p.held = p.held, ""
	return text, nil
}

// Flush takes the answer's end, and returns what was held back.
func (p *Parser) Flush() (text string, calls []Call) {
	held := p.held
	p.held = ""
	if p.inside {
		body := held
		if p.format == Tagged { // cut off, or its end was left out
			body, _, _ = strings.Cut(held, tagClose)
		}
		if calls = p.read(body); calls != nil {
			return "", calls
		}
		held = p.opening + held
	}
	return held, nil
}

// tagged gives out all up to the next call that is not whole.
func (p *Parser) tagged() (text string, calls []Call) {
	for {
		if !p.inside {
			if p.called { // white space between calls belongs to their form
				p.held = strings.TrimLeft(p.held, " \n\r\t")
				p.called = p.held == ""
			}
			before, after, found := strings.Cut(p.held, tagOpen)
			if !found {
				keep := partial(p.held, tagOpen)
				text, p.held = text+p.held[:len(p.held)-keep], p.held[len(p.held)-keep:]
				return text, calls
			}
			text += before
			p.held, p.inside, p.opening = after, true, tagOpen
		}
		body, after, found := strings.Cut(p.held, tagClose)
		if !found {
			return text, calls
		}
		p.inside = false
		if read := p.read(body); read != nil {
			calls, p.held, p.called = append(calls, read...), after, true
		} else {
			text, p.held = text+tagOpen+body+tagClose, after
		}
	}
}

// listed gives out all before the mark; what follows it is calls to the end.
func (p *Parser) listed() (text string, calls []Call) {
	if p.inside {
		return "", nil
	}
	before, after, found := strings.Cut(p.held, listOpen)
	if found {
		p.held, p.inside, p.opening = after, true, listOpen
		return before, nil
	}
	keep := partial(p.held, listOpen)
	text, p.held = p.held[:len(p.held)-keep], p.held[len(p.held)-keep:]
	return text, nil
}

// bare holds back an answer that begins like a call.
func (p *Parser) bare() (text string, calls []Call) {
	if p.text {
		text, p.held = p.held, ""
		return text, nil
	}
	if p.inside {
		return "", nil
	}
	start := strings.TrimLeft(p.held, " \n\r\t")
	if after, found := strings.CutPrefix(start, bareOpen); found {
		p.held, p.inside, p.opening = after, true, bareOpen
		return "", nil
	}
	switch {
	case strings.HasPrefix(start, "{"):
		p.inside = true
		return "", nil
	case strings.HasPrefix(bareOpen, start): // too little to tell
		return "", nil
	}
	p.text = true
	text, p.held = p.held, ""
	return text, nil
}

// read reads the body of a call, or of several; nil if it is none.
func (p *Parser) read(body string) []Call {
	type written struct {
		Name       string          `json:"name"`
		Arguments  json.RawMessage `json:"arguments"`
		Parameters json.RawMessage `json:"parameters"`
	}
	var list []written
	trimmed := bytes.TrimSpace([]byte(body))
	if !bytes.HasPrefix(trimmed, []byte("[")) {
		list = make([]written, 1)
		if json.Unmarshal(trimmed, &list[0]) != nil {
			return nil
		}
	} else if json.Unmarshal(trimmed, &list) != nil {
		return nil
	}
	var calls []Call
	for _, w := range list {
		arguments := w.Arguments
		if arguments == nil {
			arguments = w.Parameters
		}
		if arguments == nil {
			arguments = json.RawMessage("{}")
		}
		if !slices.Contains(p.names, w.Name) || arguments[0] != '{' {
			return nil
		}
		calls = append(calls, Call{Name: w.Name, Arguments: string(arguments)})
	}
	return calls
}

// partial is how many bytes at the end of a text begin a mark.
func partial(text, mark string) int {
	for n := min(len(text), len(mark)-1); n > 0; n-- {
		if strings.HasSuffix(text, mark[:n]) {
			return n
		}
	}
	return 0
}
