package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/reference"
	"github.com/koinon/koinon/receipt"
)

// Reference serves with the reference engine, verification class exact.
func Reference(e *engine.Engine) Engine { return exact{e} }

type exact struct{ engine *engine.Engine }

func (e exact) ContextLength() int { return e.engine.Model().ContextLength }

// Sampler implements [Engine].
func (e exact) Sampler() string { return receipt.Categorical }

func (e exact) Prompt(q inference.Request) ([]int32, error) {
	return reference.Vocabulary{Vocabulary: e.engine.Model().Vocabulary}.Prompt(q)
}

// Check looks at what a grammar says, and at tokens with a bias: the protocol
// bounds the rest.
func (e exact) Check(q inference.Request) error {
	_, err := reference.Request(e.engine.Model(), q, nil, 0)
	return err
}

// Texts implements [Embedder].
func (e exact) Texts(q *inference.Embed) ([][]int32, error) {
	m := e.engine.Model()
	texts := q.Tokens
	for _, text := range q.Texts {
		texts = append(texts, m.Vocabulary.Prompt(text))
	}
	for _, ids := range texts {
		if err := m.CheckText(ids); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// Embed implements [Embedder].
func (e exact) Embed(ctx context.Context, text []int32, pooling string) ([]float32, error) {
	kind := e.engine.Model().Pooling
	if pooling != "" {
		var err error
		if kind, err = engine.ParsePooling(pooling); err != nil {
			return nil, err
		}
	}
	return e.engine.Embed(ctx, text, kind)
}

// Generate implements [Engine].
func (e exact) Generate(ctx context.Context, job Job, emit func(Token) error) (string, error) {
	r, err := reference.Request(e.engine.Model(), job.Request, job.Prompt, job.MaxTokens)
	if err != nil {
		return "", err
	}
	r.Scope = job.Scope
	end, err := e.engine.Generate(ctx, r, func(t engine.Token) error {
		token := Token{ID: t.ID, Logprob: t.Logprob, Leaf: t.Leaf, Cached: t.Cached}
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
	return end.Finish, err
}
