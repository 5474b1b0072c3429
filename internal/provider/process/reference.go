package process

import (
	"context"
	"errors"
	"fmt"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/provider"
)

// reference serves with the reference engine.
type reference struct{ *engine.Engine }

var _ provider.Engine = reference{}

// Prompt implements provider.Engine.
func (e reference) Prompt(r inference.Request) ([]int32, error) {
	if len(r.Messages) == 0 {
		return e.Model().Prompt(r.Prompt), nil
	}
	messages := make([]engine.Message, len(r.Messages))
	for i, m := range r.Messages {
		messages[i] = engine.Message{Role: m.Role, Content: m.Content}
	}
	return e.Model().Chat(messages)
}

// ContextLength implements provider.Engine.
func (e reference) ContextLength() int { return e.Model().ContextLength }

// Generate implements provider.Engine.
func (e reference) Generate(ctx context.Context, job provider.Job, emit func(provider.Token) error) (string, error) {
	finish, err := e.Engine.Generate(ctx, engine.Request{
		Prompt: job.Prompt, MaxTokens: job.MaxTokens, Temperature: job.Temperature, TopP: job.TopP, TopK: job.TopK,
		Seed: job.Seed, Stop: job.Stop, TopLogprobs: job.Logprobs,
	}, func(t engine.Token) error {
		token := provider.Token{ID: t.ID, Logprob: t.Logprob, Leaf: t.Leaf}
		for _, alternative := range t.Top {
			token.Top = append(token.Top, provider.TopLogprob(alternative))
		}
		return emit(token)
	})
	switch {
	case errors.Is(err, engine.ErrBusy):
		return finish, fmt.Errorf("%w: %w", provider.ErrBusy, err)
	case errors.Is(err, engine.ErrContextLength):
		return finish, fmt.Errorf("%w: %w", provider.ErrContextLength, err)
	}
	return finish, err
}
