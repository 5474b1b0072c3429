package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/koinon/koinon/internal/engine/grammar"
)

// count reads a keyword that is a number of things; −1 if it is not given.
func (c *converter) count(o *object, keyword, at string) int {
	v, ok := o.get(keyword)
	if !ok {
		return -1
	}
	number, _ := v.(json.Number)
	n, err := strconv.Atoi(string(number))
	if err != nil || n < 0 || n > grammar.MaxRepetition {
		c.fail(at, keyword, "must be an integer from 0 to %d", grammar.MaxRepetition)
	}
	return n
}

// property is one that an object may have.
type property struct {
	name     string
	value    string // a rule
	required bool
}

// object is the expression for objects: members in order, then others if they
// are asked for.
func (c *converter) object(o *object, at string) string {
	others, given := o.get("additionalProperties")
	declared, _ := o.get("properties")
	members, isObject := declared.(*object)
	if declared != nil && !isObject {
		c.fail(at, "properties", "must be an object")
	}
	if members == nil {
		members = &object{}
	}
	required := c.required(o, at)
	if !given && len(members.keys) == 0 && len(required) == 0 {
		others, given = true, true
	}
	var list []property
	for _, name := range members.keys {
		list = append(list, property{name, c.visit(members.values[name], join(at, "properties", name)), slices.Contains(required, name)})
	}
	extra := ""
	if given && others != false {
		extra = c.visit(others, join(at, "additionalProperties"))
	}
	for _, name := range required {
		if members.has(name) {
			continue
		}
		switch {
		case given && others == false:
			c.fail(at, "required", "names %q, which additionalProperties forbids", name)
		case given:
			list = append(list, property{name, extra, true})
		default:
			list = append(list, property{name, "value", true})
		}
	}
	c.sizes(o, len(required), len(list), extra != "", at)
	return `"{" space ` + c.members(list, extra) + ` "}"`
}

func (c *converter) required(o *object, at string) []string {
	v, ok := o.get("required")
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	var names []string
	for _, one := range list {
		name, isText := one.(string)
		ok = ok && isText && !slices.Contains(names, name)
		names = append(names, name)
	}
	if !ok {
		c.fail(at, "required", "must be an array of different strings")
	}
	return names
}

// sizes checks bounds on the number of members, which are supported where they
// are kept anyway.
func (c *converter) sizes(o *object, least, most int, more bool, at string) {
	if n := c.count(o, "minProperties", at); n > least {
		c.fail(at, "minProperties", "is supported up to the number of required properties, %d", least)
	}
	if n := c.count(o, "maxProperties", at); n >= 0 && (more || n < most) {
		c.fail(at, "maxProperties", "is supported only where no more properties are possible")
	}
}

// members writes two rules for each place in the list, for what follows it as
// the first member or after others: so the grammar grows with the list only.
func (c *converter) members(list []property, extra string) string {
	first, next := `""`, `""`
	if extra != "" {
		other := c.define(c.otherKey(list) + ` ":" space ` + extra + " space")
		next = c.define(`( "," space ` + other + " )*")
		first = c.define(other + " " + next + ` | ""`)
	}
	for _, p := range slices.Backward(list) {
		member := c.define(quote(encode(p.name)) + ` ":" space ` + p.value + " space")
		begun, after := member+" "+next, `"," space `+member+" "+next
		if !p.required {
			begun, after = begun+" | "+first, after+" | "+next
		}
		first, next = c.define(begun), c.define(after)
	}
	return first
}

// otherKey is a string that names no member of the list: plain characters that
// leave the trie of the names.
func (c *converter) otherKey(list []property) string {
	var names []string
	for _, p := range list {
		if encode(p.name) == `"`+p.name+`"` { // others need an escape, which is no plain character
			names = append(names, p.name)
		}
	}
	slices.Sort(names)
	return c.define(`"\"" ` + c.unlike(names) + ` "\""`)
}

func (c *converter) unlike(names []string) string {
	var choices []string
	if len(names) == 0 || names[0] != "" {
		choices = append(choices, `""`)
	} else {
		names = names[1:]
	}
	var excluded strings.Builder
	for len(names) > 0 {
		initial := []rune(names[0])[0]
		var tails []string
		for len(names) > 0 && strings.HasPrefix(names[0], string(initial)) {
			tails = append(tails, strings.TrimPrefix(names[0], string(initial)))
			names = names[1:]
		}
		excluded.WriteString(escapeInClass(initial))
		choices = append(choices, quote(string(initial))+" "+c.unlike(tails))
	}
	choices = append(choices, `[^"\\\x00-\x1f\x7f`+excluded.String()+`] plain*`)
	return c.define(strings.Join(choices, " | "))
}

func escapeInClass(r rune) string { return fmt.Sprintf(`\U%08x`, r) }

// array is the expression for arrays: a tuple, then items of one kind.
func (c *converter) array(o *object, at string) string {
	if unique, ok := o.get("uniqueItems"); ok && unique != false {
		c.fail(at, "uniqueItems", "is not supported")
	}
	var tuple []string
	prefix, isTuple := o.get("prefixItems")
	if isTuple {
		list, ok := prefix.([]any)
		if !ok || len(list) == 0 {
			c.fail(at, "prefixItems", "must be an array of schemas")
		}
		for i, v := range list {
			tuple = append(tuple, c.visit(v, join(at, "prefixItems", strconv.Itoa(i))))
		}
	}
	least, most := c.count(o, "minItems", at), c.count(o, "maxItems", at)
	if least < 0 {
		if least = len(tuple); most >= 0 {
			least = min(least, most)
		}
	}
	item := ""
	switch items, given := o.get("items"); {
	case given && items != false:
		item = c.visit(items, join(at, "items"))
	case given && least > len(tuple):
		c.fail(at, "minItems", "needs more items than are allowed")
	case !given && (!isTuple || least > len(tuple)):
		item = "value"
	}
	if item == "" && (most < 0 || most > len(tuple)) {
		most = len(tuple)
	}
	if most >= 0 && most < least {
		c.fail(at, "minItems", "is above maxItems")
	}
	return `"[" space ` + c.elements(tuple, item, least, most) + ` "]"`
}

// elements are from least to most values, the first of them those of the tuple.
func (c *converter) elements(tuple []string, item string, least, most int) string {
	if most >= 0 && len(tuple) > most {
		tuple = tuple[:most]
	}
	if len(tuple) == 0 && most != 0 {
		tuple = []string{item} // the comma goes before every item but the first
	}
	after := `""`
	if item != "" && (most < 0 || most > len(tuple)) {
		bounds := fmt.Sprintf("{%d,", max(0, least-len(tuple)))
		if most >= 0 {
			bounds += strconv.Itoa(most - len(tuple))
		}
		after = c.define(`( "," space ` + item + " space )" + bounds + "}")
	}
	for i, value := range slices.Backward(tuple) {
		one := value + " space " + after
		if i > 0 {
			one = `"," space ` + one
		}
		if i >= least {
			one += ` | ""`
		}
		after = c.define(one)
	}
	return after
}
