package openai

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/engine/grammar"
	"github.com/koinon/koinon/internal/inference"
)

func TestShaping(t *testing.T) {
	for body, want := range map[string]inference.Shaping{
		``: {},
		`,"presence_penalty":0,"frequency_penalty":0,"logit_bias":{},"repetition_penalty":1,"typical_p":1,"response_format":{"type":"text"},"grammar":""`: {},
		`,"min_p":0.05,"typical_p":0.9,"repetition_penalty":1.1,"presence_penalty":-2,"frequency_penalty":0.5,"penalty_window":64`: {
			MinP: 0.05, TypicalP: 0.9, RepetitionPenalty: 1.1, PresencePenalty: -2, FrequencyPenalty: 0.5, PenaltyWindow: 64,
		},
		`,"logit_bias":{"10":-100,"9":1.5}`:               {LogitBias: []inference.TokenBias{{Token: 9, Bias: 1.5}, {Token: 10, Bias: -100}}},
		`,"grammar":"root ::= [ab]+"`:                     {Grammar: "root ::= [ab]+"},
		`,"response_format":{"type":"json_object"}`:       {Grammar: grammar.JSON},
		`,"response_format":{"type":"json_object"},"n":2`: {Grammar: grammar.JSON},
	} {
		chat, err := ParseChat([]byte(`{"model":"m","messages":[{"role":"user","content":"x"}]` + body + `}`))
		if err != nil || !reflect.DeepEqual(chat.Shaping, want) {
			t.Errorf("chat with %s: %+v, %v", body, chat.Shaping, err)
		}
		text, err := ParseCompletion([]byte(`{"model":"m","prompt":"x"` + body + `}`))
		if err != nil || !reflect.DeepEqual(text.Shaping, want) {
			t.Errorf("completion with %s: %+v, %v", body, text.Shaping, err)
		}
	}
}

// A schema becomes a grammar that can be sent to a provider.
func TestSchemasBecomeGrammars(t *testing.T) {
	format := `{"type":"json_schema","json_schema":{"name":"point","strict":true,"schema":{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"],"additionalProperties":false}}}`
	c, err := ParseChat([]byte(`{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":` + format + `}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := grammar.Parse(c.Shaping.Grammar); err != nil || !strings.Contains(c.Shaping.Grammar, "x") {
		t.Errorf("%q: %v", c.Shaping.Grammar, err)
	}
	r := inference.Request{Model: [32]byte{1}, Prompt: "x", TopP: 1, Shaping: c.Shaping}
	sent, err := r.Encode()
	if err != nil || !json.Valid(sent) {
		t.Errorf("%s, %v", sent, err)
	}
}
