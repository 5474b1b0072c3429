// Package defend answers accusations against a provider: it opens the leaves
// that the court asks for and plays the accused's side of the bisection game,
// by computing the answer again from what the provider kept of it.
//
// It keeps no state of its own: the ledger says whose turn it is, evidence is
// on disk since before the receipt left. Killed at any moment, it goes on at
// the next start, before the deadline.
package defend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cosmos/gogoproto/proto"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/mechanism/bisection"
	"github.com/koinon/koinon/internal/proof/party"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/receipt"
)

// Ledger is the court as the accused sees it.
type Ledger interface {
	// Address is the account that signs.
	Address() string
	// Cases lists the open cases in which an account has a part.
	Cases(ctx context.Context, address string) ([]auditv1.Case, error)
	// Send signs one transaction and returns when it is in a block.
	Send(ctx context.Context, msgs ...proto.Message) error
}

// Evidence is what the provider kept of an answer ([provider.Provider.Evidence]).
type Evidence func(ctx context.Context, r receipt.Receipt) (provider.Evidence, error)

// Defence answers for one provider. Create it with [New]. It is not safe for
// concurrent use.
type Defence struct {
	ledger   Ledger
	evidence Evidence
	weights  func(context.Context) (party.Weights, error)
	threads  int
	log      *slog.Logger
	answers  map[uint64]*party.Answer // of open cases
}

// New is a defence with the weights that the provider serves, which are not
// needed for the statistical class.
func New(l Ledger, e Evidence, w func(context.Context) (party.Weights, error), threads int, log *slog.Logger) *Defence {
	return &Defence{ledger: l, evidence: e, weights: w, threads: threads, log: log, answers: map[uint64]*party.Answer{}}
}

// Run answers until ctx ends, asking the court every so often.
func (d *Defence) Run(ctx context.Context, every time.Duration) {
	for {
		if err := d.Step(ctx); err != nil && ctx.Err() == nil {
			d.log.Warn("an accusation is not answered yet; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
	}
}

// Step answers everything that is the accused's turn now. One case that cannot
// be answered keeps no other from being.
func (d *Defence) Step(ctx context.Context) error {
	cases, err := d.ledger.Cases(ctx, d.ledger.Address())
	if err != nil {
		return fmt.Errorf("asking for accusations: %w", err)
	}
	open := map[uint64]bool{}
	var failed []error
	for _, c := range cases {
		open[c.Id] = true
		if err := d.answer(ctx, &c); err != nil {
			failed = append(failed, fmt.Errorf("case %d: %w", c.Id, err))
		}
	}
	for id := range d.answers {
		if !open[id] {
			delete(d.answers, id)
		}
	}
	return errors.Join(failed...)
}

func (d *Defence) answer(ctx context.Context, c *auditv1.Case) error {
	if c.Provider != d.ledger.Address() {
		return nil
	}
	switch {
	case c.State == auditv1.CaseState_CASE_STATE_OPENING && len(c.Openings) == 0:
		return d.open(ctx, c)
	case c.State == auditv1.CaseState_CASE_STATE_PLAYING && c.AccusedTurn:
		return d.play(ctx, c)
	}
	return nil
}

func (d *Defence) open(ctx context.Context, c *auditv1.Case) error {
	openings, err := d.openings(ctx, c)
	if err != nil {
		return err
	}
	msg := &auditv1.MsgOpenLeaves{Provider: c.Provider, CaseId: c.Id}
	for _, o := range openings {
		wire := auditv1.Opening{Step: o.Step, Token: uint32(o.Token), Logits: o.Logits[:], Fold: o.Fold[:]}
		for _, node := range o.Path {
			wire.Path = append(wire.Path, node[:])
		}
		msg.Openings = append(msg.Openings, wire)
	}
	d.log.Info("opening leaves to the court", "case", c.Id, "leaves", len(openings))
	return d.ledger.Send(ctx, msg)
}

// openings are leaves of an exact answer as it is computed again, of another as
// they were kept.
func (d *Defence) openings(ctx context.Context, c *auditv1.Case) ([]party.Opening, error) {
	if c.Exact {
		a, err := d.recompute(ctx, c)
		if err != nil {
			return nil, err
		}
		return a.Openings(c.Positions)
	}
	r, e, err := d.kept(ctx, c)
	if err != nil {
		return nil, err
	}
	return party.Kept(r, e.Output, e.Said, c.Positions)
}

func (d *Defence) kept(ctx context.Context, c *auditv1.Case) (receipt.Receipt, provider.Evidence, error) {
	r, err := receipt.Decode(c.Receipt)
	if err != nil {
		return r, provider.Evidence{}, err
	}
	e, err := d.evidence(ctx, r)
	return r, e, err
}

func (d *Defence) play(ctx context.Context, c *auditv1.Case) error {
	a, err := d.recompute(ctx, c)
	if err != nil {
		return err
	}
	move, err := a.Move(c.Game, bisection.Accused)
	if err != nil {
		return err
	}
	d.log.Info("defending an answer", "case", c.Id)
	return d.ledger.Send(ctx, &auditv1.MsgPlay{Player: c.Provider, CaseId: c.Id, Move: move})
}

// recompute is the case's answer, computed once.
func (d *Defence) recompute(ctx context.Context, c *auditv1.Case) (*party.Answer, error) {
	if a := d.answers[c.Id]; a != nil {
		return a, nil
	}
	r, e, err := d.kept(ctx, c)
	if err != nil {
		return nil, err
	}
	w, err := d.weights(ctx)
	if err != nil {
		return nil, err
	}
	a, err := party.Recompute(ctx, w, r, e.Transcript, d.threads)
	if err != nil {
		return nil, err
	}
	d.answers[c.Id] = a
	return a, nil
}
