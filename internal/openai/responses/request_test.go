package responses

import (
	"errors"
	"testing"

	"github.com/koinon/koinon/internal/openai"
)

func TestItemsBecomeTurns(t *testing.T) {
	c, _, err := parse([]byte(`{"model":"m","instructions":"be brief","input":[
		{"role":"developer","content":"a"},
		{"role":"user","content":[{"type":"input_text","text":"b"},{"type":"input_text","text":"c"}]},
		{"type":"reasoning","id":"rs_1","summary":[]},
		{"type":"message","role":"assistant","content":[{"type":"output_text","text":"d"}]},
		{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},
		{"type":"function_call","call_id":"2","name":"g","arguments":"{}"},
		{"type":"function_call_output","call_id":"2","output":"e"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	m := c.Messages
	if len(m) != 5 || m[0].Role != "system" || m[1].Role != "system" || m[2].Content != "bc" || m[3].Content != "d" ||
		len(m[3].ToolCalls) != 2 || m[4].Role != "tool" || m[4].Name != "g" || m[4].ToolCallID != "2" {
		t.Errorf("%+v", m)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"model":"m","input":"x","text":{"format":{"type":"json_schema","schema":{"type":"object"}}}}`))
	f.Add([]byte(`{"model":"m","input":[{"type":"function_call","call_id":"1","name":"f","arguments":"{}"}],"tools":[{"type":"function","name":"f"}],"tool_choice":"required"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, _, err := parse(body)
		var refusal *openai.Error
		if err != nil && !errors.As(err, &refusal) {
			t.Fatalf("an error of another kind: %v", err)
		}
		if err == nil && (c.Model == "" || len(c.Messages) == 0 || c.N != 1) {
			t.Fatalf("%+v", c)
		}
	})
}
