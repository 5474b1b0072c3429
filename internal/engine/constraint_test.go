package engine

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/engine/grammar"
	"github.com/koinon/koinon/internal/engine/grammar/schema"
	"github.com/koinon/koinon/internal/engine/sampling"
)

func parseGrammar(t *testing.T, source string) *grammar.Grammar {
	t.Helper()
	g, err := grammar.Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func text(m *Model, tokens []Token) string {
	var b strings.Builder
	for _, token := range tokens {
		b.Write(m.Piece(token.ID))
	}
	return b.String()
}

// Under any seed the shipped model answers in JSON, as the schema has it; an
// answer may be cut by the bound on its tokens.
func TestTheShippedModelAnswersInJSON(t *testing.T) {
	m := load(t, "../../models/trivium/trivium.gguf")
	e := New(m, Options{Threads: 2})
	source, err := schema.Convert([]byte(`{"type":"object","properties":{"name":{"type":"string","maxLength":12},"age":{"type":"integer","minimum":0,"maximum":130},
		"kind":{"enum":["cat","dog"]},"tags":{"type":"array","items":{"type":"string","pattern":"^[a-z]{1,5}$"},"maxItems":3}},"required":["name","age","kind"]}`))
	if err != nil {
		t.Fatal(err)
	}
	whole := 0
	for seed := range uint64(10) {
		for kind, source := range map[string]string{"json_object": grammar.JSON, "schema": source} {
			r := Request{Prompt: m.Prompt("Answer in JSON: "), MaxTokens: 200, Sampling: sampling.Params{Temperature: 1, TopP: 1, Seed: seed}, Grammar: parseGrammar(t, source)}
			tokens, finish := generated(t, e, r)
			got := text(m, tokens)
			if finish == FinishLength {
				if kind == "schema" && len(tokens) < r.MaxTokens {
					t.Errorf("seed %d: stuck after %q", seed, got)
				}
				continue
			}
			whole++
			var object struct {
				Name string `json:"name"`
				Age  int    `json:"age"`
				Kind string `json:"kind"`
			}
			if err := json.Unmarshal([]byte(got), &object); err != nil && (kind == "schema" || !json.Valid([]byte(got))) {
				t.Errorf("seed %d, %s: %q: %v", seed, kind, got, err)
			}
			if kind == "schema" && (object.Age > 130 || object.Kind != "cat" && object.Kind != "dog") {
				t.Errorf("seed %d: %q is not as the schema says", seed, got)
			}
		}
	}
	if whole < 5 {
		t.Errorf("only %d of 20 answers ended", whole)
	}
}

func TestGrammarsEndAnswers(t *testing.T) {
	m := load(t, "../../models/trivium/trivium.gguf")
	e := New(m, Options{})
	for source, want := range map[string]string{`root ::= "yes"`: "yes", `root ::= "日本"`: "日本", `root ::= ""`: ""} {
		r := Request{Prompt: m.Prompt("the"), MaxTokens: 20, Sampling: sampling.Params{Temperature: 1, TopP: 0.5, TopK: 1}, Grammar: parseGrammar(t, source)}
		tokens, finish := generated(t, e, r)
		if got := text(m, tokens); got != want || finish != FinishStop {
			t.Errorf("%s: %q, %s", source, got, finish)
		}
	}
}

func TestPenaltiesAndBiasReachTheAnswer(t *testing.T) {
	m := load(t, "../../models/trivium/trivium.gguf")
	e := New(m, Options{})
	r := Request{Prompt: m.Prompt("the"), MaxTokens: 8, Sampling: sampling.Params{TopP: 1, Bias: []sampling.Bias{{Token: 65, Value: 100}}}}
	tokens, _ := generated(t, e, r)
	for _, token := range tokens {
		if token.ID != 65 {
			t.Fatalf("with a bias: %v", tokens)
		}
	}
	r.Sampling = sampling.Params{TopP: 1, FrequencyPenalty: 2, PresencePenalty: 2, RepetitionPenalty: 10}
	tokens, _ = generated(t, e, r)
	seen := map[int32]bool{}
	for _, token := range tokens {
		if seen[token.ID] {
			t.Errorf("token %d came twice", token.ID)
		}
		seen[token.ID] = true
	}
}
