package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/koinon/koinon/internal/engine/grammar"
)

// converter writes the rules for one schema. Its methods panic with *Error.
type converter struct {
	root   any
	rules  strings.Builder
	names  map[string]string // of rules, by their bodies
	refs   map[string]string // of rules, by the pointers that refer to them
	visits int
	depth  int
}

// Convert returns a grammar for the texts of a schema. Its errors are [*Error].
func Convert(data []byte) (source string, err error) {
	defer func() {
		switch failed := recover().(type) {
		case nil:
		case *Error:
			source, err = "", failed
		default:
			panic(failed)
		}
	}()
	c := &converter{names: map[string]string{}, refs: map[string]string{}}
	if c.root, err = read(data); err != nil {
		return "", err
	}
	root := c.visit(c.root, "#")
	source = "root ::= " + root + "\n" + c.rules.String() + rest
	if _, err := grammar.Parse(source); err != nil {
		var said *grammar.SyntaxError
		if errors.As(err, &said) {
			return "", &Error{"#", "", "its grammar is refused: " + said.Reason}
		}
		return "", err
	}
	return source, nil
}

// rest are the rules for values of any kind.
const rest = `value  ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" space ( member ( "," space member )* )? "}"
member ::= string ":" space value space
array  ::= "[" space ( value space ( "," space value space )* )? "]"
plain  ::= [^"\\\x00-\x1f\x7f]
` + grammar.JSONTerminals

func (c *converter) fail(at, keyword, format string, args ...any) {
	panic(&Error{at, keyword, fmt.Sprintf(format, args...)})
}

// define makes a rule of a body, or finds the one that there is.
func (c *converter) define(body string) string {
	name, ok := c.names[body]
	if !ok {
		name = fmt.Sprintf("r-%d", len(c.names))
		c.names[body] = name
		c.write(name, body)
	}
	return name
}

func (c *converter) write(name, body string) {
	if c.rules.Len()+len(body) > grammar.MaxSource {
		c.fail("#", "", "its grammar would be larger than %d bytes", grammar.MaxSource)
	}
	c.rules.WriteString(name + " ::= " + body + "\n")
}

// Keywords that say nothing of what is valid.
var annotations = []string{
	"$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "example",
	"deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType", "contentSchema",
}

// Keywords by the type of value that they bear on.
var (
	forObjects = []string{"properties", "required", "additionalProperties", "minProperties", "maxProperties"}
	forArrays  = []string{"items", "prefixItems", "minItems", "maxItems", "uniqueItems"}
	forStrings = []string{"minLength", "maxLength", "pattern", "format"}
	forNumbers = []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
	forAll     = []string{"$ref", "allOf", "anyOf", "oneOf", "const", "enum", "type", "nullable"}
	supported  = slices.Concat(annotations, forObjects, forArrays, forStrings, forNumbers, forAll)
)

// visit returns an expression for a subschema: the name of a rule.
func (c *converter) visit(v any, at string) string {
	if c.visits++; c.visits > maxVisits {
		c.fail(at, "", "with its references the schema has more than %d subschemas", maxVisits)
	}
	if c.depth++; c.depth > maxDepth {
		c.fail(at, "", "nested or combined deeper than %d", maxDepth)
	}
	defer func() { c.depth-- }()
	o := c.schema(v, at)
	if o == nil {
		return "value"
	}
	switch {
	case o.has("$ref"):
		if len(o.keys) == 1 {
			return c.reference(o, at)
		}
		return c.visit(c.merge(c.resolve(o, at), o.without("$ref"), at), at)
	case o.has("allOf"):
		return c.visit(c.all(o, at), at)
	case o.has("anyOf"), o.has("oneOf"):
		return c.any(o, at)
	case o.has("const"), o.has("enum"):
		return c.literals(o, at)
	}
	var choices []string
	for _, t := range c.types(o, at) {
		choices = append(choices, c.typed(o, t, at))
	}
	return c.define(strings.Join(choices, " | "))
}

// schema checks the keywords of a subschema and leaves annotations out; nil is
// the schema that allows everything.
func (c *converter) schema(v any, at string) *object {
	switch v := v.(type) {
	case bool:
		if !v {
			c.fail(at, "", "false allows no value")
		}
		return nil
	case *object:
		for _, k := range v.keys {
			if !slices.Contains(supported, k) {
				c.fail(at, k, "is not supported")
			}
		}
		if o := c.nullable(v.without(annotations...), at); len(o.keys) > 0 {
			return o
		}
		return nil
	}
	c.fail(at, "", "a schema must be an object or a boolean")
	return nil
}

// nullable replaces OpenAPI's keyword of that name by the type null.
func (c *converter) nullable(o *object, at string) *object {
	v, ok := o.get("nullable")
	if !ok {
		return o
	}
	yes, isBool := v.(bool)
	if !isBool || yes && !o.has("type") {
		c.fail(at, "nullable", "must be true or false, and needs type beside it")
	}
	if o = o.without("nullable"); !yes {
		return o
	}
	list := []any{"null"}
	for _, name := range texts(o.values["type"]) {
		list = append(list, name)
	}
	return o.with("type", list)
}

