// Package bench is an auditor's seat in court: it shows its own accusations to
// the committee, recomputes what it is drawn to judge, commits to what it found,
// reveals it after the accused has opened, and plays the bisection game where
// the receipt says otherwise.
//
// What it commits to is on disk before the commitment leaves, so that it can be
// revealed after any crash; all else the ledger knows.
package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cosmos/gogoproto/proto"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/mechanism/bisection"
	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/internal/proof"
	"github.com/koinon/koinon/internal/proof/party"
	"github.com/koinon/koinon/receipt"
)

// Ledger is the court as an auditor sees it.
type Ledger interface {
	// Address is the account that signs.
	Address() string
	// Cases lists the open cases in which an account has a part.
	Cases(ctx context.Context, address string) ([]auditv1.Case, error)
	// Sealed is what the accuser of a case sealed to the committee.
	Sealed(ctx context.Context, id uint64) ([]byte, error)
	// Answered are the tokens of an answer to an epoch challenge.
	Answered(ctx context.Context, statement receipt.Receipt) ([]int32, error)
	// Recipient is the age recipient of an auditor.
	Recipient(ctx context.Context, auditor string) (string, error)
	// Send signs one transaction and returns when it is in a block.
	Send(ctx context.Context, msgs ...proto.Message) error
}

// Ballot is what an auditor committed to, and the salt that hides it.
type Ballot struct {
	Vote court.Vote
	Salt receipt.Digest
}

// Store keeps ballots, and the transcripts of the auditor's own accusations.
type Store interface {
	// Ballot is what was kept for a stage of a case; false if nothing was.
	Ballot(ctx context.Context, id uint64, stage uint32) (Ballot, bool, error)
	// KeepBallot is on disk when it returns. The first ballot of a stage counts.
	KeepBallot(ctx context.Context, id uint64, stage uint32, b Ballot) error
	// Transcript is of an answer that this auditor bought; false if it has none.
	Transcript(ctx context.Context, r receipt.Receipt) (receipt.Transcript, bool, error)
}

// Judge recomputes answers. It is the honest way to vote; tests have others.
type Judge interface {
	// Vote is what the auditor finds at some steps of an answer. An error leaves
	// it to be tried again; what cannot be judged is a vote with a reason.
	Vote(ctx context.Context, r receipt.Receipt, t receipt.Transcript, steps []uint64) (court.Vote, error)
	// Answer computes an answer of the exact class again, to play about it.
	Answer(ctx context.Context, r receipt.Receipt, t receipt.Transcript) (*party.Answer, error)
}

// Bench sits for one auditor. Create it with [New]. It is not safe for
// concurrent use.
type Bench struct {
	ledger  Ledger
	store   Store
	judge   Judge
	key     Identity
	log     *slog.Logger
	answers map[uint64]*party.Answer // of open games
}

// New is a bench. The key reads what is sealed to this auditor.
func New(l Ledger, s Store, j Judge, key Identity, log *slog.Logger) *Bench {
	return &Bench{ledger: l, store: s, judge: j, key: key, log: log, answers: map[uint64]*party.Answer{}}
}

// Step does everything in court that is this auditor's turn now. One case that
// fails keeps no other from going on.
func (b *Bench) Step(ctx context.Context) error {
	cases, err := b.ledger.Cases(ctx, b.ledger.Address())
	if err != nil {
		return fmt.Errorf("asking for cases: %w", err)
	}
	open := map[uint64]bool{}
	var failed []error
	for _, c := range cases {
		open[c.Id] = true
		if err := b.turn(ctx, &c); err != nil {
			failed = append(failed, fmt.Errorf("case %d, %s: %w", c.Id, court.State(c.State), err))
		}
	}
	for id := range b.answers {
		if !open[id] {
			delete(b.answers, id)
		}
	}
	return errors.Join(failed...)
}

// turn is one case.
func (b *Bench) turn(ctx context.Context, c *auditv1.Case) error {
	self := b.ledger.Address()
	seat := seatOf(c, self)
	switch c.State {
	case auditv1.CaseState_CASE_STATE_SEALING:
		if c.Accuser == self {
			return b.seal(ctx, c)
		}
	case auditv1.CaseState_CASE_STATE_COMMITTING:
		if seat != nil && len(seat.Commitment) == 0 {
			return b.commit(ctx, c)
		}
	case auditv1.CaseState_CASE_STATE_REVEALING:
		if seat != nil && seat.Vote == nil && len(seat.Commitment) > 0 {
			return b.reveal(ctx, c)
		}
	case auditv1.CaseState_CASE_STATE_PLAYING:
		if !c.AccusedTurn && len(c.Challengers) > 0 && c.Challengers[0] == self {
			return b.play(ctx, c)
		}
	}
	return nil
}

func seatOf(c *auditv1.Case, auditor string) *auditv1.Seat {
	for i := range c.Seats {
		if c.Seats[i].Auditor == auditor {
			return &c.Seats[i]
		}
	}
	return nil
}

