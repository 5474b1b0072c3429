// Package responses serves OpenAI's Responses API, POST /v1/responses, from the
// jobs of package openai. It keeps nothing: what a client wants remembered, it
// sends again.
package responses

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/koinon/koinon/internal/engine/grammar"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/openai"
)

// request is the body of POST /v1/responses.
type request struct {
	openai.Common
	Input              json.RawMessage   `json:"input"`
	Instructions       *string           `json:"instructions"`
	MaxOutputTokens    *int64            `json:"max_output_tokens"`
	Tools              []json.RawMessage `json:"tools"`
	ToolChoice         json.RawMessage   `json:"tool_choice"`
	ParallelToolCalls  *bool             `json:"parallel_tool_calls"`
	Text               textFields        `json:"text"`
	TopLogprobs        *int64            `json:"top_logprobs"`
	Include            []string          `json:"include"`
	Metadata           map[string]string `json:"metadata"`
	Store              *bool             `json:"store"`
	PreviousResponseID *string           `json:"previous_response_id"`
	Conversation       json.RawMessage   `json:"conversation"`
	Background         *bool             `json:"background"`
	Prompt             json.RawMessage   `json:"prompt"`
	Truncation         *string           `json:"truncation"`
}

type textFields struct {
	Format json.RawMessage `json:"format"`
}

// parse reads a request. Errors are [*openai.Error].
func parse(body []byte) (openai.Completion, request, error) {
	var r request
	if err := openai.Decode(body, &r); err != nil {
		return openai.Completion{}, r, err
	}
	if err := r.refuse(); err != nil {
		return openai.Completion{}, r, err
	}
	c, err := r.Common.Completion()
	if err != nil {
		return c, r, err
	}
	if c.Messages, err = r.messages(); err != nil {
		return c, r, err
	}
	if r.MaxOutputTokens != nil {
		if c.MaxTokens, err = openai.MaxTokens("max_output_tokens", *r.MaxOutputTokens); err != nil {
			return c, r, err
		}
	}
	if err := r.format(&c); err != nil {
		return c, r, err
	}
	if err := r.logprobs(&c); err != nil {
		return c, r, err
	}
	c.Tools, err = r.tools(c.Shaping.Grammar != "")
	return c, r, err
}

// refuse refuses what this API does not do: another answer would come than was
// asked for.
func (r *request) refuse() error {
	for _, f := range []struct {
		name  string
		given bool
		why   string
	}{
		{"previous_response_id", r.PreviousResponseID != nil && *r.PreviousResponseID != "", "nothing is kept here: send the whole conversation in 'input'"},
		{"store", r.Store != nil && *r.Store, "nothing is kept here: leave it out, or send false"},
		{"conversation", openai.Given(r.Conversation), "nothing is kept here: send the whole conversation in 'input'"},
		{"prompt", openai.Given(r.Prompt), "there are no stored prompts: use 'instructions' and 'input'"},
		{"background", r.Background != nil && *r.Background, "answers come while the client waits"},
		{"truncation", r.Truncation != nil && *r.Truncation != "disabled", "it must be 'disabled': shorten 'input' instead"},
		{"n", r.N != nil && *r.N != 1, "one request has one answer"},
		{"max_tokens", r.MaxTokens != nil, "use 'max_output_tokens'"},
	} {
		if f.given {
			return openai.Unsupported(f.name, "'%s' is not supported: %s.", f.name, f.why)
		}
	}
	return nil
}

// format constrains the answer to JSON, if that is asked for.
func (r *request) format(c *openai.Completion) error {
	if !openai.Given(r.Text.Format) {
		return nil
	}
	var f struct {
		Type   string          `json:"type"`
		Schema json.RawMessage `json:"schema"`
	}
	if json.Unmarshal(r.Text.Format, &f) != nil {
		return openai.Invalid("text.format", "Invalid 'text.format': it must be an object with a 'type'.")
	}
	if f.Type != "text" && c.Shaping.Grammar != "" {
		return openai.Invalid("text.format", "'text.format' cannot be combined with 'grammar' or 'response_format'.")
	}
	var err error
	switch f.Type {
	case "text":
	case "json_object":
		c.Shaping.Grammar = grammar.JSON
	case "json_schema":
		c.Shaping.Grammar, err = openai.Schema("text.format.schema", f.Schema)
	default:
		err = openai.Invalid("text.format.type", "Invalid 'text.format.type': must be 'text', 'json_object' or 'json_schema'.")
	}
	return err
}

// includeLogprobs asks for the log-probabilities of the answer's tokens.
const includeLogprobs = "message.output_text.logprobs"

// logprobs reads which log-probabilities are asked for, and refuses to include
// what there is not. Encrypted reasoning may be asked for: there is none.
func (r *request) logprobs(c *openai.Completion) error {
	for i, name := range r.Include {
		if name != includeLogprobs && name != "reasoning.encrypted_content" {
			return openai.Unsupported(fmt.Sprintf("include[%d]", i), "'include' of '%s' is not supported.", name)
		}
	}
	c.Logprobs = slices.Contains(r.Include, includeLogprobs)
	if r.TopLogprobs == nil {
		return nil
	}
	if n := *r.TopLogprobs; n < 0 || n > inference.MaxLogprobs {
		return openai.Invalid("top_logprobs", "Invalid 'top_logprobs': must be between 0 and %d, but got %d.", inference.MaxLogprobs, n)
	}
	c.TopLogprobs = uint32(*r.TopLogprobs)
	return nil
}

// tools reads the functions that may be called. Shaped says that the answer's
// text is constrained already.
func (r *request) tools(shaped bool) (openai.Tools, error) {
	var functions []openai.Function
	for i, raw := range r.Tools {
		var f struct {
			Type string `json:"type"`
			openai.Function
		}
		if json.Unmarshal(raw, &f) != nil || f.Type != "function" {
			at := fmt.Sprintf("tools[%d]", i)
			return openai.Tools{}, openai.Unsupported(at, "'%s' must be {\"type\": \"function\", \"name\": …, \"parameters\": …}; other tools are not supported.", at)
		}
		functions = append(functions, f.Function)
	}
	t, err := openai.NewTools("tools", functions)
	if err != nil {
		return t, err
	}
	if r.ParallelToolCalls != nil && !*r.ParallelToolCalls {
		t.Single()
	}
	if !openai.Given(r.ToolChoice) {
		return t, nil
	}
	var named struct{ Type, Name string }
	switch mode := string(bytes.TrimSpace(r.ToolChoice)); {
	case mode == `"auto"`:
	case mode == `"none"`:
		return openai.Tools{}, nil
	case mode == `"required"`:
		err = t.Require("")
	case json.Unmarshal(r.ToolChoice, &named) == nil && named.Type == "function" && named.Name != "":
		err = t.Require(named.Name)
	default:
		err = openai.Invalid("tool_choice", "'tool_choice' must be 'none', 'auto', 'required', or name a function.")
	}
	if err == nil && shaped && t.Required() {
		err = openai.Invalid("tool_choice", "A 'tool_choice' that requires a call cannot be combined with a format of the text.")
	}
	return t, err
}
