package schema

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// formats are the supported values of format (RFC 3339, RFC 4122). Days that not
// every year has are left out.
var formats = map[string]string{
	"date":      dateFormat,
	"time":      timeFormat,
	"date-time": dateFormat + ` "T" ` + timeFormat,
	"uuid":      `[0-9a-fA-F]{8} ( "-" [0-9a-fA-F]{4} ){3} "-" [0-9a-fA-F]{12}`,
}

const (
	dateFormat = `[0-9]{4} "-" ( ( "0" [13578] | "1" [02] ) "-" ( "0" [1-9] | [12] [0-9] | "3" [01] )` +
		` | ( "0" [469] | "11" ) "-" ( "0" [1-9] | [12] [0-9] | "30" ) | "02-" ( "0" [1-9] | "1" [0-9] | "2" [0-8] ) )`
	hourFormat = `( [01] [0-9] | "2" [0-3] ) ":" [0-5] [0-9]`
	timeFormat = hourFormat + ` ":" [0-5] [0-9] ( "." [0-9]{1,9} )? ( "Z" | [+-] ` + hourFormat + ` )`
)

// text is the expression for strings.
func (c *converter) text(o *object, at string) string {
	least, most := c.count(o, "minLength", at), c.count(o, "maxLength", at)
	if most >= 0 && most < least {
		c.fail(at, "minLength", "is above maxLength")
	}
	bounded := least >= 0 || most >= 0
	format, isFormat := o.get("format")
	pattern, isPattern := o.get("pattern")
	switch {
	case isFormat && (isPattern || bounded):
		c.fail(at, "format", "is not supported together with pattern or a length")
	case isPattern && bounded:
		c.fail(at, "pattern", "is not supported together with a length")
	case isFormat:
		name, _ := format.(string)
		body, ok := formats[name]
		if !ok {
			c.fail(at, "format", "must be date, time, date-time or uuid")
		}
		return `"\"" ` + body + ` "\""`
	case isPattern:
		source, ok := pattern.(string)
		if !ok {
			c.fail(at, "pattern", "must be a string")
		}
		return `"\"" ` + c.pattern(source, at) + ` "\""`
	case bounded:
		bounds := fmt.Sprintf("{%d,", max(0, least))
		if most >= 0 {
			bounds += fmt.Sprint(most)
		}
		return `"\"" char` + bounds + `} "\""`
	}
	return "string"
}

// pattern turns a regular expression into an expression for the inside of a JSON
// string. What it does not begin or end with an anchor may be preceded or
// followed by anything.
func (c *converter) pattern(source, at string) string {
	re, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		c.fail(at, "pattern", "is not a regular expression that is supported: %v", err)
	}
	return c.anchored(re, at)
}

// anchored handles the anchors, which may only be at the ends.
func (c *converter) anchored(re *syntax.Regexp, at string) string {
	switch re.Op {
	case syntax.OpCapture:
		return c.anchored(re.Sub[0], at)
	case syntax.OpAlternate:
		var choices []string
		for _, sub := range re.Sub {
			choices = append(choices, c.anchored(sub, at))
		}
		return c.define(strings.Join(choices, " | "))
	}
	parts := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		parts = re.Sub
	}
	before, after := "char*", "char*"
	if len(parts) > 0 && parts[0].Op == syntax.OpBeginText {
		before, parts = `""`, parts[1:]
	}
	if n := len(parts); n > 0 && parts[n-1].Op == syntax.OpEndText {
		after, parts = `""`, parts[:n-1]
	}
	all := []string{before}
	for _, part := range parts {
		all = append(all, c.expression(part, at))
	}
	return c.define(strings.Join(append(all, after), " "))
}

// expression is one without anchors.
func (c *converter) expression(re *syntax.Regexp, at string) string {
	if re.Flags&syntax.FoldCase != 0 && (re.Op == syntax.OpLiteral || re.Op == syntax.OpCharClass) {
		c.fail(at, "pattern", "must not ignore case")
	}
	var subs []string
	for _, sub := range re.Sub {
		subs = append(subs, c.expression(sub, at))
	}
	switch re.Op {
	case syntax.OpEmptyMatch:
		return `""`
	case syntax.OpLiteral:
		inside := encode(string(re.Rune))
		return quote(inside[1 : len(inside)-1])
	case syntax.OpCharClass:
		return c.class(re.Rune, at)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return c.class([]rune{' ', utf8.MaxRune}, at)
	case syntax.OpCapture:
		return subs[0]
	case syntax.OpStar:
		return c.define("( " + subs[0] + " )*")
	case syntax.OpPlus:
		return c.define("( " + subs[0] + " )+")
	case syntax.OpQuest:
		return c.define("( " + subs[0] + " )?")
	case syntax.OpRepeat:
		bounds := fmt.Sprintf("{%d,%d}", re.Min, re.Max)
		if re.Max < 0 {
			bounds = fmt.Sprintf("{%d,}", re.Min)
		}
		return c.define("( " + subs[0] + " )" + bounds)
	case syntax.OpConcat:
		return c.define(strings.Join(subs, " "))
	case syntax.OpAlternate:
		return c.define(strings.Join(subs, " | "))
	}
	c.fail(at, "pattern", "has what is not supported: %s", re)
	return ""
}

// inJSON are characters that a JSON string has as escapes only.
var inJSON = []struct {
	r    rune
	text string
}{{'"', `"\\\""`}, {'\\', `"\\\\"`}, {'\b', `"\\b"`}, {'\f', `"\\f"`}, {'\n', `"\\n"`}, {'\r', `"\\r"`}, {'\t', `"\\t"`}}

// class is a set of characters, of which JSON writes some as escapes. Control
// characters without a short escape are left out.
func (c *converter) class(ranges []rune, at string) string {
	var plain strings.Builder
	var choices []string
	in := func(r rune) bool {
		for i := 0; i < len(ranges); i += 2 {
			if r >= ranges[i] && r <= ranges[i+1] {
				return true
			}
		}
		return false
	}
	for i := 0; i < len(ranges); i += 2 {
		for _, part := range [][2]rune{{0x20, '"' - 1}, {'"' + 1, '\\' - 1}, {'\\' + 1, 0x7e}, {0x80, 0xd7ff}, {0xe000, utf8.MaxRune}} {
			if low, high := max(part[0], ranges[i]), min(part[1], ranges[i+1]); low <= high {
				plain.WriteString(escapeInClass(low) + "-" + escapeInClass(high))
			}
		}
	}
	if plain.Len() > 0 {
		choices = append(choices, "["+plain.String()+"]")
	}
	for _, escape := range inJSON {
		if in(escape.r) {
			choices = append(choices, escape.text)
		}
	}
	if len(choices) == 0 {
		c.fail(at, "pattern", "has a class without characters that are supported")
	}
	return c.define(strings.Join(choices, " | "))
}
