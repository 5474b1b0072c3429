package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/grammar"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/inference"
)

// Reference serves with the reference engine, verification class exact.
func Reference(e *engine.Engine) Engine { return reference{e} }

type reference struct{ engine *engine.Engine }

func (r reference) ContextLength() int { return r.engine.Model().ContextLength }

func (r reference) Prompt(q inference.Request) ([]int32, error) {
	if len(q.Messages) == 0 {
		return r.engine.Model().Prompt(q.Prompt), nil
	}
	messages := make([]engine.Message, len(q.Messages))
	for i, m := range q.Messages {
		messages[i] = engine.Message{Role: m.Role, Content: m.Content}
	}
	return r.engine.Model().Chat(messages)
}

// Check looks at what a grammar says, and at tokens with a bias: the protocol
// bounds the rest.
func (r reference) Check(q inference.Request) error {
	params := params(q.Shaping)
	params.Temperature, params.TopP, params.TopK = q.Temperature, q.TopP, int(q.TopK)
	if err := params.Validate(r.engine.Model().Size()); err != nil {
		return err
	}
	_, err := parse(q.Grammar)
	return err
}

// params are the parameters of sampling that shape an answer.
func params(s inference.Shaping) sampling.Params {
	p := sampling.Params{
		MinP: s.MinP, TypicalP: s.TypicalP, RepetitionPenalty: s.RepetitionPenalty,
		PresencePenalty: s.PresencePenalty, FrequencyPenalty: s.FrequencyPenalty, PenaltyWindow: int(s.PenaltyWindow),
	}
	for _, b := range s.LogitBias {
		p.Bias = append(p.Bias, sampling.Bias{Token: int32(b.Token), Value: b.Bias})
	}
	return p
}

// parse reads a grammar; none is any text.
func parse(source string) (*grammar.Grammar, error) {
	if source == "" {
		return nil, nil
	}
	return grammar.Parse(source)
}

func (r reference) Generate(ctx context.Context, job Job, emit func(Token) error) (string, error) {
	params := params(job.Shaping)
	params.Temperature, params.TopP, params.TopK, params.Seed = job.Temperature, job.TopP, job.TopK, job.Seed
	text, err := parse(job.Shaping.Grammar)
	if err != nil {
		return "", err
	}
	finish, err := r.engine.Generate(ctx, engine.Request{
		Prompt: job.Prompt, MaxTokens: job.MaxTokens, Stop: job.Stop, TopLogprobs: job.Logprobs,
		Sampling: params, Grammar: text,
	}, func(t engine.Token) error {
		token := Token{ID: t.ID, Logprob: t.Logprob, Leaf: t.Leaf}
		for _, top := range t.Top {
			token.Top = append(token.Top, TopLogprob{ID: top.ID, Logprob: top.Logprob})
		}
		return emit(token)
	})
	switch {
	case errors.Is(err, engine.ErrBusy):
		err = fmt.Errorf("%w: %w", ErrBusy, err)
	case errors.Is(err, engine.ErrContextLength):
		err = fmt.Errorf("%w: %w", ErrContextLength, err)
	}
	return finish, err
}
