package anthropic

import (
	"errors"
	"testing"

	"github.com/koinon/koinon/internal/openai"
)

func TestBlocksBecomeTurns(t *testing.T) {
	c, err := parse([]byte(`{"model":"m","max_tokens":5,"system":[{"type":"text","text":"be brief","cache_control":{"type":"ephemeral"}}],"messages":[
		{"role":"user","content":"a"},
		{"role":"assistant","content":[{"type":"thinking","thinking":"…"},{"type":"text","text":"b"},{"type":"tool_use","id":"1","name":"f","input":{"x":1}},{"type":"tool_use","id":"2","name":"g","input":{}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"c"}]},{"type":"tool_result","tool_use_id":"2"},{"type":"text","text":"d"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	m := c.Messages
	if len(m) != 6 || m[0].Content != "be brief" || m[2].Content != "b" || len(m[2].ToolCalls) != 2 || m[2].ToolCalls[0].Arguments != `{"x":1}` ||
		m[3].Role != "tool" || m[3].Content != "c" || m[3].Name != "f" || m[4].Name != "g" || m[5].Content != "d" {
		t.Errorf("%+v", m)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"text","text":"x"}]}],"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"any"}}`))
	f.Add([]byte(`{"model":"m","max_tokens":5,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f"}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"1"}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := parse(body)
		var refusal *openai.Error
		if err != nil && !errors.As(err, &refusal) {
			t.Fatalf("an error of another kind: %v", err)
		}
		if err == nil && (c.Model == "" || c.MaxTokens == 0 || len(c.Messages) == 0 || c.N != 1) {
			t.Fatalf("%+v", c)
		}
	})
}
