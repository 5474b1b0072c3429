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
// most context tokens. It is an [Embedder] if the engine makes vectors.
func Upstream(e *upstream.Engine, v *engine.Vocabulary, context int, embeds bool) Engine {
	texts := external{e, reference.Vocabulary{Vocabulary: v}, upstream.NewPieces(v), context}
	if embeds {
		return embedding{texts}
	}
	return texts
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
	return finish, failed(err)
}

// embedding is an external engine that makes vectors of texts, too.
type embedding struct{ external }

// Texts implements [Embedder].
func (e embedding) Texts(q *inference.Embed) ([][]int32, error) {
	if q.Pooling != "" {
		return nil, fmt.Errorf("%w: this engine pools as it does, so pooling must be left out", ErrUnsupported)
	}
	texts := q.Tokens
	for _, text := range q.Texts {
		texts = append(texts, e.vocabulary.Vocabulary.Prompt(text))
	}
	for _, ids := range texts {
		if len(ids) == 0 || len(ids) > e.context {
			return nil, fmt.Errorf("a text has %d tokens; the context holds 1 to %d", len(ids), e.context)
		}
		for _, id := range ids {
			if id < 0 || int(id) >= e.vocabulary.Size() {
				return nil, fmt.Errorf("token %d is not in the vocabulary", id)
			}
		}
		if err := e.engine.CheckPrompt(e.pieces, ids); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
		}
	}
	return texts, nil
}

// Embed implements [Embedder].
func (e embedding) Embed(ctx context.Context, text []int32, _ string) ([]float32, error) {
	vector, err := e.engine.Embed(ctx, e.pieces, text)
	return vector, failed(err)
}

// failed is an engine's error as the provider's.
func failed(err error) error {
	switch {
	case errors.Is(err, upstream.ErrBusy):
		return fmt.Errorf("%w: %w", ErrBusy, err)
	case errors.Is(err, upstream.ErrUnavailable), errors.Is(err, upstream.ErrAnswer):
		return fmt.Errorf("%w: %w", ErrEngine, err)
	}
	return err
}

// asked is what the engine is to generate.
func asked(q inference.Request, prompt []int32, limit int) upstream.Request {
	return upstream.Request{
		Prompt: prompt, MaxTokens: limit, Sampling: reference.Sampling(q), Grammar: q.Grammar, Stop: q.Stop, TopLogprobs: int(q.Logprobs),
	}
}
