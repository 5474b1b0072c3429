package openai

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/route"
	"github.com/koinon/koinon/receipt"
)

// MaxChoices bounds n, and the prompts of one request.
const MaxChoices = 16

// Completion is what a request asks for, whichever endpoint it came to, with
// every default filled in.
type Completion struct {
	Model string
	// Messages of a chat, or Prompts, of which each is answered on its own.
	Messages []inference.Message
	Prompts  []string
	// MaxTokens of an answer; 0 for as many as the context takes.
	MaxTokens   uint32
	Temperature float32
	TopP        float32
	TopK        uint32
	Seed        *uint64        // nil for a random one
	Nonce       receipt.Digest // of the seed that is drawn in its place; zero for a random one
	Transcript  bool           // with the answer, for audits
	Stop        []string
	Logprobs    bool   // report each token's log-probability
	TopLogprobs uint32 // and those of so many alternatives
	N           int    // answers for each prompt
	Stream      bool
	Usage       bool // a last chunk with the usage
	Running     bool // and what is used so far in each chunk of a chat
	Shaping     inference.Shaping
	Tools       Tools
	// Controls say who may serve, where there is a choice; nil for anybody.
	Controls *route.Controls
}

// Request is what the protocol has for the completion of one prompt, which is
// empty for a chat, but for its seed.
func (c Completion) Request(model receipt.Digest, prompt string) inference.Request {
	logprobs := c.TopLogprobs
	if c.Logprobs { // an engine that cannot tell them refuses
		logprobs = max(1, logprobs)
	}
	return inference.Request{
		Model: model, Messages: c.Messages, Prompt: prompt, MaxTokens: c.MaxTokens,
		Temperature: c.Temperature, TopP: c.TopP, TopK: c.TopK, Stop: c.Stop, Logprobs: logprobs,
		Shaping: c.Shaping, Tools: c.Tools.sent,
	}
}

// SeedOf is the seed of a choice: each has its own. A random one has 53 bits, so
// that readers of JSON that know no integers, as JavaScript's, keep it exactly
// and can verify the receipt.
func (c Completion) SeedOf(choice int) uint64 {
	if c.Seed != nil {
		return *c.Seed + uint64(choice)
	}
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:]) >> 11
}

// NonceOf is what the payer puts into the drawing of a choice's seed: 32 bytes, the
// client's own for the first choice, and made of them for the others.
func (c Completion) NonceOf(choice int) (nonce receipt.Digest) {
	switch {
	case c.Nonce.IsZero():
		rand.Read(nonce[:]) // never fails
		return nonce
	case choice == 0:
		return c.Nonce
	}
	return receipt.Sum(binary.BigEndian.AppendUint32(c.Nonce[:], uint32(choice)))
}

// Common are the fields that the endpoints which generate text share, in this
// API and in others. Unions are raw here, so that an error can name its field.
type Common struct {
	Model         string          `json:"model"`
	MaxTokens     *int64          `json:"max_tokens"`
	Temperature   *float64        `json:"temperature"`
	TopP          *float64        `json:"top_p"`
	TopK          *int64          `json:"top_k"`
	Seed          *int64          `json:"seed"`
	Stop          json.RawMessage `json:"stop"`
	N             *int64          `json:"n"`
	Stream        *bool           `json:"stream"`
	StreamOptions *struct {
		IncludeUsage bool `json:"include_usage"`
		Continuous   bool `json:"continuous_usage_stats"` // as vLLM has it
	} `json:"stream_options"`
	Provider   json.RawMessage `json:"provider"`
	Nonce      *string         `json:"nonce"`
	Transcript *bool           `json:"transcript"`
	shaping
}

type chatRequest struct {
	Common
	Messages            []chatMessage `json:"messages"`
	MaxCompletionTokens *int64        `json:"max_completion_tokens"`
	Logprobs            *bool         `json:"logprobs"`
	TopLogprobs         *int64        `json:"top_logprobs"`
	toolFields
	Functions  []any           `json:"functions"`
	Modalities []string        `json:"modalities"`
	Audio      json.RawMessage `json:"audio"`
}

