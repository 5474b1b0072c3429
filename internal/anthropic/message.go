package anthropic

import (
	"encoding/json"

	"github.com/koinon/koinon/internal/openai"
)

// Message is the answer of POST /v1/messages.
type Message struct {
	ID           string         `json:"id"`
	Type         string         `json:"type"` // "message"
	Role         string         `json:"role"` // "assistant"
	Model        string         `json:"model"`
	Content      []any          `json:"content"` // of Text and ToolUse
	StopReason   *string        `json:"stop_reason"`
	StopSequence *string        `json:"stop_sequence"`
	Usage        Usage          `json:"usage"`
	Koinon       *openai.Koinon `json:"koinon,omitempty"`
}

// Text is a block of text.
type Text struct {
	Type string `json:"type"` // "text"
	Text string `json:"text"`
}

// ToolUse is a block that uses a tool.
type ToolUse struct {
	Type  string          `json:"type"` // "tool_use"
	ID    string          `json:"id"`
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"` // an object
}

// Usage counts tokens. Those of the prompt are the sum of the first three.
type Usage struct {
	InputTokens              uint64 `json:"input_tokens"` // that were not cached
	CacheCreationInputTokens uint64 `json:"cache_creation_input_tokens"`
	CacheReadInputTokens     uint64 `json:"cache_read_input_tokens"`
	OutputTokens             uint64 `json:"output_tokens"`
}

// usage counts an answer's tokens.
func usage(a openai.Answer) Usage {
	return Usage{InputTokens: a.Prompt - min(a.Prompt, a.Cached), CacheReadInputTokens: a.Cached, OutputTokens: a.Completion}
}

// stopped says why an answer ended, and at which stop sequence if at one.
func stopped(finish, stop string) (reason string, sequence *string) {
	switch {
	case finish == "tool_calls":
		return "tool_use", nil
	case finish == "length":
		return "max_tokens", nil
	case stop != "":
		return "stop_sequence", &stop
	}
	return "end_turn", nil
}

// toolUse is a call as a block.
func toolUse(c openai.ToolCall) ToolUse {
	return ToolUse{Type: "tool_use", ID: "toolu_" + c.ID[len("call_"):], Name: c.Function.Name, Input: json.RawMessage(c.Function.Arguments)}
}

// errorTypes are Anthropic's names of errors, by HTTP status.
var errorTypes = map[int]string{
	400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
	404: "not_found_error", 405: "invalid_request_error", 409: "invalid_request_error", 413: "request_too_large",
	422: "invalid_request_error", 429: "rate_limit_error", 503: "overloaded_error",
}

// failure is an error as Anthropic's clients expect it.
type failure struct {
	Type  string `json:"type"` // "error"
	Error struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	} `json:"error"`
	RequestID *string `json:"request_id"`
}

func failed(e *openai.Error, request string) failure {
	f := failure{Type: "error"}
	f.Error.Type, f.Error.Message = errorTypes[e.Status], e.Message
	if f.Error.Type == "" {
		f.Error.Type = "api_error"
	}
	if request != "" {
		f.RequestID = &request
	}
	return f
}
