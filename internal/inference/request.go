package inference

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/koinon/koinon/receipt"
)

// Bounds of a request. They are part of the protocol.
const (
	// MaxMessages bounds a conversation.
	MaxMessages = 4096
	// MaxTools bounds the tools of a request, and the calls of a message.
	MaxTools = 128
	// MaxStop bounds the stop strings, MaxStopBytes each of them.
	MaxStop      = 16
	MaxStopBytes = 256
	// MaxLogprobs bounds the alternatives per token.
	MaxLogprobs = 20
	// MaxResume bounds the tokens of an answer that goes on elsewhere.
	MaxResume = 1 << 16
	// MaxCacheScope bounds a cache scope, in bytes.
	MaxCacheScope = 64
	// MaxTemperature bounds the temperature.
	MaxTemperature = 2
)

// Refusals of a request; each also matches [ErrInvalidRequest].
var (
	ErrInvalidRequest  = errors.New("invalid request")
	ErrRequestTooLarge = invalid("the request exceeds 1 MiB of JSON")
	ErrRequestJSON     = invalid("the request is not the JSON object that the protocol describes")
	ErrModel           = invalid("model must be a version's digest, sha256: and 64 hexadecimal digits")
	ErrPrompt          = invalid("exactly one of messages and prompt must be given, and not be empty")
	ErrMessages        = invalid("messages must number at most 4096")
	ErrRole            = invalid("a message's role must be system, user, assistant or tool")
	ErrTools           = invalid("tools must be at most 128 JSON objects, beside messages")
	ErrToolCalls       = invalid("tool_calls, at most 128, are an assistant's, each with a name and a JSON object of arguments; tool_call_id is a tool's")
	ErrText            = invalid("text must be valid UTF-8")
	ErrTemperature     = invalid("temperature must be between 0 and 2")
	ErrTopP            = invalid("top_p must be above 0 and at most 1")
	ErrTopK            = invalid("top_k must fit 31 bits")
	ErrMaxTokens       = invalid("max_tokens must fit 31 bits")
	ErrStop            = invalid("stop must hold at most 16 strings of 1 to 256 bytes")
	ErrLogprobs        = invalid("logprobs must be between 0 and 20")
	ErrSeed            = invalid("a request has a seed, or a nonce of 32 bytes for one to be drawn: neither for an embedding, and no nonce at temperature 0, where nothing is drawn")
	ErrResume          = invalid("resume must hold at most 65536 token ids, each 0 or more, and goes with no embedding")
	ErrCacheScope      = invalid("cache_scope must have at most 64 bytes of valid UTF-8")
)

// invalidRequest is a named refusal.
type invalidRequest struct{ reason string }

func invalid(reason string) error { return &invalidRequest{reason} }

func (e *invalidRequest) Error() string { return "invalid request: " + e.reason }

func (e *invalidRequest) Is(target error) bool { return target == ErrInvalidRequest }

// Message is one turn of a conversation.
type Message struct {
	// Role is "system", "user", "assistant" or "tool".
	Role    string `json:"role"`
	Content string `json:"content"`
	// ToolCalls are those that an assistant made.
	ToolCalls []ToolCall `json:"tool_calls,omitempty"`
	// ToolCallID is the call whose result a tool's message has, Name the tool's.
	ToolCallID string `json:"tool_call_id,omitempty"`
	Name       string `json:"name,omitempty"`
}

// ToolCall is a model's call of a tool.
type ToolCall struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Arguments is a JSON object.
	Arguments string `json:"arguments"`
}

// Request asks for one completion. All fields are explicit: the gateway fills
// in the defaults of its own API, so that the request's digest, which the
// receipt carries, covers everything that shaped the answer.
type Request struct {
	// Model is the version's digest.
	Model receipt.Digest `json:"model"`
	// Messages, put through the model's chat template, or Prompt as it is.
	Messages []Message `json:"messages,omitempty"`
	Prompt   string    `json:"prompt,omitempty"`
	// Embed, in their place, asks for embeddings.
	Embed *Embed `json:"embed,omitempty"`
	// Resume is the beginning of the answer, as token ids that another provider
	// gave before it failed. They follow the prompt, and are paid as such; the
	// answer goes on with the step that follows them, bit for bit as it would have
	// gone on there. Only a reference engine can.
	Resume []int32 `json:"resume,omitempty"`
	// Tools that the model may call, as objects of OpenAI's API, for the template.
	Tools []json.RawMessage `json:"tools,omitempty"`
	// MaxTokens bounds the completion, or what is left of it; 0 means until the
	// context is full.
	MaxTokens uint32 `json:"max_tokens"`
	// Temperature 0 is greedy.
	Temperature float32 `json:"temperature"`
	// TopP 1 keeps every token.
	TopP float32 `json:"top_p"`
	// TopK 0 keeps every token.
	TopK uint32 `json:"top_k"`
	// Seed of the sampler, where the payer names it. With a Nonce in its place, 32
	// random bytes, payer and provider draw one that neither can choose.
	Seed  uint64         `json:"seed"`
	Nonce receipt.Digest `json:"nonce,omitzero"`
	// Stop strings end the completion; the token that completes one is the last.
	Stop []string `json:"stop,omitempty"`
	// Logprobs is the number of alternatives to report per token.
	Logprobs uint32 `json:"logprobs"`
	Shaping
	// CacheScope divides the payer's cache: what the provider computed for one
	// scope is not used, nor charged as cached, for another. Any short text.
	CacheScope string `json:"cache_scope,omitempty"`
	// MaxPrice, if given, is the most the payer agrees to; a provider that
	// asks more refuses with [CodePaymentRequired] instead of serving.
	MaxPrice *MaxPrice `json:"max_price,omitempty"`
}

