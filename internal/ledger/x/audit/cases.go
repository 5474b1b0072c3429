package audit

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/internal/mechanism/eprocess"
)

// hearing is a case as it is loaded, with what the ledger knows about it.
type hearing struct {
	stored auditv1.Case
	court.Case
	bench  court.Bench
	record auditv1.Record
}

// hear loads a case.
func (k *Keeper) hear(ctx context.Context, id uint64) (*hearing, error) {
	s, err := k.cases.Get(ctx, id)
	if errors.Is(err, collections.ErrNotFound) {
		return nil, fmt.Errorf("%w: there is no case %d", ErrNotFound, id)
	}
	if err != nil {
		return nil, err
	}
	c, err := caseOf(s)
	if err != nil {
		return nil, fmt.Errorf("case %d: %w", id, err)
	}
	b, record, err := k.bench(ctx, s.Receipt, s.Provider)
	return &hearing{s, c, b, record}, err
}

// bench is what the ledger knows when a case about a provider's receipt moves.
func (k *Keeper) bench(ctx context.Context, encoded []byte, provider string) (court.Bench, auditv1.Record, error) {
	params, err := k.params.Get(ctx)
	if err != nil {
		return court.Bench{}, auditv1.Record{}, err
	}
	record, err := k.record(ctx, provider)
	if err != nil {
		return court.Bench{}, record, err
	}
	r, err := decode(encoded)
	if err != nil {
		return court.Bench{}, record, err
	}
	profile, err := k.profiles.Get(ctx, r.Model.String())
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return court.Bench{}, record, err
	}
	fund, err := k.Fund(ctx)
	return court.Bench{
		Params: courtParams(params), Profile: profileOf(profile), Watch: evidenceOf(record.Watch), Guilt: evidenceOf(record.Guilt),
		Fund: fund, Now: blockTime(ctx), Height: sdk.UnwrapSDKContext(ctx).BlockHeight(),
	}, record, err
}

// record returns what is known of an account's honesty.
func (k *Keeper) record(ctx context.Context, address string) (auditv1.Record, error) {
	r, err := k.records.Get(ctx, address)
	if errors.Is(err, collections.ErrNotFound) {
		return auditv1.Record{Address: address}, nil
	}
	return r, err
}

// conclude stores a case that moved, and does what follows from it.
func (k *Keeper) conclude(ctx context.Context, h *hearing, e court.Effects) error {
	before := h.stored
	if err := k.beginGame(ctx, h); err != nil {
		return err
	}
	update(&h.stored, h.Case)
	if err := k.store(ctx, before, h.stored); err != nil {
		return err
	}
	for _, p := range e.Payments {
		if err := k.payFromCase(ctx, h.ID, p); err != nil {
			return err
		}
	}
	for _, c := range e.Convictions {
		if err := k.Convict(ctx, c); err != nil {
			return err
		}
	}
	if e.Withhold {
		if err := k.withhold(ctx, h.Provider, true); err != nil {
			return err
		}
	}
	if e.Settled {
		if err := k.settle(ctx, h, e); err != nil {
			return err
		}
	}
	if before.State == h.stored.State && before.Stage == h.stored.Stage {
		return nil
	}
	return emit(ctx, &auditv1.EventCaseMoved{CaseId: h.ID, State: h.stored.State, Stage: h.stored.Stage, Deadline: h.stored.Deadline})
}

// payFromCase pays what leaves a case; the fund's part stays where it is.
func (k *Keeper) payFromCase(ctx context.Context, id uint64, p court.Payment) error {
	if p.To == "" {
		return nil
	}
	if err := k.pay(ctx, p.To, creditDenom, p.Amount); err != nil || !p.Audit {
		return err
	}
	a, err := k.auditor(ctx, p.To)
	if err != nil {
		return err
	}
	a.Completed++
	if err := k.auditors.Set(ctx, p.To, a); err != nil {
		return err
	}
	return emit(ctx, &auditv1.EventAuditPaid{Auditor: p.To, CaseId: id, Amount: p.Amount})
}

