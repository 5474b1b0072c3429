package court

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cosmos/gogoproto/proto"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/auditor/bench"
	"github.com/koinon/koinon/internal/mechanism/bisection"
	mechanism "github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/internal/mechanism/penalty"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/internal/provider/defend"
	"github.com/koinon/koinon/receipt"
)

var (
	_ bench.Ledger  = view{}
	_ defend.Ledger = view{}
)

// view is the ledger as one account sees it.
type view struct {
	w    *world
	self string
}

func (v view) Address() string { return v.self }

func (v view) Sealed(_ context.Context, id uint64) ([]byte, error) { return v.w.files[id].sealed, nil }

func (v view) Answered(context.Context, receipt.Receipt) ([]int32, error) {
	return nil, errors.New("answers of the statistical class are not asked for here")
}

func (v view) Recipient(_ context.Context, auditor string) (string, error) {
	return v.w.sitter(auditor).key.Recipient(), nil
}

// Cases are those in which an account has a part, as messages have them.
func (v view) Cases(_ context.Context, address string) ([]auditv1.Case, error) {
	var list []auditv1.Case
	for i := range v.w.cases {
		c := &v.w.cases[i]
		has := c.Provider == address || c.Accuser == address
		for _, s := range c.Seats {
			has = has || s.Auditor == address
		}
		if has && c.State != mechanism.Closed {
			list = append(list, v.w.message(c))
		}
	}
	return list, nil
}

// message is a case as the ledger's queries give it.
func (w *world) message(c *mechanism.Case) auditv1.Case {
	f := w.files[c.ID]
	m := auditv1.Case{
		Id: c.ID, State: auditv1.CaseState(c.State), Outcome: auditv1.Outcome(c.Outcome), Receipt: f.receipt.Encode(),
		Provider: c.Provider, Accuser: c.Accuser, Payer: c.Payer, Exact: c.Exact, Stage: uint32(c.Stage), Deadline: c.Deadline,
		Positions: c.Positions, Challengers: c.Challengers, AccusedTurn: c.AccusedTurn,
	}
	for _, s := range c.Seats {
		seat := auditv1.Seat{Auditor: s.Auditor}
		if s.Commitment != (receipt.Digest{}) {
			seat.Commitment = s.Commitment[:]
		}
		if s.Vote != nil {
			seat.Vote = &auditv1.Vote{}
		}
		m.Seats = append(m.Seats, seat)
	}
	for _, o := range c.Openings {
		m.Openings = append(m.Openings, o[:])
	}
	if f.game != nil {
		m.Game = f.game.Marshal()
	}
	return m
}

// bench is what the ledger knows now.
func (w *world) bench() mechanism.Bench {
	return mechanism.Bench{Params: w.params, Fund: w.fund, Now: w.now, Height: w.height}
}

// Send applies messages, each as the ledger's module does.
func (v view) Send(_ context.Context, msgs ...proto.Message) error {
	for _, m := range msgs {
		if err := v.w.apply(v.self, m); err != nil {
			return fmt.Errorf("%T: %w", m, err)
		}
	}
	return nil
}

