// Package reference puts the protocol's requests to the reference engine, the
// same way at a provider, which answers them, at a gateway, which recounts their
// prompts, and where an engine serves alone.
package reference

import (
	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/grammar"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/engine/toolcall"
	"github.com/koinon/koinon/internal/inference"
)

// Vocabulary is a model's tokenizer and chat template. It is safe for concurrent
// use.
type Vocabulary struct{ *engine.Vocabulary }

// Prompt is the token ids of a request: rendered by the model's template, or
// encoded as they are, and what it resumes.
func (v Vocabulary) Prompt(q inference.Request) ([]int32, error) {
	prompt, err := v.beginning(q)
	if err != nil || len(prompt) == 0 {
		return nil, err
	}
	return append(prompt, q.Resume...), nil
}

func (v Vocabulary) beginning(q inference.Request) ([]int32, error) {
	if len(q.Messages) == 0 {
		return v.Vocabulary.Prompt(q.Prompt), nil
	}
	c := engine.Conversation{Tools: q.Tools}
	for _, m := range q.Messages {
		turn := engine.Message{Role: m.Role, Content: m.Content, CallID: m.ToolCallID, Name: m.Name}
		for _, call := range m.ToolCalls {
			turn.Calls = append(turn.Calls, engine.ToolCall{ID: call.ID, Call: toolcall.Call{Name: call.Name, Arguments: call.Arguments}})
		}
		c.Messages = append(c.Messages, turn)
	}
	return v.Chat(c)
}

// Piece is what a token stands for; false if there is no such token. Control
// tokens are nothing to read, but for one that begins calls of tools.
func (v Vocabulary) Piece(id int32) ([]byte, bool) {
	if id < 0 || int(id) >= v.Size() {
		return nil, false
	}
	if v.IsControl(id) && (v.Text(id) != v.Tools().Marker() || v.Text(id) == "") {
		return nil, true
	}
	return v.Vocabulary.Piece(id), true
}

// Request is what the engine is to generate for a request with a prompt, at
// most limit tokens. It refuses what the model cannot do; the protocol bounds
// the rest.
func Request(m *engine.Model, q inference.Request, prompt []int32, limit int) (engine.Request, error) {
	r := engine.Request{
		Prompt: prompt, Resumed: len(q.Resume), MaxTokens: limit, Sampling: Sampling(q), Stop: q.Stop, TopLogprobs: int(q.Logprobs),
	}
	if err := r.Sampling.Validate(m.Size()); err != nil {
		return r, err
	}
	if q.Grammar == "" {
		return r, nil
	}
	var err error
	r.Grammar, err = grammar.Parse(q.Grammar)
	return r, err
}

// Sampling are a request's parameters of sampling.
func Sampling(q inference.Request) sampling.Params {
	p := sampling.Params{
		Temperature: q.Temperature, TopP: q.TopP, TopK: int(q.TopK), Seed: q.Seed,
		MinP: q.MinP, TypicalP: q.TypicalP, RepetitionPenalty: q.RepetitionPenalty,
		PresencePenalty: q.PresencePenalty, FrequencyPenalty: q.FrequencyPenalty, PenaltyWindow: int(q.PenaltyWindow),
	}
	for _, b := range q.LogitBias {
		p.Bias = append(p.Bias, sampling.Bias{Token: int32(b.Token), Value: b.Bias})
	}
	return p
}
