package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/engine/toolcall"
)

// Templates in the manner of the families, with what theirs use of Jinja.
const (
	taggedTemplate = `{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\n\n' }}{%- endif %}
    {{- "<tools>" }}
    {%- for tool in tools %}{{- "\n" }}{{- tool | tojson }}{%- endfor %}
    {{- "\n</tools>\nCall with <tool_call></tool_call>.<|im_end|>\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- set ns = namespace(last=messages|length - 1) %}
{%- for message in messages %}
    {%- if message.role == "user" or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>assistant' }}
        {%- if message.content %}{{- '\n' + message.content.split('</think>')[-1].lstrip('\n') }}{%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if tool_call.function is defined %}{%- set tool_call = tool_call.function %}{%- endif %}
                {{- '\n<tool_call>\n{"name": "' + tool_call.name + '", "arguments": ' }}
                {%- if tool_call.arguments is string %}{{- tool_call.arguments }}{%- else %}{{- tool_call.arguments | tojson }}{%- endif %}
                {{- '}\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\n<tool_response>\n' + message.content + '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}`

	bareTemplate = `{{- bos_token }}
{%- if tools is defined and tools is not none %}
{{- "Respond in the format {\"name\": function, \"parameters\": arguments}.\n" }}
{%- for t in tools %}{{- t | tojson(indent=4) }}{{- "\n" }}{%- endfor %}
{%- endif %}
{%- for message in messages %}
{%- if 'tool_calls' in message %}
{%- if not message.tool_calls|length == 1 %}{{- raise_exception("one call at once") }}{%- endif %}
{%- set call = message.tool_calls[0].function %}
{{- 'assistant: {"name": "' + call.name + '", "parameters": ' }}{{- call.arguments | tojson }}{{- "}\n" }}
{%- else %}
{{- message.role + ": " + message.content | trim + "\n" }}
{%- endif %}
{%- endfor %}`

	listedTemplate = `{%- for m in messages %}
{%- if m.role == "user" %}
{%- if tools is not none %}{{- "[AVAILABLE_TOOLS] [" }}{%- for tool in tools %}{%- set tool = tool.function %}{{- '{"type": "function", "function": {' }}
{%- for key, val in tool.items() if key != "return" %}{%- if val is string %}{{- '"' + key + '": "' + val + '"' }}{%- else %}{{- '"' + key + '": ' + val|tojson }}{%- endif %}{%- if not loop.last %}{{- ", " }}{%- endif %}{%- endfor %}
{{- "}}" }}{%- if not loop.last %}{{- ", " }}{%- endif %}{%- endfor %}{{- "][/AVAILABLE_TOOLS]" }}{%- endif %}
{{- "[INST] " + m.content + "[/INST]" }}
{%- elif m.tool_calls is defined %}{{- "[TOOL_CALLS] [" }}{%- for c in m.tool_calls %}{%- set out = c.function|tojson %}{{- out[:-1] + ', "id": "' + c.id + '"}' }}{%- endfor %}{{- "]" + eos_token }}
{%- elif m.role == "tool" %}{{- '[TOOL_RESULTS] {"content": ' + m.content|string + ', "call_id": "' + m.tool_call_id + '"}[/TOOL_RESULTS]' }}
{%- endif %}
{%- endfor %}`
)

var paris = Conversation{
	Messages: []Message{
		{Role: "user", Content: "Rain in Paris?"},
		{Role: "assistant", Calls: []ToolCall{{ID: "call12345", Call: toolcall.Call{Name: "weather", Arguments: `{"city": "Paris", "days": 1.5, "a": [true, null]}`}}}},
		{Role: "tool", CallID: "call12345", Name: "weather", Content: `{"rain": "<1 mm>"}`},
	},
	Tools: []json.RawMessage{json.RawMessage(`{"type":"function","function":{"name":"weather","description":"It's é & <b>","parameters":{"type":"object","properties":{"z":{"type":"string"},"a":{}},"required":["z"]}}}`)},
}

func TestToolTemplates(t *testing.T) {
	const tool = `{"type": "function", "function": {"name": "weather", "description": "It's é & <b>", "parameters": {"type": "object", "properties": {"z": {"type": "string"}, "a": {}}, "required": ["z"]}}}`
	const arguments = `{"city": "Paris", "days": 1.5, "a": [true, null]}`
	for _, c := range []struct {
		name, source string
		format       toolcall.Format
		want         string
	}{
		{"tagged", taggedTemplate, toolcall.Tagged, "<|im_start|>system\n<tools>\n" + tool + "\n</tools>\nCall with <tool_call></tool_call>.<|im_end|>\n" +
			"<|im_start|>user\nRain in Paris?<|im_end|>\n<|im_start|>assistant\n<tool_call>\n{\"name\": \"weather\", \"arguments\": " + arguments + "}\n</tool_call><|im_end|>\n" +
			"<|im_start|>user\n<tool_response>\n{\"rain\": \"<1 mm>\"}\n</tool_response><|im_end|>\n<|im_start|>assistant\n"},
		{"bare", bareTemplate, toolcall.Bare, `<s>Respond in the format {"name": function, "parameters": arguments}.
{
    "type": "function",
    "function": {
        "name": "weather",
        "description": "It's é & <b>",
        "parameters": {
            "type": "object",
            "properties": {
                "z": {
                    "type": "string"
                },
                "a": {}
            },
            "required": [
                "z"
            ]
        }
    }
}
user: Rain in Paris?
assistant: {"name": "weather", "parameters": ` + arguments + `}
tool: {"rain": "<1 mm>"}
`},
		{"listed", listedTemplate, toolcall.Listed, `[AVAILABLE_TOOLS] [{"type": "function", "function": {"name": "weather", "description": "It's é & <b>", "parameters": {"type": "object", "properties": {"z": {"type": "string"}, "a": {}}, "required": ["z"]}}}][/AVAILABLE_TOOLS][INST] Rain in Paris?[/INST]` +
			`[TOOL_CALLS] [{"name": "weather", "arguments": ` + arguments + `, "id": "call12345"}]</s>[TOOL_RESULTS] {"content": {"rain": "<1 mm>"}, "call_id": "call12345"}[/TOOL_RESULTS]`},
	} {
		parsed, err := parseTemplate(c.source)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got, err := parsed.render(paris, "<s>", "</s>")
		if err != nil || got != c.want || parsed.tools != c.format {
			t.Errorf("%s (%d): %v\n got %q\nwant %q", c.name, parsed.tools, err, got, c.want)
		}
		plain, err := parsed.render(Conversation{Messages: paris.Messages[:1]}, "<s>", "</s>")
		if err != nil || strings.Contains(plain, "weather") || strings.Contains(plain, "TOOL") {
			t.Errorf("%s without tools: %q %v", c.name, plain, err)
		}
	}
}

