package standalone

import (
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
)

const toolTemplate = `{% if tools %}{{ tools | tojson }}<tool_call></tool_call>{% endif %}` +
	`{% for m in messages %}{{ m.role }}: {{ m.content }}{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}
{% endfor %}`

var parameters = map[string]any{
	"type": "object", "required": []string{"who"}, "additionalProperties": false,
	"properties": map[string]any{"who": map[string]any{"enum": []string{"Hamlet", "Horatio"}}},
}

// One engine answers through all three APIs alike: the same seed gives the same
// text, and a required call is one, whole or streamed.
func TestOneEngineThroughResponsesAndMessages(t *testing.T) {
	_, server := serveFile(t, taught(t, toolTemplate), func(c *Config) { c.APIKey = "secret" })
	claude := anthropic.NewClient(anthropicoption.WithBaseURL(server.URL), anthropicoption.WithAPIKey("secret"), anthropicoption.WithMaxRetries(0))
	gpt := openai.NewClient(option.WithBaseURL(server.URL+"/v1"), option.WithAPIKey("secret"), option.WithMaxRetries(0))

	chat, err := gpt.Chat.Completions.New(t.Context(), openai.ChatCompletionNewParams{
		Model: "trivium", MaxCompletionTokens: openai.Int(24), Temperature: openai.Float(0),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Who is there?")},
	})
	if err != nil {
		t.Fatal(err)
	}
	response, err := gpt.Responses.New(t.Context(), responses.ResponseNewParams{
		Model: "trivium", MaxOutputTokens: openai.Int(24), Temperature: openai.Float(0),
		Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Who is there?")},
	})
	if err != nil {
		t.Fatal(err)
	}
	said := anthropic.MessageNewParams{
		Model: "trivium", MaxTokens: 24, Temperature: anthropic.Float(0),
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Who is there?"))},
	}
	message, err := claude.Messages.New(t.Context(), said)
	if err != nil {
		t.Fatal(err)
	}
	text := chat.Choices[0].Message.Content
	if text == "" || response.OutputText() != text || message.Content[0].Text != text {
		t.Errorf("one prompt, three answers:\n%q\n%q\n%q", text, response.OutputText(), message.Content[0].Text)
	}

	called, err := gpt.Responses.New(t.Context(), responses.ResponseNewParams{
		Model: "trivium", MaxOutputTokens: openai.Int(200), ParallelToolCalls: openai.Bool(false),
		Input:      responses.ResponseNewParamsInputUnion{OfString: openai.String("Who is there?")},
		Tools:      []responses.ToolUnionParam{{OfFunction: &responses.FunctionToolParam{Name: "lookup", Parameters: parameters, Strict: openai.Bool(true)}}},
		ToolChoice: responses.ResponseNewParamsToolChoiceUnion{OfToolChoiceMode: openai.Opt(responses.ToolChoiceOptionsRequired)},
	})
	if err != nil || len(called.Output) != 1 || called.Output[0].Name != "lookup" || !strings.Contains(called.Output[0].Arguments.OfString, `"H`) {
		t.Errorf("%s, %v", called.RawJSON(), err)
	}
	said.MaxTokens, said.ToolChoice = 200, anthropic.ToolChoiceParamOfTool("lookup")
	said.Tools = []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{Name: "lookup", InputSchema: anthropic.ToolInputSchemaParam{
		Properties: parameters["properties"], Required: []string{"who"}, ExtraFields: map[string]any{"additionalProperties": false},
	}}}}
	stream := claude.Messages.NewStreaming(t.Context(), said)
	var all anthropic.Message
	for stream.Next() {
		if err := all.Accumulate(stream.Current()); err != nil {
			t.Fatal(err)
		}
	}
	if stream.Err() != nil || len(all.Content) != 1 || all.StopReason != "tool_use" || !strings.Contains(string(all.Content[0].Input), `"H`) {
		t.Errorf("%+v, %v", all, stream.Err())
	}
	counted, err := claude.Messages.CountTokens(t.Context(), anthropic.MessageCountTokensParams{Model: "trivium", Messages: said.Messages})
	if err != nil || counted.InputTokens != chat.Usage.PromptTokens {
		t.Errorf("%+v, %v; a chat has %d", counted, err, chat.Usage.PromptTokens)
	}
}