// seal shows prompt and answer to the committee of a case that this auditor
// opened.
func (b *Bench) seal(ctx context.Context, c *auditv1.Case) error {
	r, err := receipt.Decode(c.Receipt)
	if err != nil {
		return err
	}
	t, ok, err := b.store.Transcript(ctx, r)
	switch {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("the transcript of receipt %s is not here: the case will be dismissed", r.Hash().Hex())
	}
	var recipients []string
	for _, s := range c.Seats {
		to, err := b.ledger.Recipient(ctx, s.Auditor)
		if err != nil {
			return fmt.Errorf("the key of %s: %w", s.Auditor, err)
		}
		recipients = append(recipients, to)
	}
	sealed, err := Seal(t, recipients)
	if err != nil {
		return err
	}
	return b.ledger.Send(ctx, &auditv1.MsgSeal{Accuser: c.Accuser, CaseId: c.Id, Ciphertext: sealed})
}

// commit recomputes and binds this auditor to what it found. A ballot that is on
// disk already is the one: the commitment to it may be on its way.
func (b *Bench) commit(ctx context.Context, c *auditv1.Case) error {
	ballot, ok, err := b.store.Ballot(ctx, c.Id, c.Stage)
	if err != nil {
		return err
	}
	if !ok {
		if ballot, err = b.vote(ctx, c); err != nil {
			return err
		}
		if err := b.store.KeepBallot(ctx, c.Id, c.Stage, ballot); err != nil {
			return err
		}
	}
	self := b.ledger.Address()
	commitment := court.Commitment(c.Id, int(c.Stage), self, ballot.Vote, ballot.Salt)
	return b.ledger.Send(ctx, &auditv1.MsgCommit{Auditor: self, CaseId: c.Id, Commitment: commitment[:]})
}

func (b *Bench) vote(ctx context.Context, c *auditv1.Case) (Ballot, error) {
	var ballot Ballot
	if _, err := rand.Read(ballot.Salt[:]); err != nil {
		return ballot, fmt.Errorf("drawing a salt: %w", err)
	}
	r, t, err := b.sealed(ctx, c)
	if errors.Is(err, ErrSealed) {
		b.log.Warn("what was sealed cannot be read: voting so", "case", c.Id, "error", err)
		ballot.Vote.Reason = court.Unreadable
		return ballot, nil
	}
	if err != nil {
		return ballot, err
	}
	ballot.Vote, err = b.judge.Vote(ctx, r, t, c.Positions)
	return ballot, err
}

// sealed is the case's answer, as the accuser has shown it. Refusal: [ErrSealed]
// if it is not that of the receipt.
func (b *Bench) sealed(ctx context.Context, c *auditv1.Case) (r receipt.Receipt, t receipt.Transcript, err error) {
	if r, err = receipt.Decode(c.Receipt); err != nil {
		return r, t, err
	}
	if t, err = b.opened(ctx, c, r); err != nil {
		return r, t, err
	}
	if err := proof.Belongs(r, t); err != nil {
		return r, t, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	return r, t, nil
}

// opened is what was sealed; of the statistical class, answers to epoch challenges
// are on the ledger in clear.
func (b *Bench) opened(ctx context.Context, c *auditv1.Case, r receipt.Receipt) (receipt.Transcript, error) {
	if _, public := proof.Challenged(r); public && !c.Exact {
		tokens, err := b.ledger.Answered(ctx, r)
		if err != nil {
			return receipt.Transcript{}, fmt.Errorf("asking for an answer to an epoch challenge: %w", err)
		}
		return receipt.Transcript{Output: tokens}, nil
	}
	data, err := b.ledger.Sealed(ctx, c.Id)
	if err != nil {
		return receipt.Transcript{}, fmt.Errorf("asking for what was sealed: %w", err)
	}
	return b.key.Open(data)
}

func (b *Bench) reveal(ctx context.Context, c *auditv1.Case) error {
	ballot, ok, err := b.store.Ballot(ctx, c.Id, c.Stage)
	switch {
	case err != nil:
		return err
	case !ok:
		return errors.New("this auditor committed from another home: its ballot is not here")
	}
	v := ballot.Vote
	wire := auditv1.Vote{Reason: auditv1.Reason(v.Reason), Scores: v.Scores}
	if v.Root != (receipt.Digest{}) {
		wire.Root = v.Root[:]
	}
	for _, leaf := range v.Leaves {
		wire.Leaves = append(wire.Leaves, leaf[:])
	}
	return b.ledger.Send(ctx, &auditv1.MsgReveal{Auditor: b.ledger.Address(), CaseId: c.Id, Vote: wire, Salt: ballot.Salt[:]})
}

// play finds the challenger's next move. An accuser that plays has the
// transcript itself.
func (b *Bench) play(ctx context.Context, c *auditv1.Case) error {
	a := b.answers[c.Id]
	if a == nil {
		r, t, err := b.shown(ctx, c)
		if err != nil {
			return err
		}
		if a, err = b.judge.Answer(ctx, r, t); err != nil {
			return err
		}
		b.answers[c.Id] = a
	}
	move, err := a.Move(c.Game, bisection.Challenger)
	if err != nil {
		return err
	}
	return b.ledger.Send(ctx, &auditv1.MsgPlay{Player: b.ledger.Address(), CaseId: c.Id, Move: move})
}

func (b *Bench) shown(ctx context.Context, c *auditv1.Case) (receipt.Receipt, receipt.Transcript, error) {
	if c.Accuser != b.ledger.Address() {
		return b.sealed(ctx, c)
	}
	r, err := receipt.Decode(c.Receipt)
	if err != nil {
		return r, receipt.Transcript{}, err
	}
	t, ok, err := b.store.Transcript(ctx, r)
	if err == nil && !ok {
		err = fmt.Errorf("the transcript of receipt %s is not here", r.Hash().Hex())
	}
	return r, t, err
}
