package anthropic

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/openai"
)

// turn is one of a request's messages.
type turn struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"` // a string, or blocks
}

// block is a part of a turn.
type block struct {
	Type      string          `json:"type"`
	Text      string          `json:"text"`
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
	ToolUseID string          `json:"tool_use_id"`
	Content   json.RawMessage `json:"content"` // of a result: a string, or blocks of text
	IsError   bool            `json:"is_error"`
}

// conversation is the system's text and all turns.
func (r *request) conversation() ([]inference.Message, error) {
	var list []inference.Message
	if openai.Given(r.System) {
		text, err := openai.Text("system", r.System, "text")
		if err != nil {
			return nil, err
		}
		list = append(list, inference.Message{Role: "system", Content: text})
	}
	if len(r.Messages) == 0 {
		return nil, openai.Invalid("messages", "messages: at least one message is required")
	}
	for i, t := range r.Messages {
		var err error
		if list, err = t.addTo(list, fmt.Sprintf("messages.%d", i)); err != nil {
			return nil, err
		}
	}
	if len(list) > inference.MaxMessages {
		return nil, openai.Invalid("messages", "messages: there are more than %d", inference.MaxMessages)
	}
	if r.Messages[len(r.Messages)-1].Role == "assistant" {
		return nil, openai.Unsupported("messages", "messages: the last one must be the user's: continuing an assistant's message is not supported")
	}
	return list, nil
}

// addTo adds a turn to a conversation: one message for each result of a tool,
// and one for the rest.
func (t *turn) addTo(list []inference.Message, at string) ([]inference.Message, error) {
	if t.Role != "user" && t.Role != "assistant" {
		return nil, openai.Invalid(at+".role", "%s.role: must be 'user' or 'assistant'", at)
	}
	var whole string
	if json.Unmarshal(t.Content, &whole) == nil {
		return append(list, inference.Message{Role: t.Role, Content: whole}), nil
	}
	var blocks []block
	if json.Unmarshal(t.Content, &blocks) != nil || len(blocks) == 0 {
		return nil, openai.Invalid(at+".content", "%s.content: must be a string, or an array of content blocks that is not empty", at)
	}
	m := inference.Message{Role: t.Role}
	var text strings.Builder
	for i, b := range blocks {
		at := fmt.Sprintf("%s.content.%d", at, i)
		switch {
		case b.Type == "text":
			text.WriteString(b.Text)
		case b.Type == "tool_use" && t.Role == "assistant":
			call, err := b.call(at)
			if err != nil {
				return nil, err
			}
			m.ToolCalls = append(m.ToolCalls, call)
		case b.Type == "tool_result" && t.Role == "user":
			result, err := b.result(at, list)
			if err != nil {
				return nil, err
			}
			list = append(list, result)
		case strings.HasSuffix(b.Type, "thinking") && t.Role == "assistant": // of another model; there is no place for it in a prompt
		default:
			return nil, openai.Unsupported(at+".type", "%s.type: content blocks of the type '%s' are not supported in a message of the role '%s'", at, b.Type, t.Role)
		}
	}
	if m.Content = text.String(); m.Content == "" && len(m.ToolCalls) == 0 && t.Role == "user" {
		return list, nil // results alone
	}
	return append(list, m), nil
}

// call is a use of a tool that the assistant made.
func (b *block) call(at string) (inference.ToolCall, error) {
	input := string(b.Input)
	if !openai.Given(b.Input) {
		input = "{}"
	}
	if b.ID == "" || b.Name == "" || input[0] != '{' {
		return inference.ToolCall{}, openai.Invalid(at, "%s: a tool_use must have an id, a name, and an object as its input", at)
	}
	return inference.ToolCall{ID: b.ID, Name: b.Name, Arguments: input}, nil
}

// result is what a tool said.
func (b *block) result(at string, list []inference.Message) (inference.Message, error) {
	m := inference.Message{Role: "tool", ToolCallID: b.ToolUseID}
	if b.ToolUseID == "" {
		return m, openai.Invalid(at+".tool_use_id", "%s.tool_use_id: Field required", at)
	}
	if openai.Given(b.Content) {
		var err error
		if m.Content, err = openai.Text(at+".content", b.Content, "text"); err != nil {
			return m, err
		}
	}
	if b.IsError {
		m.Content = "Error: " + m.Content
	}
	for _, earlier := range list {
		for _, call := range earlier.ToolCalls {
			if call.ID == b.ToolUseID {
				m.Name = call.Name
				return m, nil
			}
		}
	}
	return m, openai.Invalid(at+".tool_use_id", "%s.tool_use_id: there is no tool_use of the id '%s' before it", at, b.ToolUseID)
}
