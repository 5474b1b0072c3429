package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of a schema.
const (
	// MaxSchema bounds a schema, in bytes.
	MaxSchema = 256 << 10
	maxDepth  = 64   // of nesting, and of references to references
	maxVisits = 8192 // of subschemas, however often they are referred to
)

// ErrSchema is what every [Error] is.
var ErrSchema = errors.New("unusable schema")

// Error says what is wrong with a schema, and where.
type Error struct {
	Path    string // JSON pointer (RFC 6901) to the subschema, # for the whole
	Keyword string // at fault, or empty
	Reason  string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Keyword == "" {
		return fmt.Sprintf("schema at %s: %s", e.Path, e.Reason)
	}
	return fmt.Sprintf("schema at %s: %q %s", e.Path, e.Keyword, e.Reason)
}

// Is makes every Error match [ErrSchema].
func (e *Error) Is(target error) bool { return target == ErrSchema }

// object is a JSON object that remembers its order. It is not changed once made.
type object struct {
	keys   []string
	values map[string]any
}

func (o *object) get(key string) (any, bool) {
	v, ok := o.values[key]
	return v, ok
}

func (o *object) has(key string) bool { _, ok := o.values[key]; return ok }

// with returns a copy with a key set.
func (o *object) with(key string, v any) *object {
	c := o.without()
	if !c.has(key) {
		c.keys = append(c.keys, key)
	}
	c.values[key] = v
	return c
}

// without returns a copy that lacks keys.
func (o *object) without(gone ...string) *object {
	c := &object{values: make(map[string]any, len(o.keys))}
next:
	for _, k := range o.keys {
		for _, g := range gone {
			if k == g {
				continue next
			}
		}
		c.keys = append(c.keys, k)
		c.values[k] = o.values[k]
	}
	return c
}

// MarshalJSON keeps the order.
func (o *object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, k := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(encode(k))
		b.WriteByte(':')
		b.WriteString(encode(o.values[k]))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode is a value's JSON without white space.
func encode(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // the values came from JSON
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// read decodes a document, keeping order and numbers as they are written.
func read(data []byte) (any, error) {
	if len(data) > MaxSchema {
		return nil, &Error{"#", "", fmt.Sprintf("it has %d bytes, at most %d are allowed", len(data), MaxSchema)}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := readValue(d, "#", 0)
	if err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			err = &Error{"#", "", "something follows the JSON"}
		}
	}
	return v, err
}

func readValue(d *json.Decoder, at string, depth int) (any, error) {
	if depth > maxDepth {
		return nil, &Error{at, "", fmt.Sprintf("nested deeper than %d", maxDepth)}
	}
	token, err := d.Token()
	if err != nil {
		return nil, &Error{at, "", "not valid JSON"}
	}
	switch token {
	case json.Delim('{'):
		o := &object{values: map[string]any{}}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, &Error{at, "", "not valid JSON"}
			}
			k := key.(string)
			if o.has(k) {
				return nil, &Error{at, k, "is there twice"}
			}
			v, err := readValue(d, join(at, k), depth+1)
			if err != nil {
				return nil, err
			}
			o.keys = append(o.keys, k)
			o.values[k] = v
		}
		_, err = d.Token()
		return o, invalid(at, err)
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := readValue(d, join(at, fmt.Sprint(len(list))), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, invalid(at, err)
	}
	return token, nil
}

func invalid(at string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{at, "", "not valid JSON"}
}

var pointer = strings.NewReplacer("~", "~0", "/", "~1")

// join lengthens a pointer.
func join(at string, parts ...string) string {
	for _, p := range parts {
		at += "/" + pointer.Replace(p)
	}
	return at
}
