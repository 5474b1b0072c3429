package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/koinon/koinon/internal/engine"
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

func (r reference) Generate(ctx context.Context, job Job, emit func(Token) error) (string, error) {
	finish, err := r.engine.Generate(ctx, engine.Request{
		Prompt: job.Prompt, MaxTokens: job.MaxTokens, Stop: job.Stop, TopLogprobs: job.Logprobs,
		Sampling: sampling.Params{Temperature: job.Temperature, TopP: job.TopP, TopK: job.TopK, Seed: job.Seed},
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