// settle writes a closed case into the provider's record: what the scores say,
// and how it was found.
func (k *Keeper) settle(ctx context.Context, h *hearing, e court.Effects) error {
	// Convictions have written to it since the case was loaded.
	record, err := k.record(ctx, h.Provider)
	if err != nil {
		return err
	}
	if err := k.rateBefore(ctx, &record); err != nil {
		return err
	}
	if h.Outcome != court.Convicted {
		if err := weigh(&record, h.bench.Profile, e); err != nil {
			return err
		}
		switch h.Outcome {
		case court.Cleared:
			record.Clean++
		case court.Unproven:
			record.Clean /= 2
		}
	}
	record.Outcomes = counted(record.Outcomes, h.Outcome)
	r, err := decode(h.stored.Receipt)
	if err != nil {
		return err
	}
	err = errors.Join(k.records.Set(ctx, h.Provider, record), k.sealed.Remove(ctx, h.ID), k.earnings.Dispute(ctx, h.Provider, h.ID, false))
	if err != nil {
		return err
	}
	if h.Outcome == court.Convicted || h.Outcome == court.Cleared {
		if err := k.challenges.Judged(ctx, r, h.Outcome == court.Cleared); err != nil {
			return err
		}
	}
	if err := k.withhold(ctx, h.Provider, evidenceOf(record.Watch).Reaches(eprocess.Withhold)); err != nil {
		return err
	}
	return emit(ctx, &auditv1.EventCaseClosed{CaseId: h.ID, Provider: h.Provider, Outcome: h.stored.Outcome})
}

// weigh feeds a provider's e-processes with what a case says.
func weigh(record *auditv1.Record, p court.Profile, e court.Effects) error {
	if !e.Scored {
		return nil
	}
	watch, err := eprocess.Add(evidenceOf(record.Watch), p.Profile, e.Score)
	if err != nil {
		return err
	}
	record.Watch = storedEvidence(watch)
	if e.Guilt {
		guilt, err := eprocess.Add(evidenceOf(record.Guilt), p.Profile, e.Score)
		if err != nil {
			return err
		}
		record.Guilt = storedEvidence(guilt)
	}
	return nil
}

// counted is how often each outcome was, with one more.
func counted(outcomes []uint64, o court.Outcome) []uint64 {
	for len(outcomes) <= int(o) {
		outcomes = append(outcomes, 0)
	}
	outcomes[o]++
	return outcomes
}

// forget removes closed cases whose time is over, some in each block. What they
// decided stays in the record of the accused, and in convictions.
func (k *Keeper) forget(ctx context.Context) error {
	const some = 100
	var old []dueKey
	until := new(collections.Range[dueKey]).EndExclusive(collections.Join(blockTime(ctx)+1, uint64(0)))
	err := k.closed.Walk(ctx, until, func(key dueKey) (bool, error) {
		old = append(old, key)
		return len(old) == some, nil
	})
	if err != nil {
		return err
	}
	for _, key := range old {
		c, err := k.cases.Get(ctx, key.K2())
		if err != nil {
			return err
		}
		r, err := decode(c.Receipt)
		if err != nil {
			return err
		}
		hash := r.Hash()
		last, err := k.byReceipt.Get(ctx, hash[:])
		if err == nil && last == c.Id { // a later case about the receipt may be open
			err = k.byReceipt.Remove(ctx, hash[:])
		}
		if errors.Is(err, collections.ErrNotFound) {
			err = nil
		}
		if err := errors.Join(err, k.closed.Remove(ctx, key), k.cases.Remove(ctx, c.Id)); err != nil {
			return err
		}
	}
	return nil
}

// withhold keeps a provider's pay from maturing, or lets it.
func (k *Keeper) withhold(ctx context.Context, provider string, withheld bool) error {
	record, err := k.record(ctx, provider)
	if err != nil || record.Withheld == withheld {
		return err
	}
	record.Withheld = withheld
	if err := errors.Join(k.records.Set(ctx, provider, record), k.earnings.Withhold(ctx, provider, withheld)); err != nil {
		return err
	}
	return emit(ctx, &auditv1.EventWithheld{Provider: provider, Withheld: withheld})
}

// store keeps a case and its indexes, and the sum that all cases hold.
func (k *Keeper) store(ctx context.Context, before, after auditv1.Case) error {
	if before.Id == after.Id && before.State != auditv1.CaseState_CASE_STATE_UNSPECIFIED {
		if err := k.index(ctx, before, false); err != nil {
			return err
		}
	}
	if err := errors.Join(k.index(ctx, after, true), k.cases.Set(ctx, after.Id, after)); err != nil {
		return err
	}
	held, err := k.heldCredit(ctx)
	if err != nil {
		return err
	}
	return k.held.Set(ctx, held-before.Bond-before.Fees+after.Bond+after.Fees)
}

// index adds an open case to the indexes, or takes it out.
func (k *Keeper) index(ctx context.Context, c auditv1.Case, open bool) error {
	if c.State == auditv1.CaseState_CASE_STATE_CLOSED {
		return k.closed.Set(ctx, collections.Join(c.Deadline, c.Id)) // until it is forgotten
	}
	change := func(set func() error, remove func() error) error {
		if open {
			return set()
		}
		return remove()
	}
	due := collections.Join(c.Deadline, c.Id)
	err := change(func() error { return k.due.Set(ctx, due) }, func() error { return k.due.Remove(ctx, due) })
	if c.State == auditv1.CaseState_CASE_STATE_DRAWING {
		err = errors.Join(err, change(func() error { return k.drawing.Set(ctx, c.Id) }, func() error { return k.drawing.Remove(ctx, c.Id) }))
	}
	parties := []string{c.Provider, c.Accuser}
	for _, s := range c.Seats {
		parties = append(parties, s.Auditor)
	}
	for _, p := range parties {
		key := collections.Join(p, c.Id)
		err = errors.Join(err, change(func() error { return k.parties.Set(ctx, key) }, func() error { return k.parties.Remove(ctx, key) }))
	}
	return err
}