func (w *world) apply(sender string, m proto.Message) error {
	switch m := m.(type) {
	case *auditv1.MsgOpenDispute:
		return w.open(m)
	case *auditv1.MsgSeal:
		w.files[m.CaseId].sealed = m.Ciphertext
		return w.on(m.CaseId, func(c *mechanism.Case, b mechanism.Bench) (mechanism.Effects, error) {
			return mechanism.Effects{}, c.Seal(b, sender)
		})
	case *auditv1.MsgCommit:
		return w.on(m.CaseId, func(c *mechanism.Case, b mechanism.Bench) (mechanism.Effects, error) {
			return mechanism.Effects{}, c.Commit(b, sender, receipt.Digest(m.Commitment))
		})
	case *auditv1.MsgOpenLeaves:
		return w.on(m.CaseId, func(c *mechanism.Case, b mechanism.Bench) (mechanism.Effects, error) {
			var leaves []mechanism.Leaf
			for _, o := range m.Openings {
				l := mechanism.Leaf{Token: int32(o.Token), Logits: receipt.Digest(o.Logits), Fold: receipt.Digest(o.Fold)}
				for _, node := range o.Path {
					l.Path = append(l.Path, receipt.Digest(node))
				}
				leaves = append(leaves, l)
			}
			return mechanism.Effects{}, c.OpenLeaves(b, sender, leaves)
		})
	case *auditv1.MsgReveal:
		return w.on(m.CaseId, func(c *mechanism.Case, b mechanism.Bench) (mechanism.Effects, error) {
			vote := mechanism.Vote{Reason: mechanism.Reason(m.Vote.Reason), Scores: m.Vote.Scores}
			if len(m.Vote.Root) > 0 {
				vote.Root = receipt.Digest(m.Vote.Root)
			}
			for _, leaf := range m.Vote.Leaves {
				vote.Leaves = append(vote.Leaves, receipt.Digest(leaf))
			}
			return c.Reveal(b, sender, vote, receipt.Digest(m.Salt))
		})
	case *auditv1.MsgPlay:
		return w.play(sender, m)
	}
	return fmt.Errorf("%T is no message of this world", m)
}

func (w *world) open(m *auditv1.MsgOpenDispute) error {
	r, err := receipt.Decode(m.Receipt)
	if err != nil {
		return err
	}
	if w.credit[m.Accuser] < w.params.DisputeBond {
		return fmt.Errorf("%s cannot pay the bond of %d", m.Accuser, w.params.DisputeBond)
	}
	c, err := mechanism.Open(w.bench(), uint64(len(w.cases))+1, mechanism.Filing{
		Receipt: r.Hash(), Root: r.Commitment, Steps: r.CompletionTokens, First: uint64(r.Sampling.Resumed), Ended: referee.Disputable(r), Cost: r.Cost,
		Provider: r.Provider, Accuser: m.Accuser, Payer: r.Payer, Exact: true,
		Claimed: receipt.Digest(m.ClaimedRoot),
	})
	if err != nil {
		return err
	}
	w.credit[m.Accuser] -= w.params.DisputeBond
	w.cases, w.files[c.ID] = append(w.cases, c), &file{receipt: r}
	return nil
}

// play makes a move in the game of a case.
func (w *world) play(sender string, m *auditv1.MsgPlay) error {
	return w.on(m.CaseId, func(c *mechanism.Case, b mechanism.Bench) (e mechanism.Effects, err error) {
		if err := c.MayPlay(b, sender); err != nil {
			return e, err
		}
		move, err := bisection.ParseMove(m.Move)
		if err != nil {
			return e, err
		}
		game := w.files[c.ID].game
		if err := game.Play(move); err != nil {
			return e, err
		}
		if winner, over := game.Winner(); over {
			w.say("case %d: the referee decides for the %s", c.ID, winner)
			c.Won(b, winner == bisection.Accused)
		} else {
			c.Played(b, game.Turn() == bisection.Accused)
		}
		return e, nil
	})
}

// on changes a case and does what follows.
func (w *world) on(id uint64, change func(*mechanism.Case, mechanism.Bench) (mechanism.Effects, error)) error {
	c := &w.cases[id-1]
	before, outcome, challengers := c.State, c.Outcome, len(c.Challengers)
	e, err := change(c, w.bench())
	if err != nil {
		return err
	}
	w.settle(c, e)
	f := w.files[id]
	if c.State == mechanism.Playing && (before != mechanism.Playing || len(c.Challengers) != challengers) {
		game, err := bisection.Begin(f.receipt, models.bard.Rows.Root())
		if err != nil {
			return err
		}
		f.game = &game
		w.say("case %d: %s plays against %s", id, c.Challengers[0], c.Provider)
	} else if c.State != before {
		line := fmt.Sprintf("case %d, about %s: %s", id, c.Provider, c.State)
		if c.State == mechanism.Sealing {
			var names []string
			for _, s := range c.Seats {
				names = append(names, s.Auditor)
			}
			line += " to " + strings.Join(names, ", ")
		}
		if c.Outcome != outcome {
			line += ": " + c.Outcome.String()
		}
		w.say("%s", line)
	}
	return nil
}

