// Package anthropic serves Anthropic's Messages API, POST /v1/messages and
// POST /v1/messages/count_tokens, from the jobs of package openai.
package anthropic

import (
	"encoding/json"
	"fmt"

	"github.com/koinon/koinon/internal/openai"
)

// request is the body of POST /v1/messages.
type request struct {
	openai.Common
	Messages      []turn          `json:"messages"`
	System        json.RawMessage `json:"system"`
	StopSequences json.RawMessage `json:"stop_sequences"`
	Tools         []tool          `json:"tools"`
	ToolChoice    *toolChoice     `json:"tool_choice"`
	Thinking      *struct {
		Type string `json:"type"`
	} `json:"thinking"`
	OutputConfig *struct {
		Format *struct {
			Type   string          `json:"type"`
			Schema json.RawMessage `json:"schema"`
		} `json:"format"`
	} `json:"output_config"`
	Container  json.RawMessage `json:"container"`
	MCPServers json.RawMessage `json:"mcp_servers"`
}

type tool struct {
	Type        string          `json:"type"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	InputSchema json.RawMessage `json:"input_schema"`
}

type toolChoice struct {
	Type                   string `json:"type"`
	Name                   string `json:"name"`
	DisableParallelToolUse bool   `json:"disable_parallel_tool_use"`
}

// parse reads the body of POST /v1/messages. Errors are [*openai.Error].
func parse(body []byte) (openai.Completion, error) {
	c, r, err := read(body)
	if err != nil {
		return c, err
	}
	if r.MaxTokens == nil {
		return c, openai.Invalid("max_tokens", "max_tokens: Field required")
	}
	c.MaxTokens, err = openai.MaxTokens("max_tokens", *r.MaxTokens)
	return c, err
}

// read reads a request that may lack max_tokens, as one whose tokens are to be
// counted does.
func read(body []byte) (openai.Completion, request, error) {
	var r request
	if err := openai.Decode(body, &r); err != nil {
		return openai.Completion{}, r, err
	}
	if err := r.refuse(); err != nil {
		return openai.Completion{}, r, err
	}
	r.Stop = r.StopSequences
	c, err := r.Common.Completion()
	if err != nil {
		return c, r, err
	}
	if c.Messages, err = r.conversation(); err != nil {
		return c, r, err
	}
	if r.OutputConfig != nil && r.OutputConfig.Format != nil {
		if f := r.OutputConfig.Format; f.Type != "json_schema" {
			return c, r, openai.Invalid("output_config.format.type", "output_config.format.type: must be 'json_schema'")
		} else if c.Shaping.Grammar, err = openai.Schema("output_config.format.schema", f.Schema); err != nil {
			return c, r, err
		}
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
		{"thinking", r.Thinking != nil && r.Thinking.Type != "disabled", "what a model thinks is part of its text"},
		{"container", openai.Given(r.Container), "there are no containers"},
		{"mcp_servers", openai.Given(r.MCPServers) && string(r.MCPServers) != "[]", "call them from the client"},
		{"stop", openai.Given(r.Stop), "use 'stop_sequences'"},
		{"n", r.N != nil && *r.N != 1, "one request has one answer"},
		{"response_format", r.ResponseFormat != nil, "use 'output_config'"},
	} {
		if f.given {
			return openai.Unsupported(f.name, "%s: is not supported: %s", f.name, f.why)
		}
	}
	return nil
}

// tools reads the tools that may be used. Shaped says that the answer's text is
// constrained already.
func (r *request) tools(shaped bool) (openai.Tools, error) {
	var functions []openai.Function
	for i, t := range r.Tools {
		if t.Type != "" && t.Type != "custom" {
			at := fmt.Sprintf("tools.%d", i)
			return openai.Tools{}, openai.Unsupported(at, "%s: tools of the type '%s' run at Anthropic and are not supported; describe your own with 'input_schema'", at, t.Type)
		}
		functions = append(functions, openai.Function{Name: t.Name, Description: t.Description, Parameters: t.InputSchema})
	}
	t, err := openai.NewTools("tools", functions)
	if err != nil || r.ToolChoice == nil {
		return t, err
	}
	if r.ToolChoice.DisableParallelToolUse {
		t.Single()
	}
	switch choice := r.ToolChoice; choice.Type {
	case "auto":
	case "none":
		return openai.Tools{}, nil
	case "any":
		err = t.Require("")
	case "tool":
		if choice.Name == "" {
			return t, openai.Invalid("tool_choice.name", "tool_choice.name: Field required")
		}
		err = t.Require(choice.Name)
	default:
		err = openai.Invalid("tool_choice.type", "tool_choice.type: must be 'auto', 'any', 'tool' or 'none'")
	}
	if err == nil && shaped && t.Required() {
		err = openai.Invalid("tool_choice", "tool_choice: a required use of a tool cannot be combined with 'output_config.format' or 'grammar'")
	}
	return t, err
}