// reference is the rule of what a $ref points to; it may be in the making.
func (c *converter) reference(o *object, at string) string {
	target, where := c.target(o, at)
	if name, ok := c.refs[where]; ok {
		return name
	}
	name := fmt.Sprintf("ref-%d", len(c.refs))
	c.refs[where] = name
	c.write(name, c.visit(target, where))
	return name
}

// resolve is what a $ref points to, as a schema without annotations.
func (c *converter) resolve(o *object, at string) *object {
	for range maxDepth {
		target, where := c.target(o, at)
		next := c.schema(target, where)
		if next == nil || !next.has("$ref") {
			return next
		}
		if len(next.keys) > 1 {
			return c.merge(c.resolve(next, where), next.without("$ref"), where)
		}
		o, at = next, where
	}
	c.fail(at, "$ref", "refers to itself")
	return nil
}

// target follows a pointer within the document.
func (c *converter) target(o *object, at string) (any, string) {
	if c.visits++; c.visits > maxVisits {
		c.fail(at, "$ref", "refers to too much")
	}
	raw, _ := o.get("$ref")
	ref, ok := raw.(string)
	if !ok || ref != "#" && !strings.HasPrefix(ref, "#/") {
		c.fail(at, "$ref", "must be # or a pointer within the schema, as in #/$defs/name")
	}
	v := c.root
	for _, part := range strings.Split(ref, "/")[1:] {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch in := v.(type) {
		case *object:
			v, ok = in.get(part)
		case []any:
			i, err := strconv.Atoi(part)
			if ok = err == nil && i >= 0 && i < len(in); ok {
				v = in[i]
			}
		default:
			ok = false
		}
		if !ok {
			c.fail(at, "$ref", "points to %s, which is not there", ref)
		}
	}
	return v, ref
}

var allTypes = []string{"object", "array", "string", "number", "boolean", "null"}

// types are those that a schema allows: as it says, or those that its keywords
// are about.
func (c *converter) types(o *object, at string) []string {
	var list []string
	switch t, given := o.get("type"); t := t.(type) {
	case string:
		list = []string{t}
	case []any:
		for _, one := range t {
			name, _ := one.(string)
			list = append(list, name)
		}
	default:
		if given {
			c.fail(at, "type", "must be a string or an array of strings")
		}
		for _, k := range []struct {
			name     string
			keywords []string
		}{{"object", forObjects}, {"array", forArrays}, {"string", forStrings}, {"integer", forNumbers}} {
			if slices.ContainsFunc(k.keywords, o.has) {
				list = append(list, k.name)
			}
		}
		if len(list) == 0 {
			list = allTypes
		}
	}
	if len(list) == 0 {
		c.fail(at, "type", "allows no type")
	}
	list = slices.Compact(slices.Sorted(slices.Values(list)))
	for _, name := range list {
		if name != "integer" && !slices.Contains(allTypes, name) {
			c.fail(at, "type", "must be of object, array, string, number, integer, boolean and null")
		}
	}
	if slices.Contains(list, "number") {
		list = slices.DeleteFunc(list, func(name string) bool { return name == "integer" })
	}
	return list
}

// typed is the expression for values of one type.
func (c *converter) typed(o *object, name, at string) string {
	switch name {
	case "object":
		return c.object(o, at)
	case "array":
		return c.array(o, at)
	case "string":
		return c.text(o, at)
	case "integer":
		return c.integer(o, at)
	case "number":
		for _, k := range forNumbers {
			if o.has(k) {
				c.fail(at, k, "is not supported for the type number, only for integer")
			}
		}
		return "number"
	case "boolean":
		return `"true" | "false"`
	}
	return `"null"`
}

// literals are the values of const or enum that have an allowed type.
func (c *converter) literals(o *object, at string) string {
	for _, k := range o.keys {
		if !slices.Contains([]string{"const", "enum", "type"}, k) {
			c.fail(at, k, "is not supported together with const or enum")
		}
	}
	var choices []string
	for _, v := range c.values(o, at) {
		choices = append(choices, quote(encode(v)))
	}
	if len(choices) == 0 {
		c.fail(at, "", "no value of const, enum and type is left")
	}
	return c.define(strings.Join(choices, " | "))
}

// values are what const and enum leave; nil without them.
func (c *converter) values(o *object, at string) []any {
	var values []any
	if v, ok := o.get("enum"); ok {
		if values, ok = v.([]any); !ok || len(values) == 0 {
			c.fail(at, "enum", "must be an array of values")
		}
	}
	if v, ok := o.get("const"); ok {
		if values != nil && !slices.ContainsFunc(values, func(one any) bool { return encode(one) == encode(v) }) {
			return []any{}
		}
		values = []any{v}
	}
	if !o.has("type") {
		return values
	}
	types := c.types(o, at)
	return slices.DeleteFunc(slices.Clone(values), func(v any) bool {
		t := typeOf(v)
		return !slices.Contains(types, t) && !(t == "integer" && slices.Contains(types, "number"))
	})
}

// typeOf names the type of a value; a number is an integer if it looks like one.
func typeOf(v any) string {
	switch v := v.(type) {
	case *object:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		if strings.ContainsAny(string(v), ".eE") {
			return "number"
		}
		return "integer"
	}
	return "null"
}

// quote writes a text as a literal of a grammar.
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
