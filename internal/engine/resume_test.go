package engine

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/grammar"
	"github.com/koinon/koinon/internal/engine/sampling"
)

// An answer that goes on elsewhere is the one that it would have been, to the
// last bit of its leaves: with penalties, which remember it, with a stop string
// across the break, and with a grammar.
func TestAResumedAnswerIsTheSame(t *testing.T) {
	m := load(t, writeModel(t, gguf.Q8_0, 4, true))
	digits, err := grammar.Parse(`root ::= [a-z ]{40}`)
	if err != nil {
		t.Fatal(err)
	}
	penalised := sampling.Params{
		Temperature: 0.9, TopP: 0.95, Seed: 11, RepetitionPenalty: 1.3, FrequencyPenalty: 0.5, PenaltyWindow: 64,
	}
	for name, r := range map[string]Request{
		"sampled":     {Sampling: penalised},
		"greedy":      {Sampling: sampling.Params{TopP: 1}},
		"constrained": {Sampling: penalised, Grammar: digits},
	} {
		r.Prompt, r.MaxTokens = m.Prompt("the thing"), 32
		whole, finish := generated(t, New(m, Options{Threads: 1}), r)
		if len(whole) < 12 {
			t.Fatalf("%s: %d tokens, %s", name, len(whole), finish)
		}
		for _, at := range []int{1, 7, len(whole) - 1} {
			rest := r
			rest.Prompt = slices.Clone(r.Prompt)
			for _, token := range whole[:at] {
				rest.Prompt = append(rest.Prompt, token.ID)
			}
			rest.Resumed, rest.MaxTokens = at, r.MaxTokens-at
			got, end := generated(t, New(m, Options{Threads: 2}), rest)
			if end != finish || len(got) != len(whole)-at {
				t.Fatalf("%s, resumed at %d: %d tokens and %s, not %d and %s", name, at, len(got), end, len(whole)-at, finish)
			}
			for i := range got {
				if got[i].Leaf != whole[at+i].Leaf || got[i].ID != whole[at+i].ID {
					t.Fatalf("%s, resumed at %d: step %d differs", name, at, at+i)
				}
			}
		}
	}
}

func TestWhatCannotBeResumed(t *testing.T) {
	m := load(t, writeModel(t, gguf.Q8_0, 4, true))
	prompt := m.Prompt("the thing")
	digits, err := grammar.Parse(`root ::= [0-9]+`)
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]Request{
		"all of the prompt":               {Prompt: prompt, Resumed: len(prompt)},
		"less than none":                  {Prompt: prompt, Resumed: -1},
		"what no grammar allows":          {Prompt: append(slices.Clone(prompt), 'x'), Resumed: 1, Grammar: digits},
		"what a stop string had ended":    {Prompt: append(slices.Clone(prompt), m.Prompt("th")...), Resumed: len(m.Prompt("th")), Stop: []string{"th"}},
		"what the model itself had ended": {Prompt: append(slices.Clone(prompt), m.EOS()), Resumed: 1},
	} {
		r.MaxTokens, r.Sampling = 4, sampling.Params{TopP: 1}
		if _, err := New(m, Options{}).Generate(context.Background(), r, func(Token) error { return nil }); !errors.Is(err, ErrRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
