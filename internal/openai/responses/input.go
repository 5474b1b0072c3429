package responses

import (
	"encoding/json"
	"fmt"

	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/openai"
)

// item is one of the request's input.
type item struct {
	Type      string          `json:"type"`
	Role      string          `json:"role"`
	Content   json.RawMessage `json:"content"`
	CallID    string          `json:"call_id"`
	Name      string          `json:"name"`
	Arguments string          `json:"arguments"`
	Output    json.RawMessage `json:"output"`
}

// messages are the instructions and the input as a conversation.
func (r *request) messages() ([]inference.Message, error) {
	var list []inference.Message
	if r.Instructions != nil && *r.Instructions != "" {
		list = append(list, inference.Message{Role: "system", Content: *r.Instructions})
	}
	var text string
	if json.Unmarshal(r.Input, &text) == nil && text != "" {
		return append(list, inference.Message{Role: "user", Content: text}), nil
	}
	var items []item
	if json.Unmarshal(r.Input, &items) != nil || len(items) == 0 {
		return nil, openai.Invalid("input", "'input' must be a string that is not empty, or an array of items.")
	}
	for i, it := range items {
		var err error
		if list, err = it.addTo(list, fmt.Sprintf("input[%d]", i)); err != nil {
			return nil, err
		}
	}
	if len(list) == 0 || len(list) > inference.MaxMessages {
		return nil, openai.Invalid("input", "'input' must make 1 to %d messages.", inference.MaxMessages)
	}
	return list, nil
}

// addTo adds an item to a conversation.
func (it *item) addTo(list []inference.Message, at string) ([]inference.Message, error) {
	switch it.Type {
	case "", "message":
		return it.addMessage(list, at)
	case "function_call":
		return it.addCall(list, at)
	case "function_call_output":
		output, err := openai.Text(at+".output", it.Output, "input_text", "output_text", "text")
		if it.CallID == "" {
			err = openai.Invalid(at+".call_id", "'%s.call_id' must name the call that this is the output of.", at)
		}
		return append(list, inference.Message{Role: "tool", Content: output, ToolCallID: it.CallID, Name: called(list, it.CallID)}), err
	case "reasoning": // of another model; there is no place for it in a prompt
		return list, nil
	}
	return nil, openai.Unsupported(at+".type", "Input items of the type '%s' are not supported.", it.Type)
}

func (it *item) addMessage(list []inference.Message, at string) ([]inference.Message, error) {
	role := it.Role
	switch role {
	case "system", "user", "assistant":
	case "developer":
		role = "system"
	default:
		return nil, openai.Invalid(at+".role", "A message's role must be 'developer', 'system', 'user' or 'assistant'.")
	}
	text, err := openai.Text(at+".content", it.Content, "input_text", "output_text", "text")
	return append(list, inference.Message{Role: role, Content: text}), err
}

// addCall adds a call to the turn of the assistant that made it.
func (it *item) addCall(list []inference.Message, at string) ([]inference.Message, error) {
	if it.CallID == "" || it.Name == "" || !json.Valid([]byte(it.Arguments)) {
		return nil, openai.Invalid(at, "Invalid '%s': a call must have a call_id, a name and a JSON object of arguments.", at)
	}
	if len(list) == 0 || list[len(list)-1].Role != "assistant" {
		list = append(list, inference.Message{Role: "assistant"})
	}
	turn := &list[len(list)-1]
	turn.ToolCalls = append(turn.ToolCalls, inference.ToolCall{ID: it.CallID, Name: it.Name, Arguments: it.Arguments})
	return list, nil
}

// called is the name of the function that a call called.
func called(list []inference.Message, id string) string {
	for _, m := range list {
		for _, c := range m.ToolCalls {
			if c.ID == id {
				return c.Name
			}
		}
	}
	return ""
}
