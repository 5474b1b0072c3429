package openai

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/koinon/koinon/internal/engine/toolcall"
	"github.com/koinon/koinon/internal/inference"
)

// Tools are the functions that a model may call in a chat.
type Tools struct {
	sent     []json.RawMessage // as the template shows them
	list     []toolcall.Tool
	required bool // the answer must be a call
	several  bool // of more than one
}

// ToolCall is a call in a message.
type ToolCall struct {
	// Index is its place among those of a message, in chunks alone.
	Index    *int         `json:"index,omitempty"`
	ID       string       `json:"id"`
	Type     string       `json:"type"` // "function"
	Function CallFunction `json:"function"`
}

// CallFunction is what a call says.
type CallFunction struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"` // a JSON object
}

type toolFields struct {
	Tools             []json.RawMessage `json:"tools"`
	ToolChoice        json.RawMessage   `json:"tool_choice"`
	ParallelToolCalls *bool             `json:"parallel_tool_calls"`
}

// functionName is what OpenAI allows as a name.
var functionName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// read checks the fields. Shaped says that the answer's text is constrained
// already.
func (f *toolFields) read(shaped bool) (Tools, error) {
	t := Tools{several: f.ParallelToolCalls == nil || *f.ParallelToolCalls}
	if len(f.Tools) > inference.MaxTools {
		return t, Invalid("tools", "Invalid 'tools': must hold at most %d.", inference.MaxTools)
	}
	for i, raw := range f.Tools {
		tool, err := readTool(fmt.Sprintf("tools[%d]", i), raw)
		if err != nil {
			return t, err
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, raw); err != nil {
			return t, err
		}
		t.list, t.sent = append(t.list, tool), append(t.sent, compact.Bytes())
	}
	if err := t.choose(f.ToolChoice); err != nil {
		return t, err
	}
	if t.required && shaped {
		return t, Invalid("tool_choice", "A 'tool_choice' that requires a call cannot be combined with 'response_format' or 'grammar'.")
	}
	return t, nil
}

// Function is a tool that a model may call.
type Function struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Parameters is a JSON Schema; none for a function without arguments.
	Parameters json.RawMessage `json:"parameters,omitempty"`
}

// NewTools are functions that a model may call, several at once if it likes.
// Errors are [*Error], and name the field where the functions were given.
func NewTools(field string, functions []Function) (Tools, error) {
	f := toolFields{Tools: make([]json.RawMessage, len(functions))}
	for i, function := range functions {
		if !Given(function.Parameters) {
			function.Parameters = nil
		}
		raw, err := json.Marshal(map[string]any{"type": "function", "function": function})
		if err != nil {
			return Tools{}, Invalid(fmt.Sprintf("%s[%d]", field, i), "Invalid '%s[%d]': it is not valid JSON.", field, i)
		}
		f.Tools[i] = raw
	}
	return f.read(false)
}

// Require obliges the answer to call the function of a name, or any if the name
// is empty. Errors are [*Error].
func (t *Tools) Require(name string) error {
	if len(t.list) == 0 {
		return Invalid("tool_choice", "'tool_choice' requires a call, but there are no 'tools'.")
	}
	t.required = true
	if name == "" {
		return nil
	}
	for _, tool := range t.list {
		if tool.Name == name {
			t.list, t.several = []toolcall.Tool{tool}, false
			return nil
		}
	}
	return Invalid("tool_choice", "'tool_choice' names '%s', which is none of 'tools'.", name)
}

// Single allows a required answer one call and no more.
func (t *Tools) Single() { t.several = false }

// Required says whether the answer must be a call.
func (t *Tools) Required() bool { return t.required }

func readTool(at string, raw json.RawMessage) (toolcall.Tool, error) {
	var tool struct {
		Type     string `json:"type"`
		Function *struct {
			Name       string          `json:"name"`
			Parameters json.RawMessage `json:"parameters"`
		} `json:"function"`
	}
	if json.Unmarshal(raw, &tool) != nil || tool.Type != "function" || tool.Function == nil {
		return toolcall.Tool{}, Invalid(at, "Invalid '%s': it must be {\"type\": \"function\", \"function\": {…}}; other tools are not supported.", at)
	}
	if !functionName.MatchString(tool.Function.Name) {
		return toolcall.Tool{}, Invalid(at+".function.name", "Invalid '%s.function.name': it must be 1 to 64 letters, digits, _ and -.", at)
	}
	parameters := bytes.TrimSpace(tool.Function.Parameters)
	if Given(parameters) && parameters[0] != '{' {
		return toolcall.Tool{}, Invalid(at+".function.parameters", "Invalid '%s.function.parameters': it must be a JSON Schema, an object.", at)
	}
	if !Given(parameters) {
		parameters = nil
	}
	return toolcall.Tool{Name: tool.Function.Name, Parameters: parameters}, nil
}