type chatMessage struct {
	Role       string          `json:"role"`
	Content    json.RawMessage `json:"content"`
	ToolCalls  []ToolCall      `json:"tool_calls"`
	ToolCallID string          `json:"tool_call_id"`
	Name       string          `json:"name"`
}

type completionRequest struct {
	Common
	Prompt   json.RawMessage `json:"prompt"`
	Logprobs *int64          `json:"logprobs"`
	BestOf   *int64          `json:"best_of"`
	Echo     *bool           `json:"echo"`
	Suffix   *string         `json:"suffix"`
}

// ParseChat reads the body of POST /v1/chat/completions. Errors are [*Error].
func ParseChat(body []byte) (Completion, error) {
	var r chatRequest
	if err := Decode(body, &r); err != nil {
		return Completion{}, err
	}
	for _, field := range []struct {
		name  string
		given bool
	}{
		{"functions", len(r.Functions) > 0},
		{"audio", Given(r.Audio)},
		{"modalities", len(r.Modalities) > 1 || len(r.Modalities) == 1 && r.Modalities[0] != "text"},
	} {
		if field.given {
			return Completion{}, Unsupported(field.name, "'%s' is not supported by this gateway.", field.name)
		}
	}
	c, err := r.Common.Completion()
	if err != nil {
		return Completion{}, err
	}
	if c.Messages, err = messages(r.Messages); err != nil {
		return Completion{}, err
	}
	limit, name := r.MaxCompletionTokens, "max_completion_tokens"
	if limit == nil {
		limit, name = r.MaxTokens, "max_tokens"
	}
	if limit != nil {
		if c.MaxTokens, err = MaxTokens(name, *limit); err != nil {
			return Completion{}, err
		}
	}
	if c.Tools, err = r.toolFields.read(c.Shaping.Grammar != ""); err != nil {
		return Completion{}, err
	}
	c.Logprobs = r.Logprobs != nil && *r.Logprobs
	if r.TopLogprobs != nil {
		if !c.Logprobs {
			return Completion{}, Invalid("top_logprobs", "'top_logprobs' needs 'logprobs' to be true.")
		}
		if c.TopLogprobs, err = integer[uint32]("top_logprobs", *r.TopLogprobs, 0, inference.MaxLogprobs); err != nil {
			return Completion{}, err
		}
	}
	return c, nil
}

// MaxTokens checks the bound of an answer's length, in tokens, that a field of a
// request gives.
func MaxTokens(param string, v int64) (uint32, error) {
	return integer[uint32](param, v, 1, math.MaxInt32)
}

// legacyMaxTokens is the default of /v1/completions.
const legacyMaxTokens = 16

// ParseCompletion reads the body of POST /v1/completions. Errors are [*Error].
func ParseCompletion(body []byte) (Completion, error) {
	var r completionRequest
	if err := Decode(body, &r); err != nil {
		return Completion{}, err
	}
	switch {
	case r.Echo != nil && *r.Echo:
		return Completion{}, Unsupported("echo", "'echo' is not supported by this gateway.")
	case r.Suffix != nil && *r.Suffix != "":
		return Completion{}, Unsupported("suffix", "'suffix' is not supported by this gateway.")
	case r.BestOf != nil && *r.BestOf > 1 && (r.N == nil || *r.BestOf != *r.N):
		return Completion{}, Unsupported("best_of", "'best_of' above 'n' is not supported by this gateway.")
	}
	c, err := r.Common.Completion()
	if err != nil {
		return Completion{}, err
	}
	if c.Prompts, err = prompts(r.Prompt); err != nil {
		return Completion{}, err
	}
	if len(c.Prompts)*c.N > MaxChoices {
		return Completion{}, Invalid("prompt", "The prompts times 'n' must be at most %d.", MaxChoices)
	}
	c.MaxTokens = legacyMaxTokens
	if r.MaxTokens != nil {
		if c.MaxTokens, err = MaxTokens("max_tokens", *r.MaxTokens); err != nil {
			return Completion{}, err
		}
	}
	if r.Logprobs != nil {
		c.Logprobs = true
		if c.TopLogprobs, err = integer[uint32]("logprobs", *r.Logprobs, 0, inference.MaxLogprobs); err != nil {
			return Completion{}, err
		}
	}
	return c, nil
}

