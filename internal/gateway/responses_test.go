package gateway

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"

	"github.com/koinon/koinon/internal/inference"
)

// callingAnswer is what a model that was taught tools writes to use one.
const callingAnswer = `Let me see.<tool_call>{"name": "lookup", "arguments": {"who": "Hamlet"}}</tool_call>`

// TestOpenAIResponses uses the Responses API through OpenAI's own client for Go.
func TestOpenAIResponses(t *testing.T) {
	p := newScripted(t, "p", testPrice, "To be, or not to be")
	p.cached = 8
	h := newTaughtHarness(t, p)
	ctx := context.Background()
	client := openai.NewClient(option.WithBaseURL(h.server.URL+"/v1"), option.WithAPIKey(h.key), option.WithMaxRetries(0))
	asked := responses.ResponseNewParams{
		Model: "bard", Instructions: openai.String("be brief"), MaxOutputTokens: openai.Int(50), Temperature: openai.Float(0.5),
		Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("hello")}, Metadata: map[string]string{"a": "b"},
		Include: []responses.ResponseIncludable{"message.output_text.logprobs"}, TopLogprobs: openai.Int(2),
	}

	t.Run("whole", func(t *testing.T) {
		got, err := client.Responses.New(ctx, asked)
		if err != nil {
			t.Fatal(err)
		}
		prompt := int64(len("system:be brief\nuser:hello\n"))
		if got.OutputText() != "To be, or not to be" || got.Status != "completed" || got.Usage.InputTokens != prompt ||
			got.Usage.InputTokensDetails.CachedTokens != 8 || got.Usage.OutputTokens != 19 || got.Metadata["a"] != "b" {
			t.Errorf("%s", got.RawJSON())
		}
		if l := got.Output[0].Content[0].Logprobs; len(l) != 19 || len(l[0].TopLogprobs) != 2 {
			t.Errorf("log-probabilities of %d tokens", len(l))
		}
		if field(t, got.RawJSON(), "koinon.receipt") != h.receipts()[0].ID.String() {
			t.Error("the answer does not name its receipt")
		}
	})
	t.Run("cut short", func(t *testing.T) {
		short := asked
		short.MaxOutputTokens = openai.Int(5)
		got, err := client.Responses.New(ctx, short)
		if err != nil || got.Status != "incomplete" || got.IncompleteDetails.Reason != "max_output_tokens" || got.OutputText() != "To be" {
			t.Errorf("%s, %v", got.RawJSON(), err)
		}
	})
	t.Run("a call and its output", func(t *testing.T) {
		p.set(func(p *scripted) { p.answer = callingAnswer })
		asks := asked
		asks.Tools = []responses.ToolUnionParam{{OfFunction: &responses.FunctionToolParam{
			Name: "lookup", Parameters: map[string]any{"type": "object"}, Strict: openai.Bool(false),
		}}}
		asks.MaxOutputTokens = openai.Int(200)
		got, err := client.Responses.New(ctx, asks)
		if err != nil || len(got.Output) != 2 || got.OutputText() != "Let me see." {
			t.Fatalf("%s, %v", got.RawJSON(), err)
		}
		call := got.Output[1].AsFunctionCall()
		if call.Name != "lookup" || call.Arguments != `{"who": "Hamlet"}` || call.CallID == "" {
			t.Errorf("%+v", call)
		}
		p.set(func(p *scripted) { p.answer = "A prince." })
		output := responses.ResponseInputItemParamOfFunctionCallOutput("prince of Denmark")
		output.OfFunctionCallOutput.CallID = openai.String(call.CallID)
		asks.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
			responses.ResponseInputItemParamOfMessage("who?", "user"),
			responses.ResponseInputItemParamOfFunctionCall(call.Arguments, call.CallID, call.Name),
			output,
		}}
		again, err := client.Responses.New(ctx, asks)
		if err != nil || again.OutputText() != "A prince." {
			t.Fatalf("%s, %v", again.RawJSON(), err)
		}
		sent := p.lastRequest().Messages
		if len(sent) != 4 || sent[2].ToolCalls[0].ID != call.CallID || sent[3].Role != "tool" || sent[3].Name != "lookup" || sent[3].Content != "prince of Denmark" {
			t.Errorf("the provider was sent %+v", sent)
		}
	})
}