// MaxPrice bounds a price, in ucredit for 1,000,000 tokens.
type MaxPrice struct {
	Input       uint64 `json:"input"`
	CachedInput uint64 `json:"cached_input"`
	Output      uint64 `json:"output"`
}

// Allows says whether a price is within the bound; a nil bound allows any.
func (m *MaxPrice) Allows(p receipt.Price) bool {
	return m == nil || p.Input <= m.Input && p.CachedInput <= m.CachedInput && p.Output <= m.Output
}

// ParseRequest reads and validates a request: no unknown field, nothing after
// the object.
func ParseRequest(b []byte) (Request, error) {
	if len(b) > MaxRequest {
		return Request{}, ErrRequestTooLarge
	}
	if !utf8.Valid(b) {
		return Request{}, ErrText
	}
	var r Request
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Request{}, fmt.Errorf("%w: %s", ErrRequestJSON, jsonReason(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Request{}, fmt.Errorf("%w: something follows the object", ErrRequestJSON)
	}
	if err := r.Validate(); err != nil {
		return Request{}, err
	}
	return r, nil
}

// jsonReason keeps what a decoder says about form and leaves out values, which
// may quote a prompt.
func jsonReason(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("syntax error at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Sprintf("wrong type at byte %d", kind.Offset)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends too early"
	}
	return "an unknown field, or a value that is not in its form"
}

// Encode validates the request and writes its JSON: the bytes that go on the
// wire and that the receipt's request digest covers.
func (r Request) Encode() ([]byte, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding a request: %w", err)
	}
	if len(b) > MaxRequest {
		return nil, ErrRequestTooLarge
	}
	return b, nil
}

// Validate checks every rule of a request that needs no knowledge of a model.
func (r Request) Validate() error {
	if r.Model == (receipt.Digest{}) {
		return ErrModel
	}
	if r.Embed != nil {
		if err := r.validateEmbed(); err != nil {
			return err
		}
	} else if err := r.validatePrompt(); err != nil {
		return err
	}
	if len(r.Resume) > MaxResume || len(r.Resume) > 0 && (r.Embed != nil || slices.Min(r.Resume) < 0) {
		return ErrResume
	}
	if t := float64(r.Temperature); math.IsNaN(t) || t < 0 || t > MaxTemperature {
		return ErrTemperature
	}
	if p := float64(r.TopP); math.IsNaN(p) || p <= 0 || p > 1 {
		return ErrTopP
	}
	if !r.Nonce.IsZero() && (r.Seed != 0 || r.Embed != nil || r.Temperature == 0) {
		return ErrSeed
	}
	if r.TopK > math.MaxInt32 {
		return ErrTopK
	}
	if r.MaxTokens > math.MaxInt32 {
		return ErrMaxTokens
	}
	if len(r.Stop) > MaxStop {
		return ErrStop
	}
	for _, s := range r.Stop {
		if s == "" || len(s) > MaxStopBytes || !utf8.ValidString(s) {
			return ErrStop
		}
	}
	if r.Logprobs > MaxLogprobs {
		return ErrLogprobs
	}
	if len(r.CacheScope) > MaxCacheScope || !utf8.ValidString(r.CacheScope) {
		return ErrCacheScope
	}
	return r.Shaping.validate()
}

func (r Request) validatePrompt() error {
	if (len(r.Messages) == 0) == (r.Prompt == "") {
		return ErrPrompt
	}
	if len(r.Messages) > MaxMessages {
		return ErrMessages
	}
	if !utf8.ValidString(r.Prompt) {
		return ErrText
	}
	for _, m := range r.Messages {
		switch m.Role {
		case "system", "user", "assistant", "tool":
		default:
			return ErrRole
		}
		if !utf8.ValidString(m.Content + m.ToolCallID + m.Name) {
			return ErrText
		}
		if err := m.validateCalls(); err != nil {
			return err
		}
	}
	if len(r.Tools) > MaxTools || len(r.Tools) > 0 && len(r.Messages) == 0 {
		return ErrTools
	}
	for _, t := range r.Tools {
		if !isObject(t) {
			return ErrTools
		}
	}
	return nil
}

func (m Message) validateCalls() error {
	if len(m.ToolCalls) > MaxTools || len(m.ToolCalls) > 0 && m.Role != "assistant" || m.ToolCallID != "" && m.Role != "tool" {
		return ErrToolCalls
	}
	for _, c := range m.ToolCalls {
		if c.Name == "" || !isObject([]byte(c.Arguments)) {
			return ErrToolCalls
		}
		if !utf8.ValidString(c.ID + c.Name + c.Arguments) {
			return ErrText
		}
	}
	return nil
}

// isObject says whether a text is one JSON object.
func isObject(b []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) && json.Valid(b)
}
