package gateway

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/koinon/koinon/internal/inference"
)

func anthropicClient(h *harness) anthropic.Client {
	return anthropic.NewClient(option.WithBaseURL(h.server.URL), option.WithAPIKey(h.key), option.WithMaxRetries(0))
}

var lookup = anthropic.ToolUnionParam{OfTool: &anthropic.ToolParam{
	Name: "lookup", Description: anthropic.String("who is it?"),
	InputSchema: anthropic.ToolInputSchemaParam{Properties: map[string]any{"who": map[string]any{"type": "string"}}},
}}

// TestAnthropicGo uses the Messages API through Anthropic's own client for Go.
func TestAnthropicGo(t *testing.T) {
	p := newScripted(t, "p", testPrice, "To be, or not to be")
	p.cached = 8
	h := newTaughtHarness(t, p)
	ctx := context.Background()
	client := anthropicClient(h)
	asked := anthropic.MessageNewParams{
		Model: "bard", MaxTokens: 200, System: []anthropic.TextBlockParam{{Text: "be brief"}},
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hello"))},
	}
	prompt := int64(len("system:be brief\nuser:hello\n"))

	t.Run("whole", func(t *testing.T) {
		got, err := client.Messages.New(ctx, asked)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Content) != 1 || got.Content[0].Text != "To be, or not to be" || got.StopReason != "end_turn" ||
			got.Usage.InputTokens != prompt-8 || got.Usage.CacheReadInputTokens != 8 || got.Usage.OutputTokens != 19 {
			t.Errorf("%s", got.RawJSON())
		}
		if field(t, got.RawJSON(), "koinon.receipt") != h.receipts()[0].ID.String() {
			t.Error("the answer does not name its receipt")
		}
	})
	t.Run("stop sequence and length", func(t *testing.T) {
		stops := asked
		stops.StopSequences = []string{"never", " not"}
		got, err := client.Messages.New(ctx, stops)
		if err != nil || got.Content[0].Text != "To be, or" || got.StopReason != "stop_sequence" || got.StopSequence != " not" {
			t.Errorf("%s, %v", got.RawJSON(), err)
		}
		stops = asked
		stops.MaxTokens = 5
		if got, err = client.Messages.New(ctx, stops); err != nil || got.Content[0].Text != "To be" || got.StopReason != "max_tokens" {
			t.Errorf("%s, %v", got.RawJSON(), err)
		}
	})
	t.Run("count", func(t *testing.T) {
		before := len(h.receipts())
		got, err := client.Messages.CountTokens(ctx, anthropic.MessageCountTokensParams{
			Model: "bard", Messages: asked.Messages, System: anthropic.MessageCountTokensParamsSystemUnion{OfString: anthropic.String("be brief")},
		})
		if err != nil || got.InputTokens != prompt || len(h.receipts()) != before {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("a tool and its result", func(t *testing.T) {
		p.set(func(p *scripted) { p.answer = callingAnswer })
		asks := asked
		asks.Tools = []anthropic.ToolUnionParam{lookup}
		got, err := client.Messages.New(ctx, asks)
		if err != nil || len(got.Content) != 2 || got.Content[0].Text != "Let me see." || got.StopReason != "tool_use" {
			t.Fatalf("%s, %v", got.RawJSON(), err)
		}
		use := got.Content[1].AsToolUse()
		if use.Name != "lookup" || string(use.Input) != `{"who": "Hamlet"}` && string(use.Input) != `{"who":"Hamlet"}` {
			t.Errorf("%+v", use)
		}
		p.set(func(p *scripted) { p.answer = "A prince." })
		asks.Messages = append(asks.Messages, got.ToParam(), anthropic.NewUserMessage(
			anthropic.NewToolResultBlock(use.ID, "no such person", true), anthropic.NewTextBlock("Try again.")))
		if got, err = client.Messages.New(ctx, asks); err != nil || got.Content[0].Text != "A prince." {
			t.Fatalf("%s, %v", got.RawJSON(), err)
		}
		sent := p.lastRequest().Messages
		if len(sent) != 5 || sent[2].ToolCalls[0].ID != use.ID || sent[3].Role != "tool" || sent[3].Name != "lookup" ||
			sent[3].Content != "Error: no such person" || sent[4].Content != "Try again." {
			t.Errorf("the provider was sent %+v", sent)
		}
	})
	t.Run("errors", func(t *testing.T) {
		poor, _ := h.makeKey(1)
		for kind, with := range map[string]struct {
			option option.RequestOption
			change func(*anthropic.MessageNewParams)
			status int
		}{
			"authentication_error":  {option.WithAPIKey("sk-wrong"), nil, 401},
			"billing_error":         {option.WithAPIKey(poor), nil, 402},
			"not_found_error":       {option.WithAPIKey(h.key), func(m *anthropic.MessageNewParams) { m.Model = "nobody" }, 404},
			"invalid_request_error": {option.WithAPIKey(h.key), func(m *anthropic.MessageNewParams) { m.MaxTokens = 4096 }, 400},
		} {
			params := asked
			if with.change != nil {
				with.change(&params)
			}
			_, err := client.Messages.New(ctx, params, with.option)
			var failed *anthropic.Error
			if !errors.As(err, &failed) || failed.StatusCode != with.status || field(t, failed.RawJSON(), "error.type") != kind || failed.RequestID == "" {
				t.Errorf("%s: %v", kind, err)
			}
		}
	})
}

// The events of a streamed message come in Anthropic's order, and its client puts
// them together.
func TestAnthropicStream(t *testing.T) {
	p := newScripted(t, "p", testPrice, callingAnswer)
	p.cached = 4
	h := newTaughtHarness(t, p)
	client := anthropicClient(h)
	asked := anthropic.MessageNewParams{
		Model: "bard", MaxTokens: 200, Tools: []anthropic.ToolUnionParam{lookup},
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hello"))},
	}
	stream := client.Messages.NewStreaming(context.Background(), asked)
	var all anthropic.Message
	var order []string
	var delta string
	for stream.Next() {
		e := stream.Current()
		if err := all.Accumulate(e); err != nil {
			t.Fatal(err)
		}
		if len(order) == 0 || order[len(order)-1] != e.Type {
			order = append(order, e.Type)
		}
		if e.Type == "message_delta" {
			delta = e.RawJSON()
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	const want = "message_start content_block_start content_block_delta content_block_stop " +
		"content_block_start content_block_delta content_block_stop message_delta message_stop"
	if got := strings.Join(order, " "); got != want {
		t.Errorf("the events came as\n%s, want\n%s", got, want)
	}
	if len(all.Content) != 2 || all.Content[0].Text != "Let me see." || string(all.Content[1].Input) != `{"who": "Hamlet"}` || all.StopReason != "tool_use" ||
		all.Usage.OutputTokens != int64(len(callingAnswer)) || all.Usage.InputTokens != int64(len("user:hello\n"))-4 || all.Usage.CacheReadInputTokens != 4 {
		t.Errorf("%+v", all)
	}
	if field(t, delta, "koinon.receipt") != h.receipts()[0].ID.String() {
		t.Errorf("the last event does not name the receipt: %s", delta)
	}

	p.set(func(p *scripted) {
		p.script = func(s *serving) error {
			s.generate(3)
			return inference.Errorf(inference.CodeInternal, "broken")
		}
	})
	stream = client.Messages.NewStreaming(context.Background(), asked)
	for stream.Next() {
	}
	if err := stream.Err(); err == nil || !strings.Contains(err.Error(), "provider failed") {
		t.Errorf("a failure in the middle: the client raised %v", err)
	}
}

// What the Messages API does not do here is refused, and names the field.
func TestMessagesRefusals(t *testing.T) {
	h := newHarness(t, newScripted(t, "p", testPrice, "x"))
	const user = `"messages":[{"role":"user","content":"x"}]`
	for _, c := range []struct{ fields, says string }{
		{user, "max_tokens"},
		{`"max_tokens":5`, "messages"},
		{`"max_tokens":5,"messages":[{"role":"system","content":"x"}]`, "messages.0.role"},
		{`"max_tokens":5,"messages":[{"role":"user","content":7}]`, "messages.0.content"},
		{`"max_tokens":5,"messages":[{"role":"user","content":[{"type":"image"}]}]`, "messages.0.content.0.type"},
		{`"max_tokens":5,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"}]}]`, "no tool_use of the id 'a'"},
		{`"max_tokens":5,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]`, "the last one must be the user's"},
		{`"max_tokens":5,"thinking":{"type":"enabled","budget_tokens":1024},` + user, "thinking"},
		{`"max_tokens":5,"tools":[{"type":"web_search_20250305","name":"web_search"}],` + user, "tools.0"},
		{`"max_tokens":5,"tool_choice":{"type":"any"},` + user, "there are no 'tools'"},
		{`"max_tokens":5,"n":2,` + user, "n: "},
	} {
		got := h.do("POST", "/v1/messages", h.key, `{"model":"bard",`+c.fields+`}`)
		if got.status != 400 || field(t, got.body, "type") != "error" || field(t, got.body, "error.type") != "invalid_request_error" || !strings.Contains(got.body, c.says) {
			t.Errorf("%s: %d %s", c.fields, got.status, got.body)
		}
	}
}
