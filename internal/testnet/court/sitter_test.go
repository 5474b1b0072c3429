package court

import (
	"context"
	"log/slog"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/auditor/bench"
	"github.com/koinon/koinon/internal/auditor/judge"
	"github.com/koinon/koinon/internal/auditor/store"
	mechanism "github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/internal/mechanism/penalty"
	"github.com/koinon/koinon/internal/proof"
	"github.com/koinon/koinon/internal/proof/party"
	"github.com/koinon/koinon/receipt"
)

// malice is how a dishonest auditor votes.
type malice string

const (
	honest malice = "honest"
	liar   malice = "liar"   // says that every answer is wrong
	shill  malice = "shill"  // says that every answer is right, as far as it can know
	absent malice = "absent" // commits, and never reveals
)

// sitter is an auditor.
type sitter struct {
	w      *world
	name   string
	how    malice
	key    bench.Identity
	store  *store.Store
	bench  *bench.Bench
	judge  *judge.Judge
	bond   uint64 // ukoin
	record penalty.Record
	jailed int64
	out    bool
}

func (s *sitter) sits() bool { return !s.out && s.w.now >= s.jailed }

// start takes its seat up, as a new process does: all it knows is on disk.
func (s *sitter) start() {
	s.judge = judge.New(func(_ context.Context, digest receipt.Digest) (party.Weights, error) {
		if digest != s.w.model {
			return party.Weights{}, judge.ErrNoModel
		}
		return models.bard, nil
	}, nil, 1)
	var j bench.Judge = s.judge
	if s.how != honest {
		j = crooked{s}
	}
	s.bench = bench.New(view{s.w, s.name}, s.store, j, s.key, slog.New(slog.DiscardHandler))
}

func (s *sitter) step(ctx context.Context) error {
	if s.how == absent {
		cases, err := (view{s.w, s.name}).Cases(ctx, s.name)
		for _, c := range cases {
			if c.State == auditv1.CaseState_CASE_STATE_REVEALING {
				return err
			}
		}
	}
	return s.bench.Step(ctx)
}

// shop buys an answer like anybody and checks it; an honest auditor disputes what
// is wrong, a liar what is right.
func (s *sitter) shop(ctx context.Context, from *seller) error {
	record, err := from.sell(ctx, s.name, s.w.prompt(), 8+s.w.chance.IntN(17))
	if err != nil {
		return err
	}
	s.w.earn(from, s, record.Receipt.Cost)
	if err := s.store.Keep(ctx, store.Purchase{Record: record, Provider: from.name, Bought: s.w.time()}); err != nil {
		return err
	}
	finding, err := s.judge.Check(ctx, record.Receipt, *record.Transcript)
	if err != nil {
		return err
	}
	if err := s.store.Found(ctx, record.Receipt.Hash(), finding); err != nil {
		return err
	}
	wrong := finding.Verdict == proof.Refuted
	if s.how == liar {
		wrong = s.w.chance.IntN(4) == 0
	}
	if s.how == shill {
		wrong = false
	}
	if !wrong {
		s.w.say("%s bought of %s: %s", s.name, from.name, finding.Verdict)
		if finding.Verdict == proof.Upheld {
			from.clean++
		}
		return nil
	}
	s.w.say("%s bought of %s: %s; it goes to court", s.name, from.name, finding.Verdict)
	claimed := s.w.digest()
	if finding.Verdict == proof.Refuted {
		a, err := s.judge.Answer(ctx, record.Receipt, *record.Transcript)
		if err != nil {
			return err
		}
		claimed = a.Root()
	}
	return view{s.w, s.name}.Send(ctx, &auditv1.MsgOpenDispute{Accuser: s.name, Receipt: record.Receipt.Encode(), ClaimedRoot: claimed[:]})
}

// crooked votes as its auditor is.
type crooked struct{ s *sitter }

func (c crooked) Answer(ctx context.Context, r receipt.Receipt, t receipt.Transcript) (*party.Answer, error) {
	return c.s.judge.Answer(ctx, r, t)
}

func (c crooked) Vote(ctx context.Context, r receipt.Receipt, t receipt.Transcript, steps []uint64) (mechanism.Vote, error) {
	v, err := c.s.judge.Vote(ctx, r, t, steps)
	if err != nil {
		return v, err
	}
	switch c.s.how {
	case liar:
		v.Root = c.s.w.digest()
		for i := range v.Leaves {
			v.Leaves[i] = c.s.w.digest()
		}
	case shill: // the accused has told it what it will open
		v.Root = r.Commitment
		if accused := c.s.w.seller(r.Provider); accused != nil {
			replay, _, err := accused.recompute(ctx, r, t)
			if err != nil {
				return v, err
			}
			for i, step := range steps {
				v.Leaves[i] = replay.Leaves[step]
			}
		}
	}
	return v, nil
}