// The events of a streamed response come in OpenAI's order, and add up to what
// the last of them says.
func TestOpenAIResponsesStream(t *testing.T) {
	p := newScripted(t, "p", testPrice, callingAnswer)
	h := newTaughtHarness(t, p)
	client := openai.NewClient(option.WithBaseURL(h.server.URL+"/v1"), option.WithAPIKey(h.key), option.WithMaxRetries(0))
	asked := responses.ResponseNewParams{
		Model: "bard", Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("hello")}, MaxOutputTokens: openai.Int(200),
		Tools: []responses.ToolUnionParam{{OfFunction: &responses.FunctionToolParam{Name: "lookup", Strict: openai.Bool(false)}}},
	}
	stream := client.Responses.NewStreaming(context.Background(), asked)
	var order []string
	var text, arguments string
	var last responses.Response
	for n := int64(0); stream.Next(); n++ {
		e := stream.Current()
		if e.SequenceNumber != n {
			t.Errorf("event %d has the number %d", n, e.SequenceNumber)
		}
		switch e.Type {
		case "response.output_text.delta":
			text += e.Delta
		case "response.function_call_arguments.delta":
			arguments += e.Delta
		case "response.completed":
			last = e.Response
		}
		if len(order) == 0 || order[len(order)-1] != e.Type {
			order = append(order, e.Type)
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	const want = "response.created response.in_progress response.output_item.added response.content_part.added response.output_text.delta " +
		"response.output_text.done response.content_part.done response.output_item.done response.output_item.added " +
		"response.function_call_arguments.delta response.function_call_arguments.done response.output_item.done response.completed"
	if got := strings.Join(order, " "); got != want {
		t.Errorf("the events came as\n%s, want\n%s", got, want)
	}
	if text != "Let me see." || last.OutputText() != text || len(last.Output) != 2 || last.Output[1].Arguments.OfString != arguments {
		t.Errorf("%q and %q, but in the end %s", text, arguments, last.RawJSON())
	}
	if field(t, last.RawJSON(), "koinon.receipt") != h.receipts()[0].ID.String() {
		t.Error("the last event does not name the receipt")
	}

	p.set(func(p *scripted) {
		p.script = func(s *serving) error {
			s.generate(3)
			return inference.Errorf(inference.CodeInternal, "broken")
		}
	})
	stream = client.Responses.NewStreaming(context.Background(), asked)
	for stream.Next() {
	}
	if err := stream.Err(); err == nil || !strings.Contains(err.Error(), "provider_failed") {
		t.Errorf("a failure in the middle: the client raised %v", err)
	}
}

// What the Responses API does not do here is refused, and names the field.
func TestResponsesRefusals(t *testing.T) {
	h := newHarness(t, newScripted(t, "p", testPrice, "x"))
	for param, fields := range map[string]string{
		"previous_response_id": `"previous_response_id":"resp_1"`,
		"store":                `"store":true`,
		"conversation":         `"conversation":"conv_1"`,
		"background":           `"background":true`,
		"truncation":           `"truncation":"auto"`,
		"tools[0]":             `"tools":[{"type":"web_search"}]`,
		"include[0]":           `"include":["file_search_call.results"]`,
		"text.format.type":     `"text":{"format":{"type":"yaml"}}`,
		"text.format.schema":   `"text":{"format":{"type":"json_schema","name":"x"}}`,
		"tool_choice":          `"tool_choice":"required"`,
		"max_tokens":           `"max_tokens":5`,
		"input[0].type":        `"input":[{"type":"item_reference","id":"x"}]`,
		"input[0].role":        `"input":[{"role":"tool","content":"x"}]`,
		"input[0].call_id":     `"input":[{"type":"function_call_output","output":"x"}]`,
		"input":                `"input":[]`,
		"max_output_tokens":    `"max_output_tokens":0`,
	} {
		body := `{"model":"bard","input":"x",` + fields + `}`
		if strings.HasPrefix(fields, `"input"`) {
			body = `{"model":"bard",` + fields + `}`
		}
		got := h.do("POST", "/v1/responses", h.key, body)
		if got.status != 400 || field(t, got.body, "error.param") != param {
			t.Errorf("%s: %d %s", fields, got.status, got.body)
		}
	}
	got := h.do("POST", "/v1/responses", h.key, `{"model":"bard","input":"x","store":false,"previous_response_id":null}`)
	if got.status != 200 || field(t, got.body, "store") != false || !json.Valid([]byte(got.body)) {
		t.Errorf("%d %s", got.status, got.body)
	}
}
