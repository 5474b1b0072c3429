// Package toolcall reads the calls of tools that models write into their answers,
// each family in its own form, and makes grammars that oblige a model to write
// one.
package toolcall

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/koinon/koinon/internal/engine/grammar/schema"
)

// Format is how a model writes calls.
type Format int

// The formats.
const (
	// None: the model was taught no tools.
	None Format = iota
	// Tagged: <tool_call>{"name": …, "arguments": {…}}</tool_call>, as Hermes, Qwen
	// and SmolLM write.
	Tagged
	// Listed: [TOOL_CALLS][{"name": …, "arguments": {…}}, …], as Mistral writes.
	Listed
	// Bare: the whole answer is {"name": …, "parameters": {…}}, as Llama 3 writes.
	Bare
)

// What calls begin and end with.
const (
	tagOpen, tagClose = "<tool_call>", "</tool_call>"
	listOpen          = "[TOOL_CALLS]"
	bareOpen          = "<|python_tag|>" // may come before a bare call
)

// FormatOf is the format that a chat template teaches.
func FormatOf(template string) Format {
	switch {
	case !strings.Contains(template, "tools"):
		return None
	case strings.Contains(template, listOpen):
		return Listed
	case strings.Contains(template, tagOpen):
		return Tagged
	case strings.Contains(template, bareOpen), strings.Contains(template, `"parameters"`):
		return Bare
	}
	return None
}

// Marker is a token's text that begins calls, or empty. Where it is a control
// token, those who read calls must see it all the same.
func (f Format) Marker() string {
	switch f {
	case Tagged:
		return tagOpen
	case Listed:
		return listOpen
	case Bare:
		return bareOpen
	}
	return ""
}

// arguments is the name of a call's field of arguments.
func (f Format) arguments() string {
	if f == Bare {
		return "parameters"
	}
	return "arguments"
}

// Tool is a function that a model may call.
type Tool struct {
	Name string
	// Parameters is the JSON Schema of its arguments, an object; empty for any.
	Parameters json.RawMessage
}

// Call is one call.
type Call struct {
	Name string
	// Arguments is a JSON object, as the model wrote it.
	Arguments string
}

// ErrTools is returned for tools that no grammar can be made of.
var ErrTools = errors.New("unusable tools")

// maxCalls bounds the calls that a grammar allows in one answer.
const maxCalls = 8

// Grammar is a grammar, in GBNF, of answers that call one of the tools, or
// several if they may. Of a Listed call the mark itself is left out, as text
// cannot be obliged to have control tokens; see [NewParser].
func (f Format) Grammar(tools []Tool, several bool) (string, error) {
	if f == None || len(tools) == 0 {
		return "", fmt.Errorf("%w: the model has no form for calls, or there are none", ErrTools)
	}
	source, err := f.schema(tools)
	if err != nil {
		return "", err
	}
	calls, err := schema.Convert(source)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrTools, err)
	}
	rest, ok := strings.CutPrefix(calls, "root ")
	if !ok {
		return "", fmt.Errorf("%w: their grammar has no beginning", ErrTools)
	}
	more := 0
	if several {
		more = maxCalls - 1
	}
	root := map[Format]string{
		Tagged: fmt.Sprintf(`root ::= tagged ( "\n" tagged ){0,%d}`+"\n"+`tagged ::= "<tool_call>\n" call "\n</tool_call>"`, more),
		Listed: fmt.Sprintf(`root ::= "[" call ( ", " call ){0,%d} "]"`, more),
		Bare:   `root ::= call`,
	}[f]
	return root + "\ncall " + rest, nil
}

// schema is the JSON Schema of one call.
func (f Format) schema(tools []Tool) ([]byte, error) {
	type object = map[string]any
	list := make([]json.RawMessage, len(tools))
	for i, t := range tools {
		parameters := any(object{"type": "object"})
		if len(t.Parameters) > 0 {
			moved, err := moveReferences(t.Parameters, "#/anyOf/"+strconv.Itoa(i)+"/properties/"+f.arguments())
			if err != nil {
				return nil, fmt.Errorf("%w: the parameters of %s are no JSON Schema: %w", ErrTools, t.Name, err)
			}
			parameters = moved
		}
		// Written by hand, since the order of properties is that of the text.
		name, err := json.Marshal(object{"const": t.Name})
		if err != nil {
			return nil, err
		}
		body, err := json.Marshal(parameters)
		if err != nil {
			return nil, err
		}
		list[i] = fmt.Appendf(nil, `{"type":"object","properties":{"name":%s,%q:%s},"required":["name",%q],"additionalProperties":false}`,
			name, f.arguments(), body, f.arguments())
	}
	return json.Marshal(map[string]any{"anyOf": list})
}

// moveReferences rewrites a schema's references into itself for its new place.
// The order of properties stays.
func moveReferences(source json.RawMessage, place string) (json.RawMessage, error) {
	d := json.NewDecoder(strings.NewReader(string(source)))
	d.UseNumber()
	var out []byte
	if err := moveValue(d, &out, place, false); err != nil {
		return nil, err
	}
	return out, nil
}

// moveValue copies one value; reference says that it is a $ref's.
func moveValue(d *json.Decoder, out *[]byte, place string, reference bool) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	delimiter, ok := token.(json.Delim)
	if !ok {
		if text, ok := token.(string); ok && reference && strings.HasPrefix(text, "#") {
			token = place + text[1:]
		}
		b, err := json.Marshal(token)
		*out = append(*out, b...)
		return err
	}
	*out = append(*out, byte(delimiter))
	for i := 0; d.More(); i++ {
		if i > 0 {
			*out = append(*out, ',')
		}
		reference := false
		if delimiter == '{' {
			key, err := d.Token()
			if err != nil {
				return err
			}
			b, err := json.Marshal(key)
			if err != nil {
				return err
			}
			*out, reference = append(append(*out, b...), ':'), key == "$ref"
		}
		if err := moveValue(d, out, place, reference); err != nil {
			return err
		}
	}
	closing, err := d.Token()
	if err != nil {
		return err
	}
	*out = append(*out, byte(closing.(json.Delim)))
	return nil
}