// Completion checks the shared fields, but for max_tokens, and fills in the
// defaults. Errors are [*Error].
func (r *Common) Completion() (Completion, error) {
	c := Completion{Model: r.Model, Temperature: 1, TopP: 1, N: 1}
	var err error
	if c.Model == "" {
		return c, missingModel()
	}
	if r.Temperature != nil {
		if c.Temperature, err = number("temperature", *r.Temperature, 0, inference.MaxTemperature); err != nil {
			return c, err
		}
	}
	if r.TopP != nil {
		if c.TopP, err = number("top_p", *r.TopP, 0, 1); err != nil {
			return c, err
		}
		if c.TopP == 0 { // nothing but the likeliest token
			c.TopP, c.TopK = 1, 1
		}
	}
	if r.TopK != nil && *r.TopK != 0 {
		if c.TopK, err = integer[uint32]("top_k", *r.TopK, 1, math.MaxInt32); err != nil {
			return c, err
		}
	}
	if r.N != nil {
		if c.N, err = integer[int]("n", *r.N, 1, MaxChoices); err != nil {
			return c, err
		}
	}
	if r.Seed != nil {
		seed := uint64(*r.Seed)
		c.Seed = &seed
	}
	if r.Nonce != nil {
		if c.Nonce, err = receipt.ParseHex(*r.Nonce); err != nil || c.Nonce.IsZero() || c.Seed != nil {
			return c, Invalid("nonce", "'nonce' must be 32 random bytes in 64 lower-case hexadecimal digits, in place of 'seed'.")
		}
	}
	c.Transcript = r.Transcript != nil && *r.Transcript
	if c.Stop, err = stops(r.Stop); err != nil {
		return c, err
	}
	if c.Shaping, err = r.shaping.read(); err != nil {
		return c, err
	}
	if c.Controls, err = Preferences(r.Provider); err != nil {
		return c, err
	}
	c.Stream = r.Stream != nil && *r.Stream
	if r.StreamOptions != nil {
		if !c.Stream {
			return c, Invalid("stream_options", "'stream_options' is only allowed when 'stream' is true.")
		}
		c.Usage = r.StreamOptions.IncludeUsage
		c.Running = c.Usage && r.StreamOptions.Continuous
	}
	return c, nil
}

func missingModel() *Error {
	return &Error{Status: http.StatusBadRequest, Message: "You must provide a model parameter.", Type: typeInvalid, Param: "model", Code: "missing_required_parameter"}
}

// Decode reads one JSON object and says what is wrong with it without quoting
// it: bodies hold prompts. Errors are [*Error].
func Decode(body []byte, into any) error {
	if !utf8.Valid(body) {
		return Malformed("The request's body is not valid UTF-8.")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	err := d.Decode(into)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return Malformed("We could not parse the JSON body of your request: something follows the object.")
		}
		return nil
	case errors.As(err, &syntax):
		return Malformed("We could not parse the JSON body of your request: syntax error at byte %d.", syntax.Offset)
	case errors.As(err, &kind):
		field := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(kind.Field, "Common."), "shaping."), "toolFields.")
		if field == "" {
			return Malformed("The request's body must be a JSON object, not %s.", kind.Value)
		}
		e := Invalid(field, "Invalid type for '%s': expected %s, but got %s instead.", field, jsonKind(kind.Type.Kind().String()), kind.Value)
		e.Code = "invalid_type"
		return e
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Malformed("We could not parse the JSON body of your request: it is empty or ends too early.")
	}
	return Malformed("We could not parse the JSON body of your request.")
}

// jsonKind names a Go kind as JSON does.
func jsonKind(kind string) string {
	switch kind {
	case "int64", "uint64", "int":
		return "an integer"
	case "float64":
		return "a number"
	case "bool":
		return "a boolean"
	case "string":
		return "a string"
	case "slice":
		return "an array"
	}
	return "an object"
}

