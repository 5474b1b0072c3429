package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"

	"github.com/koinon/koinon/internal/engine/toolcall"
	"github.com/koinon/koinon/internal/mechanism/conduct"
)

// Conversation is what a chat template turns into a prompt.
type Conversation struct {
	Messages []Message
	// Tools that the model may call, each an object of OpenAI's API:
	// {"type": "function", "function": {"name": …, "description": …, "parameters": …}}.
	Tools []json.RawMessage
}

// Message is one turn of a conversation.
type Message struct {
	Role, Content string
	// Calls are those of an assistant's turn.
	Calls []ToolCall
	// CallID is the call whose result a tool's turn has, Name the tool's.
	CallID, Name string
}

// ToolCall is a call in a conversation.
type ToolCall struct {
	ID string
	toolcall.Call
}

// led is the conversation with a model's conduct before it: in a system message of
// its own, or at the beginning of the one that is there.
func (c Conversation) led(by conduct.Conduct) Conversation {
	text := by.Text()
	switch {
	case text == "":
	case len(c.Messages) > 0 && c.Messages[0].Role == "system":
		c.Messages = slices.Clone(c.Messages)
		c.Messages[0].Content = text + "\n\n" + c.Messages[0].Content
	default:
		c.Messages = slices.Concat([]Message{{Role: "system", Content: text}}, c.Messages)
	}
	return c
}

// ErrTools is returned for tools and calls that are not the JSON they should be,
// or that the model's template has no place for.
var ErrTools = errors.New("unusable tools")

// values are a conversation's messages and tools as a template sees them.
func (c Conversation) values() (messages []*exec.Dict, tools any, err error) {
	for _, m := range c.Messages {
		d := dict("role", m.Role, "content", m.Content)
		if len(m.Calls) > 0 {
			calls, err := callsOf(m.Calls)
			if err != nil {
				return nil, nil, err
			}
			d.Pairs = append(d.Pairs, pair("tool_calls", calls))
		}
		if m.CallID != "" {
			d.Pairs = append(d.Pairs, pair("tool_call_id", m.CallID))
		}
		if m.Name != "" {
			d.Pairs = append(d.Pairs, pair("name", m.Name))
		}
		messages = append(messages, d)
	}
	if len(c.Tools) == 0 {
		return messages, nil, nil // templates ask whether they are none
	}
	list := make([]any, len(c.Tools))
	for i, t := range c.Tools {
		if list[i], err = ordered(t); err != nil {
			return nil, nil, fmt.Errorf("%w: tool %d: %w", ErrTools, i, err)
		}
	}
	return messages, list, nil
}

func callsOf(calls []ToolCall) ([]any, error) {
	list := make([]any, len(calls))
	for i, c := range calls {
		arguments, err := ordered(json.RawMessage(c.Arguments))
		if err != nil {
			return nil, fmt.Errorf("%w: the arguments of a call of %s: %w", ErrTools, c.Name, err)
		}
		list[i] = dict("id", c.ID, "type", "function", "function", dict("name", c.Name, "arguments", arguments))
	}
	return list, nil
}

// dict is a dictionary of keys and values in turn.
func dict(list ...any) *exec.Dict {
	d := exec.NewDict()
	for i := 0; i < len(list); i += 2 {
		d.Pairs = append(d.Pairs, pair(list[i].(string), list[i+1]))
	}
	return d
}

func pair(key string, value any) *exec.Pair {
	return &exec.Pair{Key: exec.AsValue(key), Value: exec.AsValue(value)}
}

// maxNesting bounds the depth of tools' JSON.
const maxNesting = 64

// ordered reads JSON into what templates work on. Objects keep their order, which
// models see.
func ordered(source json.RawMessage) (any, error) {
	d := json.NewDecoder(strings.NewReader(string(source)))
	d.UseNumber()
	v, err := orderedValue(d, maxNesting)
	if err != nil {
		return nil, fmt.Errorf("no JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON")
	}
	return v, nil
}

func orderedValue(d *json.Decoder, left int) (any, error) {
	if left == 0 {
		return nil, fmt.Errorf("it is nested deeper than %d", maxNesting)
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(t.String(), 10, 64); err == nil {
			return int(n), nil
		}
		return t.Float64()
	case json.Delim:
		list, object := []any{}, exec.NewDict()
		for d.More() {
			key := json.Token(nil)
			if t == '{' {
				if key, err = d.Token(); err != nil {
					return nil, err
				}
			}
			v, err := orderedValue(d, left-1)
			if err != nil {
				return nil, err
			}
			if t == '{' {
				object.Pairs = append(object.Pairs, pair(key.(string), v))
			} else {
				list = append(list, v)
			}
		}
		if _, err := d.Token(); err != nil {
			return nil, err
		}
		if t == '{' {
			return object, nil
		}
		return list, nil
	}
	return token, nil
}
