package standalone

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"

	"github.com/koinon/koinon/internal/engine/gguf"
)

// taught is the shipped model with a template that teaches tools.
func taught(t *testing.T, template string) string {
	t.Helper()
	f, err := gguf.Open(shipped)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := gguf.Rewrite(f, "tokenizer.chat_template")
	w.Text("tokenizer.chat_template", template)
	for _, tensor := range f.Tensors() {
		w.Copy(tensor)
	}
	path := filepath.Join(t.TempDir(), "taught.gguf")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteTo(out); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// A model that never saw a tool calls one when it must, in each family's form,
// whole or streamed, through OpenAI's own client.
func TestRequiredToolCalls(t *testing.T) {
	const messages = `{% for m in messages %}{{ m.role }}: {{ m.content }}{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}
{% endfor %}`
	for name, template := range map[string]string{
		"tagged": `{% if tools %}{{ tools | tojson }}<tool_call></tool_call>{% endif %}` + messages,
		"listed": `{% if tools %}{{ tools | tojson }}[TOOL_CALLS]{% endif %}` + messages,
		"bare":   `{% if tools %}{{ tools | tojson }}{"name": , "parameters": }{% endif %}` + messages,
	} {
		t.Run(name, func(t *testing.T) {
			_, server := serveFile(t, taught(t, template), nil)
			client := openai.NewClient(option.WithBaseURL(server.URL+"/v1"), option.WithAPIKey("any"), option.WithMaxRetries(0))
			params := openai.ChatCompletionNewParams{
				Model: "trivium", Seed: openai.Int(3), MaxCompletionTokens: openai.Int(120),
				Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Who is there?")},
				Tools: []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
					Name: "lookup",
					Parameters: shared.FunctionParameters{
						"type": "object", "required": []string{"who", "times"}, "additionalProperties": false,
						"properties": map[string]any{
							"who":   map[string]any{"enum": []string{"Hamlet", "Horatio"}},
							"times": map[string]any{"type": "integer", "minimum": 1, "maximum": 3},
						},
					},
				})},
				ToolChoice:        openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String("required")},
				ParallelToolCalls: openai.Bool(false),
			}
			whole, err := client.Chat.Completions.New(t.Context(), params)
			if err != nil {
				t.Fatal(err)
			}
			choice := whole.Choices[0]
			if choice.FinishReason != "tool_calls" || len(choice.Message.ToolCalls) != 1 || choice.Message.Content != "" {
				t.Fatalf("%+v", choice)
			}
			call := choice.Message.ToolCalls[0]
			var arguments struct {
				Who   string
				Times int
			}
			if err := json.Unmarshal([]byte(call.Function.Arguments), &arguments); err != nil || call.Function.Name != "lookup" ||
				!strings.HasPrefix(arguments.Who, "H") || arguments.Times < 1 || arguments.Times > 3 || !strings.HasPrefix(call.ID, "call_") {
				t.Errorf("%+v: %v", call, err)
			}

			stream := client.Chat.Completions.NewStreaming(t.Context(), params)
			defer stream.Close()
			var all openai.ChatCompletionAccumulator
			for stream.Next() {
				if !all.AddChunk(stream.Current()) {
					t.Fatal("a chunk that the client does not understand")
				}
			}
			if stream.Err() != nil || len(all.Choices) != 1 || len(all.Choices[0].Message.ToolCalls) != 1 ||
				all.Choices[0].Message.ToolCalls[0].Function.Arguments != call.Function.Arguments || all.Choices[0].FinishReason != "tool_calls" {
				t.Errorf("streamed %+v: %v", all.Choices, stream.Err())
			}

			// The call and its result go back to the model.
			params.Messages = append(params.Messages, choice.Message.ToParam(), openai.ToolMessage("a ghost", call.ID))
			params.ToolChoice, params.ParallelToolCalls = openai.ChatCompletionToolChoiceOptionUnionParam{}, openai.ChatCompletionNewParams{}.ParallelToolCalls
			again, err := client.Chat.Completions.New(t.Context(), params)
			if err != nil || again.Choices[0].FinishReason != "length" || again.Choices[0].Message.Content == "" || again.Usage.PromptTokens <= whole.Usage.PromptTokens {
				t.Errorf("%+v: %v", again, err)
			}
		})
	}
}

func TestToolRefusals(t *testing.T) {
	_, server := serve(t, nil)
	const f = `{"type":"function","function":{"name":"f"}}`
	for _, c := range []struct{ body, says string }{
		{`"tools":[` + f + `]`, "not taught to use tools"},
		{`"tools":[{"type":"function","function":{"name":"a b"}}]`, "tools[0].function.name"},
		{`"tools":[{"type":"function","function":{"name":"f","parameters":7}}]`, "tools[0].function.parameters"},
		{`"tools":[` + f + `],"tool_choice":"sometimes"`, "tool_choice"},
		{`"tools":[` + f + `],"tool_choice":{"type":"function","function":{"name":"g"}}`, "none of 'tools'"},
		{`"tool_choice":"required"`, "there are no 'tools'"},
		{`"tools":[` + f + `],"tool_choice":"required","response_format":{"type":"json_object"}`, "cannot be combined"},
		{`"tools":7`, "tools"},
	} {
		status, body := post(t, server, "/v1/chat/completions", `{"model":"trivium","messages":[{"role":"user","content":"x"}],`+c.body+`}`)
		if status != 400 || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s", c.body, status, body)
		}
	}
	for _, m := range []string{
		`{"role":"user","content":"x","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]}`,
		`{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"7"}}]}`,
		`{"role":"function","content":"x"}`,
		`{"role":"tool"}`,
	} {
		if status, body := post(t, server, "/v1/chat/completions", `{"model":"trivium","messages":[`+m+`]}`); status != 400 || !strings.Contains(body, "messages[0]") {
			t.Errorf("%s: %d %s", m, status, body)
		}
	}
}