// draws seats committees whose randomness has come.
func (w *world) draws() {
	for i := range w.cases {
		c := &w.cases[i]
		if c.State != mechanism.Drawing || w.height <= c.Height {
			continue
		}
		var candidates []mechanism.Candidate
		for _, s := range w.sitters {
			if s.sits() {
				candidates = append(candidates, mechanism.Candidate{Account: s.name, Bond: s.bond})
			}
		}
		w.must(w.on(c.ID, func(c *mechanism.Case, b mechanism.Bench) (mechanism.Effects, error) {
			return c.Draw(b, w.randomness(), candidates)
		}))
	}
}

// expire lets deadlines take effect.
func (w *world) expire() {
	for i := range w.cases {
		for c := &w.cases[i]; c.State != mechanism.Closed && w.now >= c.Deadline; {
			w.must(w.on(c.ID, func(c *mechanism.Case, b mechanism.Bench) (mechanism.Effects, error) { return c.Expire(b) }))
		}
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("seed %d: %v", w.seed, err)
	}
}

// settle does what a case's change asks of the ledger.
func (w *world) settle(c *mechanism.Case, e mechanism.Effects) {
	w.fund -= e.FromFund
	for _, p := range e.Payments {
		if p.To == "" {
			w.fund += p.Amount
		} else {
			w.credit[p.To] += p.Amount
		}
	}
	for _, convicted := range e.Convictions {
		w.convict(convicted)
	}
}

// convict punishes: a fine, earnings that have not matured, jail, or the end.
func (w *world) convict(c penalty.Conviction) {
	if s := w.seller(c.Provider); s != nil {
		sentence, record, err := penalty.Judge(w.penalty, c, w.now, s.record, s.bond)
		w.must(err)
		s.bond, s.record, s.clean = s.bond-sentence.Fine, record, 0
		s.jailed, s.out = w.now+sentence.Jail, s.out || sentence.Tombstone
		w.proceeds(c, sentence.Fine)
		var forfeited uint64
		for _, e := range s.maturing {
			forfeited += e.amount
		}
		s.maturing = nil
		d := penalty.Divide(w.penalty, c, forfeited)
		w.pay(c.Victim, d.Victim)
		w.pay(c.Finder, d.Finder)
		w.fund += d.Rest
		w.say("%s is convicted of %s: loses %d KOIN and $%d.%06d, jailed %d hours%s", s.name, c.Offence, sentence.Fine/1_000_000,
			forfeited/1_000_000, forfeited%1_000_000, sentence.Jail/3600, map[bool]string{true: ", out for good"}[s.out])
		return
	}
	s := w.sitter(c.Provider)
	sentence, record, err := penalty.Judge(w.penalty, c, w.now, s.record, s.bond)
	w.must(err)
	s.bond, s.record = s.bond-sentence.Fine, record
	s.jailed, s.out = w.now+sentence.Jail, s.out || sentence.Tombstone
	w.proceeds(c, sentence.Fine)
	w.say("%s is convicted of %s: loses %d KOIN", s.name, c.Offence, sentence.Fine/1_000_000)
}

func (w *world) proceeds(c penalty.Conviction, fine uint64) {
	d := penalty.Divide(w.penalty, c, fine)
	if c.Victim != "" {
		w.koin[c.Victim] += d.Victim
	}
	if c.Finder != "" {
		w.koin[c.Finder] += d.Finder
	}
	w.burnt += d.Rest
}

func (w *world) pay(to string, amount uint64) {
	if amount > 0 {
		w.credit[to] += amount
	}
}