// openCases lists the open cases in which somebody has a part.
func (k *Keeper) openCases(ctx context.Context, party string) ([]uint64, error) {
	var ids []uint64
	err := k.parties.Walk(ctx, collections.NewPrefixedPairRange[string, uint64](party), func(key partyKey) (bool, error) {
		ids = append(ids, key.K2())
		return false, nil
	})
	return ids, err
}

// candidates are the auditors who may sit now.
func (k *Keeper) candidates(ctx context.Context, params auditv1.Params) ([]court.Candidate, error) {
	var list []court.Candidate
	err := k.auditors.Walk(ctx, nil, func(_ string, a auditv1.Auditor) (bool, error) {
		if mayAct(a, params) == nil {
			list = append(list, court.Candidate{Account: a.Address, Bond: a.Bond, Ties: a.Ties})
		}
		return false, nil
	})
	return list, err
}

// What one block does at most; the rest waits for the next.
const (
	drawsPerBlock     = 50
	deadlinesPerBlock = 200
	payPerBlock       = 1_000
)

// draw seats the committees of cases that waited for randomness, by what came
// after them.
func (k *Keeper) draw(ctx context.Context) error {
	var waiting []uint64
	err := k.drawing.Walk(ctx, nil, func(id uint64) (bool, error) {
		waiting = append(waiting, id)
		return len(waiting) == drawsPerBlock, nil
	})
	if err != nil || len(waiting) == 0 {
		return err
	}
	height, r, err := k.beacon.Latest(ctx)
	if err != nil {
		return err
	}
	params, err := k.params.Get(ctx)
	if err != nil {
		return err
	}
	candidates, err := k.candidates(ctx, params)
	if err != nil {
		return err
	}
	for _, id := range waiting {
		h, err := k.hear(ctx, id)
		if err != nil {
			return err
		}
		if height <= h.Height || h.bench.Now >= h.Deadline {
			continue // its deadline handles it
		}
		e, err := h.Draw(h.bench, r, candidates)
		if err != nil {
			return fmt.Errorf("drawing the committee of case %d: %w", id, err)
		}
		if err := k.conclude(ctx, h, e); err != nil {
			return err
		}
		var seated []string
		for _, s := range h.Seats {
			seated = append(seated, s.Auditor)
		}
		if err := emit(ctx, &auditv1.EventCommitteeDrawn{CaseId: id, Stage: h.stored.Stage, Auditors: seated, Positions: h.Positions}); err != nil {
			return err
		}
	}
	return nil
}

// expire moves on the cases whose deadline is over, in order.
func (k *Keeper) expire(ctx context.Context) error {
	var late []uint64
	until := new(collections.Range[dueKey]).EndExclusive(collections.Join(blockTime(ctx)+1, uint64(0)))
	err := k.due.Walk(ctx, until, func(key dueKey) (bool, error) {
		late = append(late, key.K2())
		return len(late) == deadlinesPerBlock, nil
	})
	if err != nil {
		return err
	}
	for _, id := range late {
		h, err := k.hear(ctx, id)
		if err != nil {
			return err
		}
		e, err := h.Expire(h.bench)
		if err != nil {
			return fmt.Errorf("deadline of case %d: %w", id, err)
		}
		if err := k.conclude(ctx, h, e); err != nil {
			return err
		}
	}
	return nil
}

// payUnbondings pays auditors' bonds that are due, in order of their time.
func (k *Keeper) payUnbondings(ctx context.Context) error {
	var due []auditv1.Unbonding
	until := new(collections.Range[timedKey]).EndExclusive(collections.Join(blockTime(ctx)+1, ""))
	err := k.unbondings.Walk(ctx, until, func(_ timedKey, u auditv1.Unbonding) (bool, error) {
		due = append(due, u)
		return len(due) == payPerBlock, nil
	})
	if err != nil {
		return err
	}
	for _, u := range due {
		if err := errors.Join(k.removeUnbonding(ctx, u), k.pay(ctx, u.Auditor, bondDenom, u.Amount)); err != nil {
			return err
		}
		if err := emit(ctx, &auditv1.EventAuditorUnbonded{Auditor: u.Auditor, Amount: u.Amount}); err != nil {
			return err
		}
	}
	return nil
}