func TestBadToolsAreRefused(t *testing.T) {
	parsed, err := parseTemplate(taggedTemplate)
	if err != nil {
		t.Fatal(err)
	}
	deep := json.RawMessage(strings.Repeat("[", 100) + strings.Repeat("]", 100))
	for name, c := range map[string]Conversation{
		"no JSON":          {Messages: paris.Messages[:1], Tools: []json.RawMessage{json.RawMessage(`{`)}},
		"two values":       {Messages: paris.Messages[:1], Tools: []json.RawMessage{json.RawMessage(`{} {}`)}},
		"too deep":         {Messages: paris.Messages[:1], Tools: []json.RawMessage{deep}},
		"broken arguments": {Messages: []Message{{Role: "assistant", Calls: []ToolCall{{ID: "x", Call: toolcall.Call{Name: "x", Arguments: "x"}}}}}},
	} {
		if _, err := parsed.render(c, "", ""); !errors.Is(err, ErrTools) {
			t.Errorf("%s: %v", name, err)
		}
	}
	plain, err := parseTemplate("{{ messages[0].content }}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.render(paris, "", ""); !errors.Is(err, ErrTools) {
		t.Errorf("a template without tools: %v", err)
	}
}

// asJSON is a conversation as transformers hands it to templates.
func asJSON(c Conversation) map[string]any {
	var messages []map[string]any
	for _, m := range c.Messages {
		out := map[string]any{"role": m.Role, "content": m.Content}
		for _, call := range m.Calls {
			calls, _ := out["tool_calls"].([]any)
			out["tool_calls"] = append(calls, map[string]any{"id": call.ID, "type": "function",
				"function": json.RawMessage(`{"name":"` + call.Name + `","arguments":` + call.Arguments + `}`)})
		}
		if m.CallID != "" {
			out["tool_call_id"], out["name"] = m.CallID, m.Name
		}
		messages = append(messages, out)
	}
	return map[string]any{"messages": messages, "tools": c.Tools}
}

// TestPublishedTemplates renders the templates that models ship, and compares
// with what Hugging Face's renderer makes of them.
func TestPublishedTemplates(t *testing.T) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("SKIPPED: npm is absent, so the published templates are not here")
	}
	folder := filepath.Join("testdata", "templates")
	install := exec.Command(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = folder
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	system := Message{Role: "system", Content: "Be brief. <b>\"é\"</b>"}
	user := func(s string) Message { return Message{Role: "user", Content: s} }
	conversations := []Conversation{
		{Messages: []Message{user("Hi")}},
		{Messages: []Message{system, user("  Hi\n"), {Role: "assistant", Content: "Hello"}, user("Bye")}},
		{Messages: []Message{system, user("Think"), {Role: "assistant", Content: "<think>\nhm\n</think>\n\nDone"}, user("And?")}},
		{Messages: paris.Messages[:1], Tools: paris.Tools},
		{Messages: paris.Messages, Tools: paris.Tools},
		{Messages: append([]Message{system}, paris.Messages...), Tools: append(paris.Tools, json.RawMessage(`{"type":"function","function":{"name":"now","description":"Time"}}`))},
	}
	asked := make([]map[string]any, len(conversations))
	for i, c := range conversations {
		asked[i] = asJSON(c)
	}
	question, err := json.Marshal(asked)
	if err != nil {
		t.Fatal(err)
	}
	render := exec.Command("node", "render.mjs")
	render.Dir, render.Stdin = folder, bytes.NewReader(question)
	out, err := render.Output()
	if err != nil {
		t.Fatal(err)
	}
	var published map[string]struct {
		Template string
		Rendered []string
	}
	if err := json.Unmarshal(out, &published); err != nil || len(published) < 4 {
		t.Fatalf("%d templates: %v", len(published), err)
	}
	for name, p := range published {
		parsed, err := parseTemplate(p.Template)
		if err != nil || parsed.tools == toolcall.None {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, c := range conversations {
			got, err := parsed.render(c, "<s>", "</s>")
			if strings.HasPrefix(p.Rendered[i], "ERROR ") {
				if err == nil {
					t.Errorf("%s, conversation %d: %q, refused there: %s", name, i, got, p.Rendered[i])
				}
				continue
			}
			if err != nil || got != p.Rendered[i] {
				t.Errorf("%s, conversation %d: %v\n got %q\nwant %q", name, i, err, got, p.Rendered[i])
			}
		}
	}
}
