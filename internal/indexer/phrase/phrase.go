// Package phrase tells what a message or an event of the ledger says in a
// sentence that anybody understands.
package phrase

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/koinon/koinon/internal/credit"
)

// Part is a piece of a sentence. A piece about somebody or something has the
// subject that it can be looked up by.
type Part struct {
	Text    string
	Subject string // an address, digest or grant; empty for plain text
}

// Sentence is what a message or an event says.
type Sentence []Part

// String is the sentence without subjects.
func (s Sentence) String() string {
	var b strings.Builder
	for _, p := range s {
		b.WriteString(p.Text)
	}
	return b.String()
}

// Names gives an address, or a digest, the name that people know it by, or "".
type Names func(subject string) string

// Of tells what a message or an event says; ok is false for one that has no
// sentence, of which only the kind can be told.
func Of(kind string, body json.RawMessage, names Names) (s Sentence, ok bool) {
	pattern, ok := patterns[kind]
	if !ok {
		return Sentence{{Text: strings.TrimPrefix(kind[strings.LastIndexByte(kind, '.')+1:], "Msg")}}, false
	}
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil {
		return Sentence{{Text: kind}}, false
	}
	for pattern != "" {
		before, rest, found := strings.Cut(pattern, "{")
		if before != "" {
			s = append(s, Part{Text: before})
		}
		if !found {
			break
		}
		var place string
		place, pattern, _ = strings.Cut(rest, "}")
		s = append(s, part(place, fields, names))
	}
	return s, true
}

// part fills a place: a field, after a colon how it is written. Fields within
// fields are separated by dots.
func part(place string, fields map[string]any, names Names) Part {
	path, form, _ := strings.Cut(place, ":")
	value := lookup(fields, path)
	switch form {
	case "":
		return somebody(text(value), names)
	case "$":
		return Part{Text: amount(value, credit.Dollars)}
	case "koin":
		return Part{Text: amount(value, credit.Koin)}
	case "coins":
		return Part{Text: coins(value)}
	case "text":
		return Part{Text: text(value)}
	case "number":
		return Part{Text: Grouped(text(value))}
	}
	if strings.HasSuffix(form, "_") {
		return Part{Text: strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(text(value), form), "_", " "))}
	}
	list, _ := value.([]any) // of what the form names
	if len(list) == 1 {
		return Part{Text: "1 " + form}
	}
	return Part{Text: strconv.Itoa(len(list)) + " " + form + "s"}
}

func lookup(fields map[string]any, path string) any {
	name, rest, more := strings.Cut(path, ".")
	value := fields[name]
	if !more {
		return value
	}
	inner, _ := value.(map[string]any)
	return lookup(inner, rest)
}

// maxText bounds what others named within a sentence.
const maxText = 80

func text(value any) string {
	var s string
	switch v := value.(type) {
	case string:
		s = v
	case nil:
		return "?"
	default:
		s = fmt.Sprint(v)
	}
	if runes := []rune(s); len(runes) > maxText {
		s = string(runes[:maxText]) + "…"
	}
	return s
}

// somebody is an account, a version or a grant, by its name or cut short.
func somebody(subject string, names Names) Part {
	if subject == "" || subject == "?" {
		return Part{Text: "nobody"}
	}
	name := ""
	if names != nil {
		name = names(subject)
	}
	if name == "" {
		name = Short(subject)
	}
	return Part{Text: name, Subject: subject}
}

// Short cuts an address or a digest so that it can be told from others still.
func Short(subject string) string {
	s := strings.TrimPrefix(subject, "sha256:")
	switch {
	case strings.HasPrefix(s, "koinon") && len(s) > 20:
		return s[:11] + "…" + s[len(s)-4:]
	case len(s) == 64:
		return s[:8] + "…" + s[60:]
	}
	return s
}

// Grouped writes the digits before a point with thin spaces between thousands.
func Grouped(number string) string {
	whole, rest, point := strings.Cut(number, ".")
	for i := len(whole) - 3; i > 0 && '0' <= whole[i-1] && whole[i-1] <= '9'; i -= 3 {
		whole = whole[:i] + "\u202f" + whole[i:]
	}
	if point {
		whole += "." + rest
	}
	return whole
}

func amount(value any, write func(uint64) string) string {
	n, err := strconv.ParseUint(text(value), 10, 64)
	if err != nil {
		n = 0 // protobuf's JSON leaves out what is zero
	}
	return write(n)
}

// coins writes a list of the SDK's coins.
func coins(value any) string {
	list, _ := value.([]any)
	var words []string
	for _, c := range list {
		coin, _ := c.(map[string]any)
		switch denom := text(coin["denom"]); denom {
		case credit.Denom:
			words = append(words, amount(coin["amount"], credit.Dollars))
		case credit.KoinDenom:
			words = append(words, amount(coin["amount"], credit.Koin))
		default:
			words = append(words, text(coin["amount"])+" "+denom)
		}
	}
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, " and ")
}
