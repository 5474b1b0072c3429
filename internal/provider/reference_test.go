package provider

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/grammar"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/inference"
)

// What shapes an answer reaches the engine, and what cannot is refused before
// anything is paid.
func TestReferenceShapesAnswers(t *testing.T) {
	m, err := engine.Load("../../models/trivium/trivium.gguf")
	if err != nil {
		t.Fatal(err)
	}
	e := Reference(engine.New(m, engine.Options{}))
	q := inference.Request{Prompt: "the", TopP: 1, Temperature: 1}
	for name, c := range map[string]struct {
		shaping inference.Shaping
		want    error
	}{
		"nothing":        {inference.Shaping{}, nil},
		"grammar":        {inference.Shaping{Grammar: grammar.JSON}, nil},
		"broken grammar": {inference.Shaping{Grammar: "root ::= x"}, grammar.ErrSyntax},
		"no such token":  {inference.Shaping{LogitBias: []inference.TokenBias{{Token: 1 << 30, Bias: 1}}}, sampling.ErrParameter},
	} {
		q.Shaping = c.shaping
		if err := e.Check(q); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	prompt, err := e.Prompt(q)
	if err != nil {
		t.Fatal(err)
	}
	text := func(s inference.Shaping) string {
		var out []byte
		_, err := e.Generate(t.Context(), Job{Request: inference.Request{TopP: 1, Shaping: s}, Prompt: prompt, MaxTokens: 40}, func(token Token) error {
			out = append(out, m.Piece(token.ID)...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got := text(inference.Shaping{Grammar: `root ::= "[" [0-9]{1,3} "]"`}); !json.Valid([]byte(got)) {
		t.Errorf("under a grammar: %q", got)
	}
	plain := text(inference.Shaping{})
	for name, s := range map[string]inference.Shaping{
		"presence": {PresencePenalty: 2}, "frequency": {FrequencyPenalty: 2}, "repetition": {RepetitionPenalty: 5},
		"bias": {LogitBias: []inference.TokenBias{{Token: 65, Bias: 100}}},
	} {
		if text(s) == plain {
			t.Errorf("%s made no difference", name)
		}
	}
}