// choose applies tool_choice.
func (t *Tools) choose(raw json.RawMessage) error {
	if !Given(raw) {
		return nil
	}
	var mode string
	var named struct {
		Type     string `json:"type"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	switch {
	case json.Unmarshal(raw, &mode) == nil:
	case json.Unmarshal(raw, &named) == nil && named.Type == "function":
		if named.Function.Name == "" {
			return Invalid("tool_choice", "'tool_choice' must name a function.")
		}
		return t.Require(named.Function.Name)
	default:
		return Invalid("tool_choice", "'tool_choice' must be 'none', 'auto', 'required', or name a function.")
	}
	switch mode {
	case "auto":
	case "none":
		*t = Tools{}
	case "required":
		return t.Require("")
	default:
		return Invalid("tool_choice", "'tool_choice' must be 'none', 'auto', 'required', or name a function.")
	}
	return nil
}

// Taught prepares a request for a model that writes calls in a format: it
// refuses tools that the model was not taught, and has a required call
// constrain the answer. Errors are [*Error].
func (c Completion) Taught(f toolcall.Format) (Completion, error) {
	if len(c.Tools.list) == 0 {
		return c, nil
	}
	if f == toolcall.None {
		return c, Unsupported("tools", "The model '%s' was not taught to use tools: its chat template has no place for them.", c.Model)
	}
	if !c.Tools.required {
		return c, nil
	}
	var err error
	if c.Shaping.Grammar, err = f.Grammar(c.Tools.list, c.Tools.several); err != nil {
		return c, Invalid("tools", "Invalid 'tools': %v.", err)
	}
	return c, nil
}

// calls reads those of a message.
func calls(at string, m chatMessage) ([]inference.ToolCall, error) {
	if len(m.ToolCalls) > inference.MaxTools || len(m.ToolCalls) > 0 && m.Role != "assistant" {
		return nil, Invalid(at, "Invalid '%s': an assistant's message may have up to %d calls.", at, inference.MaxTools)
	}
	var list []inference.ToolCall
	for i, c := range m.ToolCalls {
		arguments := bytes.TrimSpace([]byte(c.Function.Arguments))
		if len(arguments) == 0 {
			arguments = []byte("{}")
		}
		if c.Type != "" && c.Type != "function" || c.Function.Name == "" || arguments[0] != '{' || !json.Valid(arguments) {
			return nil, Invalid(fmt.Sprintf("%s[%d]", at, i), "Invalid '%s[%d]': it must be a function's call, with a name and a JSON object of arguments.", at, i)
		}
		list = append(list, inference.ToolCall{ID: c.ID, Name: c.Function.Name, Arguments: string(arguments)})
	}
	return list, nil
}

// CallReader divides a choice's text into content and calls.
type CallReader struct {
	parser *toolcall.Parser // nil where there are no tools
	count  int
}

// NewCallReader makes the reader of a choice of a completion.
func NewCallReader(c Completion, choice Choice) *CallReader {
	if len(c.Tools.list) == 0 {
		return &CallReader{}
	}
	return &CallReader{parser: toolcall.NewParser(choice.Calls, c.Tools.list, c.Tools.required)}
}

// Push takes the next part of the text. A call comes once it is whole.
func (r *CallReader) Push(part string) (string, []ToolCall) {
	if r.parser == nil {
		return part, nil
	}
	text, calls := r.parser.Push(part)
	return text, r.number(calls)
}

// Flush takes the end.
func (r *CallReader) Flush() (string, []ToolCall) {
	if r.parser == nil {
		return "", nil
	}
	text, calls := r.parser.Flush()
	return text, r.number(calls)
}

func (r *CallReader) number(calls []toolcall.Call) []ToolCall {
	var list []ToolCall
	for _, c := range calls {
		index := r.count
		r.count++
		list = append(list, ToolCall{Index: &index, ID: "call_" + rand.Text(), Type: "function", Function: CallFunction(c)})
	}
	return list
}

// Finish is why an answer ended, as the API has it: tool_calls, or the reason
// given.
func (r *CallReader) Finish(reason string) string {
	if r.count > 0 && reason == "stop" {
		return "tool_calls"
	}
	return reason
}
