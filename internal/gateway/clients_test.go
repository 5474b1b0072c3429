package gateway

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/koinon/koinon/internal/inference"
)

// TestOpenAIGo uses the API through OpenAI's own client for Go.
func TestOpenAIGo(t *testing.T) {
	p := newScripted(t, "p", testPrice, "To be, or not to be")
	h := newHarness(t, p)
	ctx := context.Background()
	client := openai.NewClient(option.WithBaseURL(h.server.URL+"/v1"), option.WithAPIKey(h.key), option.WithMaxRetries(0))
	chat := openai.ChatCompletionNewParams{
		Model:    "bard",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("be brief"), openai.UserMessage("hello")},
		Seed:     openai.Int(7), MaxCompletionTokens: openai.Int(50), Temperature: openai.Float(0.5), TopP: openai.Float(0.9),
	}

	t.Run("chat", func(t *testing.T) {
		got, err := client.Chat.Completions.New(ctx, chat)
		if err != nil {
			t.Fatal(err)
		}
		if got.Choices[0].Message.Content != "To be, or not to be" || got.Choices[0].FinishReason != "stop" || got.Usage.CompletionTokens != 19 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("several answers with log-probabilities", func(t *testing.T) {
		several := chat
		several.N, several.Logprobs, several.TopLogprobs = openai.Int(3), openai.Bool(true), openai.Int(2)
		got, err := client.Chat.Completions.New(ctx, several)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Choices) != 3 || got.Choices[2].Index != 2 || got.Choices[2].Message.Content != "To be, or not to be" ||
			len(got.Choices[1].Logprobs.Content) != 19 || len(got.Choices[1].Logprobs.Content[0].TopLogprobs) != 2 {
			t.Errorf("%+v", got)
		}
		if got.Usage.CompletionTokens != 3*19 || got.Usage.PromptTokens != int64(len("system:be brief\nuser:hello\n")) {
			t.Errorf("usage: %+v", got.Usage)
		}
	})
	t.Run("stream", func(t *testing.T) {
		streamed := chat
		streamed.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
		stream := client.Chat.Completions.NewStreaming(ctx, streamed)
		defer stream.Close()
		var all openai.ChatCompletionAccumulator
		for stream.Next() {
			all.AddChunk(stream.Current())
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		if all.Choices[0].Message.Content != "To be, or not to be" || all.Choices[0].FinishReason != "stop" || all.Usage.CompletionTokens != 19 {
			t.Errorf("%+v", all)
		}
	})
	t.Run("completions", func(t *testing.T) {
		got, err := client.Completions.New(ctx, openai.CompletionNewParams{
			Model: "bard@2", Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("Once")},
			Stop: openai.CompletionNewParamsStopUnion{OfStringArray: []string{" not"}}, MaxTokens: openai.Int(40),
		})
		if err != nil {
			t.Fatal(err)
		}
		if got.Choices[0].Text != "To be, or" || got.Choices[0].FinishReason != "stop" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("models", func(t *testing.T) {
		page, err := client.Models.List(ctx)
		if err != nil || len(page.Data) != 2 || page.Data[0].ID != "bard" {
			t.Fatalf("%+v, %v", page, err)
		}
		one, err := client.Models.Get(ctx, "bard@2")
		if err != nil || one.OwnedBy != "koinon1owner" {
			t.Errorf("%+v, %v", one, err)
		}
	})
	t.Run("errors", func(t *testing.T) {
		poor, _ := h.makeKey(1)
		for code, with := range map[string]struct {
			option option.RequestOption
			change func(*openai.ChatCompletionNewParams)
			status int
		}{
			"invalid_api_key":         {option.WithAPIKey("sk-wrong"), nil, 401},
			"insufficient_quota":      {option.WithAPIKey(poor), nil, 402},
			"model_not_found":         {option.WithAPIKey(h.key), func(c *openai.ChatCompletionNewParams) { c.Model = "nobody" }, 404},
			"context_length_exceeded": {option.WithAPIKey(h.key), func(c *openai.ChatCompletionNewParams) { c.MaxCompletionTokens = openai.Int(4096) }, 400},
		} {
			params := chat
			if with.change != nil {
				with.change(&params)
			}
			_, err := client.Chat.Completions.New(ctx, params, with.option)
			var failed *openai.Error
			if !errors.As(err, &failed) || failed.StatusCode != with.status || failed.Code != code || failed.Message == "" {
				t.Errorf("%s: %v", code, err)
			}
		}
	})
	t.Run("a failure in the middle of a stream", func(t *testing.T) {
		p.set(func(p *scripted) {
			p.script = func(s *serving) error {
				s.generate(3)
				return inference.Errorf(inference.CodeInternal, "broken")
			}
		})
		stream := client.Chat.Completions.NewStreaming(ctx, chat)
		defer stream.Close()
		for stream.Next() {
		}
		if err := stream.Err(); err == nil || !strings.Contains(err.Error(), "provider_failed") {
			t.Errorf("the client raised %v", err)
		}
	})
}

// Tools and formats go through the gateway: a model's own words become calls,
// whole or streamed, and a format constrains the answer at the provider.
func TestToolsAndFormats(t *testing.T) {
	p := newScripted(t, "p", testPrice, callingAnswer)
	h := newTaughtHarness(t, p)
	client := openai.NewClient(option.WithBaseURL(h.server.URL+"/v1"), option.WithAPIKey(h.key), option.WithMaxRetries(0))
	chat := openai.ChatCompletionNewParams{
		Model: "bard", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("who?")}, Seed: openai.Int(7),
		Tools: []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
			Name: "lookup", Parameters: openai.FunctionParameters{"type": "object"},
		})},
	}
	got, err := client.Chat.Completions.New(t.Context(), chat)
	if err != nil {
		t.Fatal(err)
	}
	choice := got.Choices[0]
	if choice.FinishReason != "tool_calls" || choice.Message.Content != "Let me see." || len(choice.Message.ToolCalls) != 1 ||
		choice.Message.ToolCalls[0].Function.Arguments != `{"who": "Hamlet"}` {
		t.Errorf("%s", got.RawJSON())
	}
	if sent := p.lastRequest(); len(sent.Tools) != 1 || sent.Seed != 7 || sent.Grammar != "" {
		t.Errorf("the provider was sent %+v", sent)
	}
	stream := client.Chat.Completions.NewStreaming(t.Context(), chat)
	defer stream.Close()
	var all openai.ChatCompletionAccumulator
	for stream.Next() {
		all.AddChunk(stream.Current())
	}
	if stream.Err() != nil || all.Choices[0].FinishReason != "tool_calls" || all.Choices[0].Message.ToolCalls[0].Function.Name != "lookup" {
		t.Errorf("%+v, %v", all.Choices, stream.Err())
	}

	for fields, constrained := range map[string]bool{
		`"response_format":{"type":"text"}`:        false,
		`"response_format":{"type":"json_object"}`: true,
		`"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"integer"}}}`:                 true,
		`"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required"`:                                  true,
		`"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"f"}}`: true,
		`"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"none"`:                                      false,
	} {
		if got := h.chat(hello + "," + fields + "}"); got.status != 200 || (p.lastRequest().Grammar != "") != constrained {
			t.Errorf("%s: %d %s; the provider was sent the grammar %q", fields, got.status, got.body, p.lastRequest().Grammar)
		}
	}
}
