package schema

import (
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// branches are the subschemas of allOf, anyOf or oneOf.
func (c *converter) branches(o *object, keyword, at string) []any {
	v, _ := o.get(keyword)
	list, _ := v.([]any)
	if len(list) == 0 {
		c.fail(at, keyword, "must be an array of schemas")
	}
	return list
}

// plainly is a subschema with its references and allOf resolved; nil for the
// one that allows everything.
func (c *converter) plainly(v any, at string) *object {
	if c.depth++; c.depth > maxDepth {
		c.fail(at, "", "combined deeper than %d", maxDepth)
	}
	defer func() { c.depth-- }()
	if c.visits++; c.visits > maxVisits {
		c.fail(at, "", "with its references the schema has more than %d subschemas", maxVisits)
	}
	o := c.schema(v, at)
	if o != nil && o.has("$ref") {
		o = c.merge(c.resolve(o, at), o.without("$ref"), at)
	}
	if o != nil && o.has("allOf") {
		o = c.all(o, at)
	}
	return o
}

// all merges allOf, and what stands beside it, into one schema.
func (c *converter) all(o *object, at string) *object {
	merged := o.without("allOf")
	for i, v := range c.branches(o, "allOf", at) {
		merged = c.merge(merged, c.plainly(v, join(at, "allOf", strconv.Itoa(i))), at)
	}
	return merged
}

// any is the expression for anyOf or oneOf, each branch merged with what stands
// beside them.
func (c *converter) any(o *object, at string) string {
	keyword := "anyOf"
	if o.has("oneOf") {
		if keyword = "oneOf"; o.has("anyOf") {
			c.fail(at, keyword, "is not supported together with anyOf")
		}
	}
	list, beside := c.branches(o, keyword, at), o.without(keyword)
	var choices []string
	for i, v := range list {
		where := join(at, keyword, strconv.Itoa(i))
		if keyword == "oneOf" {
			for j := range i {
				if !c.disjoint(list[j], v, where) {
					c.fail(at, keyword, "has branches %d and %d that might both allow a value: make them differ in type or in a required const, or use anyOf", j, i)
				}
			}
		}
		if len(beside.keys) == 0 {
			choices = append(choices, c.visit(v, where))
			continue
		}
		merged := c.merge(beside, c.plainly(v, where), at)
		choices = append(choices, c.visit(merged, where))
	}
	return c.define(strings.Join(choices, " | "))
}

// merge is a schema that allows what both allow; nil allows everything.
func (c *converter) merge(a, b *object, at string) *object {
	switch {
	case a == nil && b == nil:
		return &object{values: map[string]any{}}
	case a == nil:
		return b
	case b == nil:
		return a
	}
	for _, pair := range [][2]*object{{a, b}, {b, a}} {
		c.compatible(pair[0], pair[1], at)
	}
	merged := a
	for _, k := range b.keys {
		theirs := b.values[k]
		ours, both := a.get(k)
		if both && encode(ours) != encode(theirs) {
			theirs = c.both(k, ours, theirs, at)
		}
		merged = merged.with(k, theirs)
	}
	return merged
}

// compatible refuses keywords of one side that bear on keywords of the other.
func (c *converter) compatible(a, b *object, at string) {
	if others, ok := a.get("additionalProperties"); ok && others != true {
		own, _ := a.values["properties"].(*object)
		foreign, _ := b.values["properties"].(*object)
		for k := range keysOf(foreign) {
			if own == nil || !own.has(k) {
				c.fail(at, "additionalProperties", "cannot be combined with the property %q of another schema", k)
			}
		}
	}
	if a.has("items") && b.has("prefixItems") && !a.has("prefixItems") {
		c.fail(at, "items", "cannot be combined with prefixItems of another schema")
	}
}

func keysOf(o *object) map[string]any {
	if o == nil {
		return nil
	}
	return o.values
}

// both combines two values of a keyword.
func (c *converter) both(keyword string, a, b any, at string) any {
	switch keyword {
	case "type":
		if either := common(a, b); len(either) > 0 {
			return either
		}
		c.fail(at, "type", "allows nothing that another schema combined with it does")
	case "required":
		x, okX := a.([]any)
		y, okY := b.([]any)
		if okX && okY {
			known := func(v any) bool {
				return slices.ContainsFunc(x, func(w any) bool { return encode(v) == encode(w) })
			}
			return append(slices.Clone(x), slices.DeleteFunc(slices.Clone(y), known)...)
		}
	case "properties":
		x, okX := a.(*object)
		y, okY := b.(*object)
		if okX && okY {
			merged := x
			for _, k := range y.keys {
				v := y.values[k]
				if ours, ok := x.get(k); ok && encode(ours) != encode(v) {
					v = &object{keys: []string{"allOf"}, values: map[string]any{"allOf": []any{ours, v}}}
				}
				merged = merged.with(k, v)
			}
			return merged
		}
	case "minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties":
		return c.further(keyword, a, b, 1, at)
	case "maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties":
		return c.further(keyword, a, b, -1, at)
	}
	c.fail(at, keyword, "has two values to combine, which is not supported")
	return nil
}

// common are the types that both allow.
func common(a, b any) []any {
	var out []any
	for _, x := range texts(a) {
		for _, y := range texts(b) {
			switch {
			case x == y:
				out = append(out, x)
			case x == "integer" && y == "number", x == "number" && y == "integer":
				out = append(out, "integer")
			}
		}
	}
	return out
}

// texts is a string, or the strings of an array.
func texts(v any) []string {
	if one, ok := v.(string); ok {
		return []string{one}
	}
	var out []string
	many, _ := v.([]any)
	for _, v := range many {
		if one, ok := v.(string); ok {
			out = append(out, one)
		}
	}
	return out
}

func (c *converter) further(keyword string, a, b any, sign int, at string) any {
	x, okX := a.(json.Number)
	y, okY := b.(json.Number)
	if !okX || !okY || len(x) > 40 || len(y) > 40 || strings.ContainsAny(string(x+y), "eE") {
		c.fail(at, keyword, "must be a number without an exponent")
	}
	p, _ := new(big.Rat).SetString(string(x))
	q, _ := new(big.Rat).SetString(string(y))
	if p.Cmp(q)*sign > 0 {
		return a
	}
	return b
}

// disjoint says whether it is sure that no value is allowed by both.
func (c *converter) disjoint(x, y any, at string) bool {
	a, b := c.plainly(x, at), c.plainly(y, at)
	if a == nil || b == nil {
		return false
	}
	if c.depth++; c.depth > maxDepth {
		return false
	}
	defer func() { c.depth-- }()
	valuesA, valuesB := c.values(a, at), c.values(b, at)
	if valuesA != nil && valuesB != nil {
		return !slices.ContainsFunc(valuesA, func(v any) bool {
			return slices.ContainsFunc(valuesB, func(w any) bool { return alike(v, w) })
		})
	}
	typesA, typesB := kinds(a, valuesA), kinds(b, valuesB)
	if typesA != nil && typesB != nil && !slices.ContainsFunc(typesA, func(t string) bool { return slices.Contains(typesB, t) }) {
		return true
	}
	if !slices.Equal(typesA, []string{"object"}) || !slices.Equal(typesB, []string{"object"}) {
		return false
	}
	own, _ := a.values["properties"].(*object)
	theirs, _ := b.values["properties"].(*object)
	for _, name := range c.required(a, at) {
		if own != nil && theirs != nil && own.has(name) && theirs.has(name) && slices.Contains(c.required(b, at), name) &&
			c.disjoint(own.values[name], theirs.values[name], at) {
			return true
		}
	}
	return false
}

// alike says whether two values might be equal; numbers may be, however written.
func alike(v, w any) bool {
	_, first := v.(json.Number)
	_, second := w.(json.Number)
	return first && second && (strings.ContainsAny(encode(v)+encode(w), ".eE") || encode(v) == encode(w)) ||
		encode(v) == encode(w) || nested(v) && nested(w)
}

func nested(v any) bool {
	switch v.(type) {
	case *object, []any:
		return true
	}
	return false
}

// kinds are the types of all that a schema allows, nil for any; integers are numbers.
func kinds(o *object, values []any) []string {
	var list []string
	if values != nil {
		for _, v := range values {
			list = append(list, typeOf(v))
		}
	} else {
		list = texts(o.values["type"])
	}
	for i, name := range list {
		if name == "integer" {
			list[i] = "number"
		}
	}
	return list
}
