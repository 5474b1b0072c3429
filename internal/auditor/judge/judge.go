// Package judge recomputes answers for an auditor: it finds the model that a
// receipt names and says what the answer's values should have been. Whatever it
// cannot judge has a reason, and never counts as good.
package judge

import (
	"context"
	"errors"
	"fmt"

	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/internal/proof"
	"github.com/koinon/koinon/internal/proof/party"
	"github.com/koinon/koinon/receipt"
)

// ErrNoModel is what [Models] return for a model that is not to be had.
var ErrNoModel = errors.New("the model is not to be had")

// Models finds models by their version's digest. Errors other than [ErrNoModel]
// may pass.
type Models func(ctx context.Context, digest receipt.Digest) (party.Weights, error)

// Scale measures answers of the statistical class.
type Scale interface {
	// Score scores an answer at some steps, in 1/10,000 of its profile's cap.
	Score(ctx context.Context, w party.Weights, r receipt.Receipt, t receipt.Transcript, steps []uint64) ([]uint32, error)
	// Weigh is the verdict on one answer as a whole.
	Weigh(ctx context.Context, w party.Weights, r receipt.Receipt, t receipt.Transcript) (proof.Finding, error)
}

// Judge recomputes. Create it with [New]. It is safe for concurrent use if its
// Models are.
type Judge struct {
	models  Models
	scale   Scale
	threads int
}

// New is a judge; without a scale it judges the exact class alone.
func New(m Models, s Scale, threads int) *Judge {
	return &Judge{models: m, scale: s, threads: threads}
}

// Answer computes an answer of the exact class again.
func (j *Judge) Answer(ctx context.Context, r receipt.Receipt, t receipt.Transcript) (*party.Answer, error) {
	w, err := j.models(ctx, r.Model)
	if err != nil {
		return nil, err
	}
	return party.Recompute(ctx, w, r, t, j.threads)
}

// Vote is what the auditor finds at some steps of an answer. An error leaves it
// to be tried again.
func (j *Judge) Vote(ctx context.Context, r receipt.Receipt, t receipt.Transcript, steps []uint64) (court.Vote, error) {
	w, err := j.models(ctx, r.Model)
	switch {
	case errors.Is(err, ErrNoModel):
		return court.Vote{Reason: court.Model}, nil
	case err != nil:
		return court.Vote{}, err
	case r.Class != receipt.Exact:
		return j.scored(ctx, w, r, t, steps)
	}
	a, err := party.Recompute(ctx, w, r, t, j.threads)
	switch {
	case ctx.Err() != nil:
		return court.Vote{}, ctx.Err()
	case errors.Is(err, party.ErrUnreadable):
		return court.Vote{Reason: court.Unreadable}, nil
	case err != nil:
		return court.Vote{Reason: court.Engine}, nil
	}
	if !referee.Refereed(r) && !a.Drawn() {
		return court.Vote{Reason: court.Draw}, nil
	}
	leaves := a.Leaves()
	v := court.Vote{Root: a.Root()}
	for _, step := range steps {
		if step >= uint64(len(leaves)) {
			return court.Vote{Reason: court.Length}, nil
		}
		v.Leaves = append(v.Leaves, leaves[step])
	}
	return v, nil
}

func (j *Judge) scored(ctx context.Context, w party.Weights, r receipt.Receipt, t receipt.Transcript, steps []uint64) (court.Vote, error) {
	if j.scale == nil {
		return court.Vote{Reason: court.Engine}, nil
	}
	scores, err := j.scale.Score(ctx, w, r, t, steps)
	switch {
	case ctx.Err() != nil:
		return court.Vote{}, ctx.Err()
	case err != nil:
		reason, final := reasonOf(err)
		if !final {
			return court.Vote{}, fmt.Errorf("scoring an answer: %w", err)
		}
		return court.Vote{Reason: reason}, nil
	}
	return court.Vote{Scores: scores}, nil
}

// Check audits an answer that the auditor bought, and says what is wrong with it.
// Of the statistical class one answer proves nothing bad: it is upheld, or open.
func (j *Judge) Check(ctx context.Context, r receipt.Receipt, t receipt.Transcript) (proof.Finding, error) {
	w, err := j.models(ctx, r.Model)
	if errors.Is(err, ErrNoModel) {
		return proof.Finding{Verdict: proof.Inconclusive, Step: -1, Reason: fmt.Sprintf("The model %s is not to be had here.", r.Model)}, nil
	}
	if err != nil {
		return proof.Finding{}, err
	}
	if r.Class == receipt.Statistical && j.scale != nil {
		return j.scale.Weigh(ctx, w, r, t)
	}
	return proof.Exact(ctx, w.Model, r, t, j.threads)
}
