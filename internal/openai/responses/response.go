package responses

import (
	"encoding/json"

	"github.com/koinon/koinon/internal/openai"
)

// Response is the answer of POST /v1/responses.
type Response struct {
	ID                 string            `json:"id"`
	Object             string            `json:"object"` // "response"
	CreatedAt          int64             `json:"created_at"`
	Status             string            `json:"status"` // in_progress, completed or incomplete
	Error              *struct{}         `json:"error"`  // errors end a stream, or have a status of their own
	IncompleteDetails  *Incomplete       `json:"incomplete_details"`
	Instructions       *string           `json:"instructions"`
	MaxOutputTokens    *int64            `json:"max_output_tokens"`
	Model              string            `json:"model"`
	Output             []any             `json:"output"` // of Message and Call
	ParallelToolCalls  bool              `json:"parallel_tool_calls"`
	PreviousResponseID *string           `json:"previous_response_id"`
	Reasoning          Reasoning         `json:"reasoning"`
	Store              bool              `json:"store"` // never
	Temperature        float32           `json:"temperature"`
	Text               textFields        `json:"text"`
	ToolChoice         json.RawMessage   `json:"tool_choice"`
	Tools              []json.RawMessage `json:"tools"`
	TopLogprobs        uint32            `json:"top_logprobs"`
	TopP               float32           `json:"top_p"`
	Truncation         string            `json:"truncation"` // "disabled"
	Usage              *Usage            `json:"usage"`
	Metadata           map[string]string `json:"metadata"`
	Koinon             *openai.Koinon    `json:"koinon,omitempty"`
}

// Incomplete says why an answer stops before its end.
type Incomplete struct {
	Reason string `json:"reason"` // max_output_tokens
}

// Reasoning is empty: what a model thinks is part of its text.
type Reasoning struct {
	Effort  *string `json:"effort"`
	Summary *string `json:"summary"`
}

// Message is an output item of text.
type Message struct {
	ID      string `json:"id"`
	Type    string `json:"type"`   // "message"
	Status  string `json:"status"` // in_progress, completed or incomplete
	Role    string `json:"role"`   // "assistant"
	Content []Part `json:"content"`
}

// Part is a message's text.
type Part struct {
	Type        string               `json:"type"` // "output_text"
	Text        string               `json:"text"`
	Annotations []struct{}           `json:"annotations"`
	Logprobs    []openai.ChatLogprob `json:"logprobs"`
}

// Call is an output item that calls a function.
type Call struct {
	ID        string `json:"id"`
	Type      string `json:"type"`   // "function_call"
	Status    string `json:"status"` // in_progress or completed
	CallID    string `json:"call_id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"` // a JSON object
}

// Usage counts tokens.
type Usage struct {
	InputTokens        uint64        `json:"input_tokens"`
	InputTokensDetails InputDetails  `json:"input_tokens_details"`
	OutputTokens       uint64        `json:"output_tokens"`
	OutputDetails      OutputDetails `json:"output_tokens_details"`
	TotalTokens        uint64        `json:"total_tokens"`
}

// InputDetails says more about the input.
type InputDetails struct {
	CachedTokens uint64 `json:"cached_tokens"`
}

// OutputDetails says more about the output.
type OutputDetails struct {
	ReasoningTokens uint64 `json:"reasoning_tokens"` // none
}

// newResponse is a response that has just begun, with what was asked for.
func newResponse(id string, created int64, model string, c openai.Completion, r request) Response {
	choice := r.ToolChoice
	if !openai.Given(choice) {
		choice = json.RawMessage(`"auto"`)
	}
	format := r.Text.Format
	if !openai.Given(format) {
		format = json.RawMessage(`{"type":"text"}`)
	}
	metadata := r.Metadata
	if metadata == nil {
		metadata = map[string]string{}
	}
	return Response{
		ID: id, Object: "response", CreatedAt: created, Status: statusRunning, Instructions: r.Instructions,
		MaxOutputTokens: r.MaxOutputTokens, Model: model, Output: []any{},
		ParallelToolCalls: r.ParallelToolCalls == nil || *r.ParallelToolCalls, Temperature: c.Temperature,
		Text: textFields{format}, ToolChoice: choice, Tools: append([]json.RawMessage{}, r.Tools...),
		TopLogprobs: c.TopLogprobs, TopP: c.TopP, Truncation: "disabled", Metadata: metadata,
	}
}

// finish is the response once all of it has come.
func (r Response) finish(j openai.Job, a openai.Answer, output []any) Response {
	r.Status, r.Output, r.Koinon = statusDone, output, a.Koinon
	if a.Finish == "length" {
		r.Status, r.IncompleteDetails = statusCut, &Incomplete{"max_output_tokens"}
	}
	u := openai.UsageOf(j, []openai.Answer{a})
	r.Usage = &Usage{
		InputTokens: u.PromptTokens, InputTokensDetails: InputDetails{u.PromptTokensDetails.CachedTokens},
		OutputTokens: u.CompletionTokens, TotalTokens: u.TotalTokens,
	}
	return r
}