func messages(in []chatMessage) ([]inference.Message, error) {
	if len(in) == 0 {
		return nil, Invalid("messages", "'messages' must hold at least one message.")
	}
	if len(in) > inference.MaxMessages {
		return nil, Invalid("messages", "'messages' must hold at most %d messages.", inference.MaxMessages)
	}
	out := make([]inference.Message, len(in))
	for i, m := range in {
		at := fmt.Sprintf("messages[%d]", i)
		switch m.Role {
		case "system", "user", "assistant":
			out[i].Role = m.Role
		case "developer":
			out[i].Role = "system"
		case "tool":
			out[i].Role, out[i].ToolCallID, out[i].Name = m.Role, m.ToolCallID, m.Name
		case "function":
			return nil, Unsupported(at+".role", "Messages of the role 'function' are not supported; use the role 'tool'.")
		default:
			return nil, Invalid(at+".role", "A message's role must be 'developer', 'system', 'user', 'assistant' or 'tool'.")
		}
		var err error
		if out[i].ToolCalls, err = calls(at+".tool_calls", m); err != nil {
			return nil, err
		}
		if out[i].Content, err = content(at+".content", m.Content, m.Role); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// content is a string, or an array of parts of which only text is supported.
func content(param string, raw json.RawMessage, role string) (string, error) {
	if !Given(raw) {
		if role == "assistant" {
			return "", nil
		}
		return "", Invalid(param, "A message of the role '%s' must have content.", role)
	}
	return Text(param, raw, "text")
}

// Text reads content that is a string, or an array of parts of the kinds given,
// which are all text. Errors are [*Error].
func Text(param string, raw json.RawMessage, kinds ...string) (string, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if json.Unmarshal(raw, &parts) != nil {
		return "", Invalid(param, "A message's content must be a string or an array of content parts.")
	}
	var all strings.Builder
	for j, part := range parts {
		if !slices.Contains(kinds, part.Type) {
			return "", Unsupported(fmt.Sprintf("%s[%d].type", param, j), "Content parts other than '%s' are not supported by this gateway.", strings.Join(kinds, "' and '"))
		}
		all.WriteString(part.Text)
	}
	return all.String(), nil
}

// prompts is a string or an array of strings.
func prompts(raw json.RawMessage) ([]string, error) {
	list, ok := oneOrMore(raw)
	if !ok {
		return nil, Unsupported("prompt", "'prompt' must be a string or an array of strings; token ids are not supported by this gateway.")
	}
	if len(list) == 0 {
		return nil, Invalid("prompt", "'prompt' must be given.")
	}
	for _, p := range list {
		if p == "" {
			return nil, Invalid("prompt", "'prompt' must not be empty.")
		}
	}
	return list, nil
}

// stops is a string or an array of strings.
func stops(raw json.RawMessage) ([]string, error) {
	list, ok := oneOrMore(raw)
	if !ok {
		return nil, Invalid("stop", "'stop' must be a string or an array of strings.")
	}
	if len(list) > inference.MaxStop {
		return nil, Invalid("stop", "'stop' must hold at most %d strings.", inference.MaxStop)
	}
	for _, s := range list {
		if s == "" || len(s) > inference.MaxStopBytes {
			return nil, Invalid("stop", "A stop string must have 1 to %d bytes.", inference.MaxStopBytes)
		}
	}
	return list, nil
}

// oneOrMore reads a string or an array of strings; null and absence are none.
func oneOrMore(raw json.RawMessage) ([]string, bool) {
	if !Given(raw) {
		return nil, true
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, true
	}
	var list []string
	return list, json.Unmarshal(raw, &list) == nil
}

// Given says whether an optional field holds more than null.
func Given(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

func integer[T int | uint32](param string, v, least, most int64) (T, error) {
	if v < least || v > most {
		return 0, Invalid(param, "Invalid '%s': must be between %d and %d, but got %d.", param, least, most, v)
	}
	return T(v), nil
}

func number(param string, v, least, most float64) (float32, error) {
	if math.IsNaN(v) || v < least || v > most {
		return 0, Invalid(param, "Invalid '%s': must be between %g and %g, but got %g.", param, least, most, v)
	}
	return float32(v), nil
}
