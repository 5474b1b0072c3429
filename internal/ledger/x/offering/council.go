package offering

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cosmossdk.io/collections"

	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/offering"
)

// evaluationKey is a version's digest, a benchmark and a member of the council.
type evaluationKey = collections.Triple[string, string, string]

// theCouncil is who evaluates; nobody, until governance says who.
func (k *Keeper) theCouncil(ctx context.Context) (offeringv1.Council, error) {
	c, err := k.council.Get(ctx)
	if errors.Is(err, collections.ErrNotFound) {
		return offeringv1.Council{}, nil
	}
	return c, err
}

func councilOf(c offeringv1.Council) offering.Council {
	return offering.Council{Members: c.Members, Quorum: int(c.Quorum)}
}

// reached refuses an evaluation's milestone for which too few of those who are in
// the council now found the score.
func (k *Keeper) reached(ctx context.Context, m offeringv1.Milestone, digest string) error {
	c, err := k.theCouncil(ctx)
	if err != nil {
		return err
	}
	var failed error
	agreed := councilOf(c).Agrees(m.Score, func(member string) (uint64, bool) {
		e, err := k.evaluations.Get(ctx, collections.Join3(digest, m.Benchmark, member))
		if err != nil && !errors.Is(err, collections.ErrNotFound) {
			failed = err
		}
		return e.Score, err == nil
	})
	if failed != nil {
		return failed
	}
	if !agreed {
		return fmt.Errorf("%w: too few of the council found %s to score %d millionths or more in %s: %d of %d must", ErrProof, digest, m.Score, m.Benchmark, c.Quorum, len(c.Members))
	}
	return nil
}

// Evaluate implements offeringv1.MsgServer.
func (m messages) Evaluate(ctx context.Context, msg *offeringv1.MsgEvaluate) (*offeringv1.MsgEvaluateResponse, error) {
	c, err := m.theCouncil(ctx)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(c.Members, msg.Member) {
		return nil, fmt.Errorf("%w: %s", ErrMember, msg.Member)
	}
	if msg.Benchmark == "" || len(msg.Benchmark) > offering.MaxBenchmark {
		return nil, fmt.Errorf("%w: benchmark must have 1 to %d bytes", ErrField, offering.MaxBenchmark)
	}
	if _, err := m.models.Listed(ctx, msg.ModelDigest); err != nil {
		return nil, fmt.Errorf("model_digest: %w", err)
	}
	e := offeringv1.Evaluation{ModelDigest: msg.ModelDigest, Benchmark: msg.Benchmark, Member: msg.Member, Score: msg.Score, At: blockTime(ctx)}
	return &offeringv1.MsgEvaluateResponse{}, errors.Join(m.setEvaluation(ctx, e), emit(ctx,
		&offeringv1.EventEvaluated{ModelDigest: e.ModelDigest, Benchmark: e.Benchmark, Member: e.Member, Score: e.Score}))
}

func (k *Keeper) setEvaluation(ctx context.Context, e offeringv1.Evaluation) error {
	return k.evaluations.Set(ctx, collections.Join3(e.ModelDigest, e.Benchmark, e.Member), e)
}

// SetCouncil implements offeringv1.MsgServer.
func (m messages) SetCouncil(ctx context.Context, msg *offeringv1.MsgSetCouncil) (*offeringv1.MsgSetCouncilResponse, error) {
	if msg.Authority != m.authority {
		return nil, fmt.Errorf("%w: %s, not %s", ErrGoverned, m.authority, msg.Authority)
	}
	for _, a := range msg.Council.Members {
		if _, err := account.Parse(m.addresses, a); err != nil {
			return nil, fmt.Errorf("members: %w", err)
		}
	}
	if err := councilOf(msg.Council).Validate(); err != nil {
		return nil, err
	}
	return &offeringv1.MsgSetCouncilResponse{}, errors.Join(m.council.Set(ctx, msg.Council),
		emit(ctx, &offeringv1.EventCouncil{Members: msg.Council.Members, Quorum: msg.Council.Quorum}))
}
