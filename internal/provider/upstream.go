package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/upstream"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/reference"
	"github.com/koinon/koinon/receipt"
)

// Upstream serves with an engine that runs already, verification class
// statistical. The vocabulary is that of its weights; prompt and answer have at
// most context tokens.
func Upstream(e *upstream.Engine, v *engine.Vocabulary, context int) Engine {
	return external{e, reference.Vocabulary{Vocabulary: v}, upstream.NewPieces(v), context}
}

type external struct {
	engine     *upstream.Engine
	vocabulary reference.Vocabulary
	pieces     *upstream.Pieces
	context    int
}

func (e external) ContextLength() int { return e.context }

// Sampler implements [Engine].
func (e external) Sampler() string {
	if e.engine.SeedSynchronised() {
		return receipt.Gumbel
	}
	return receipt.Foreign
}

// Prompt makes the tokens that the engine will read, and refuses a prompt that
// it would read otherwise.
func (e external) Prompt(q inference.Request) ([]int32, error) {
	prompt, err := e.vocabulary.Prompt(q)
	if err != nil {
		return nil, err
	}
	if err := e.engine.CheckPrompt(e.pieces, prompt); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return prompt, nil
}

func (e external) Check(q inference.Request) error {
	if len(q.Resume) > 0 {
		return fmt.Errorf("%w: it cannot go on with another's answer", ErrUnsupported)
	}
	r := asked(q, nil, 0)
	if err := r.Sampling.Validate(e.vocabulary.Size()); err != nil {
		return err
	}
	if err := e.engine.Check(r); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return nil
}

func (e external) Generate(ctx context.Context, job Job, emit func(Token) error) (string, error) {
	finish, err := e.engine.Generate(ctx, e.pieces, asked(job.Request, job.Prompt, job.MaxTokens), func(t upstream.Token) error {
		token := Token{ID: t.ID, Logprob: t.Logprob, Leaf: t.Leaf, Said: t.Said}
		for _, top := range t.Top {
			token.Top = append(token.Top, TopLogprob(top))
		}
		return emit(token)
	})
	switch {
	case errors.Is(err, upstream.ErrBusy):
		err = fmt.Errorf("%w: %w", ErrBusy, err)
	case errors.Is(err, upstream.ErrUnavailable), errors.Is(err, upstream.ErrAnswer):
		err = fmt.Errorf("%w: %w", ErrEngine, err)
	}
	return finish, err
}

// asked is what the engine is to generate.
func asked(q inference.Request, prompt []int32, limit int) upstream.Request {
	return upstream.Request{
		Prompt: prompt, MaxTokens: limit, Sampling: reference.Sampling(q), Grammar: q.Grammar, Stop: q.Stop, TopLogprobs: int(q.Logprobs),
	}
}
