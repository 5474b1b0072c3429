package audit_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"slices"
	"testing"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/audit"
	"github.com/koinon/koinon/internal/ledger/x/provider"
	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/receipt"
)

// An honest provider is cleared, its auditor paid, and the accuser's bond lost to
// it and the fund.
func TestTheHonestAreCleared(t *testing.T) {
	w := newWorld(t)
	r := w.answer(receipt.Exact, nil)
	before := w.Balance(peter.Address, "ucredit")
	c := w.open(r)
	refuse(t, "a second case", w.Send(carol, w.dispute(r)), audit.ErrDisputed)
	auditor := named(c.Seats[0].Auditor)
	earned := w.Balance(auditor.Address, "ucredit")
	w.vote(c, func(int) court.Vote { return rerun(c) })
	if got := w.get(c.Id); got.State != auditv1.CaseState_CASE_STATE_UNMASKING || got.Outcome != auditv1.Outcome_OUTCOME_CLEARED {
		t.Fatalf("%v, %v", got.State, got.Outcome)
	}
	w.Block(20 * time.Second)
	got := w.get(c.Id)
	if got.State != auditv1.CaseState_CASE_STATE_CLOSED || got.Bond+got.Fees != 0 {
		t.Fatalf("%+v", got)
	}
	if gain := w.Balance(peter.Address, "ucredit") - before; gain != params().DisputeBond/2 {
		t.Errorf("the accused got %d for its trouble", gain)
	}
	if gain := w.Balance(auditor.Address, "ucredit") - earned; gain != params().BaseFee {
		t.Errorf("the auditor got %d", gain)
	}
	if rec := w.record(peter.Address); rec.Record.Clean != 1 || rec.Rate >= court.Million {
		t.Errorf("%+v", rec)
	}
	if p := w.provider(); p.Bond != bond || p.Status != providerv1.Status_STATUS_ACTIVE {
		t.Errorf("%+v", p)
	}
}

// Who does not open its leaves is convicted: bond, earnings and liberty; the
// victim, the finder and the fire share. Then it may come back, once.
func TestSilenceIsNoDefence(t *testing.T) {
	w := newWorld(t)
	w.earn(1_000)
	c := w.open(w.answer(receipt.Exact, nil))
	commitment := court.Commitment(c.Id, 0, c.Seats[0].Auditor, rerun(c), salt)
	w.Must(named(c.Seats[0].Auditor), &auditv1.MsgCommit{Auditor: c.Seats[0].Auditor, CaseId: c.Id, Commitment: commitment[:]})
	victim, finder := w.Balance(alice.Address, "ukoin"), w.Balance(carol.Address, "ukoin")
	credit := w.Balance(alice.Address, "ucredit")
	w.Block(61 * time.Second)
	if p := w.provider(); p.Bond != bond {
		t.Fatal("slashed before the case is closed")
	}
	w.Block(20 * time.Second)
	p := w.provider()
	if p.Bond != bond*7/10 || p.Status != providerv1.Status_STATUS_JAILED || p.JailedUntil == 0 || p.Tombstoned {
		t.Fatalf("%+v", p)
	}
	if v, f := w.Balance(alice.Address, "ukoin")-victim, w.Balance(carol.Address, "ukoin")-finder; v != bond*3/10*3/10 || f != bond*3/10*2/10 {
		t.Errorf("victim %d, finder %d", v, f)
	}
	if got := w.Balance(alice.Address, "ucredit") - credit; got != 700*3/10 {
		t.Errorf("the victim got %d of what was forfeit", got)
	}
	if got := w.Balance(peter.Address, "ucredit"); got != ledgertest.Credit {
		t.Errorf("the convict was paid: %d", got)
	}
	refuse(t, "early", w.Send(peter, &providerv1.MsgUnjail{Provider: peter.Address}), provider.ErrStillIn)
	w.Block(8 * 24 * time.Hour)
	w.Must(peter, &providerv1.MsgUnjail{Provider: peter.Address})
	refuse(t, "twice", w.Send(peter, &providerv1.MsgUnjail{Provider: peter.Address}), provider.ErrNotJailed)

	// Fraud again: everything, and for good.
	a, b := w.answer(receipt.Exact, nil), w.answer(receipt.Exact, func(r *receipt.Receipt) { r.FinishReason = "length" })
	evidence := &auditv1.MsgReportEquivocation{Finder: carol.Address, First: a.Encode(), Second: b.Encode()}
	w.Must(carol, evidence)
	refuse(t, "one fact twice", w.Send(carol, evidence), audit.ErrConvicted)
	if p := w.provider(); p.Bond != 0 || !p.Tombstoned {
		t.Errorf("%+v", p)
	}
	w.Block(300 * 24 * time.Hour)
	refuse(t, "tombstoned", w.Send(peter, &providerv1.MsgUnjail{Provider: peter.Address}), provider.ErrTombstoned)
}

// A closed case is forgotten after its time; what it decided is not, and it cannot
// be opened again: the answer is too old then to be disputed.
func TestClosedCasesAreForgotten(t *testing.T) {
	w := newWorld(t)
	r := w.answer(receipt.Exact, nil)
	c := w.open(r)
	w.vote(c, func(int) court.Vote { return rerun(c) })
	w.Block(20 * time.Second)
	w.Block(time.Duration(params().KeepSeconds-60) * time.Second)
	if got := w.get(c.Id); got.State != auditv1.CaseState_CASE_STATE_CLOSED {
		t.Fatalf("%v", got.State)
	}
	w.Block(2 * minute * time.Second)
	if list := w.cases(); len(list) != 0 {
		t.Errorf("%d cases are remembered", len(list))
	}
	if rec := w.record(peter.Address).Record; rec.Clean != 1 || rec.Outcomes[court.Cleared] != 1 {
		t.Errorf("%+v", rec)
	}
	refuse(t, "forgotten", w.Send(carol, w.dispute(r)), court.ErrFiling)
}

// Absent auditors pay, and a ledger that restarts in the middle of a case goes on
// with it.
func TestRestartsInTheMiddleOfACase(t *testing.T) {
	w := newWorld(t)
	c := w.open(w.answer(receipt.Exact, nil))
	first := w.Export()
	w.Ledger = w.Restart(nil)
	second := w.Export()
	if string(first["audit"]) != string(second["audit"]) {
		t.Errorf("%s\nbecame\n%s", first["audit"], second["audit"])
	}
	w.Block(61 * time.Second) // nobody commits: a larger committee
	if got := w.get(c.Id); got.Stage != 1 || !slices.Equal(got.Sat, []string{c.Seats[0].Auditor}) {
		t.Fatalf("stage %d, %v", got.Stage, got.Sat)
	}
	a, err := auditv1.NewQueryClient(w.Conn()).Auditor(context.Background(), &auditv1.QueryAuditorRequest{Address: c.Seats[0].Auditor})
	if err != nil {
		t.Fatal(err)
	}
	if a.Auditor.Bond != bond*99/100 || !a.Auditor.Jailed {
		t.Errorf("%+v", a.Auditor)
	}
}

func TestRefusedEvidence(t *testing.T) {
	w := newWorld(t)
	r := w.answer(receipt.Exact, nil)
	stolen := r
	_, key, _ := ed25519.GenerateKey(nil)
	stolen = stolen.Sign(key)
	for name, c := range map[string]struct {
		msg  sdk.Msg
		want error
	}{
		"no receipt":        {&auditv1.MsgOpenDispute{Accuser: carol.Address, Receipt: []byte("x")}, receipt.ErrDecode},
		"another's key":     {w.dispute(stolen), audit.ErrReceipt},
		"another chain":     {w.dispute(w.answer(receipt.Exact, func(r *receipt.Receipt) { r.ChainID = "other" })), audit.ErrReceipt},
		"an empty answer":   {w.dispute(w.answer(receipt.Exact, func(r *receipt.Receipt) { r.CompletionTokens = 0 })), audit.ErrReceipt},
		"the same twice":    {&auditv1.MsgReportEquivocation{Finder: carol.Address, First: r.Encode(), Second: r.Encode()}, receipt.ErrNoEquivocation},
		"counted rightly":   {&auditv1.MsgReportOverCount{Finder: carol.Address, Receipt: r.Encode()}, receipt.ErrNotOverCounted},
		"no such case":      {&auditv1.MsgSeal{Accuser: carol.Address, CaseId: 99, Ciphertext: []byte("x")}, audit.ErrNotFound},
		"a profile by hand": {&auditv1.MsgSetProfile{Authority: carol.Address}, audit.ErrAuthority},
	} {
		if err := w.Handle(c.msg); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	// Over-counting convicts itself.
	long := w.answer(receipt.Exact, func(r *receipt.Receipt) { r.CompletionTokens = steps + 1 })
	proof, err := receipt.ProveCount(make([]int32, steps))
	if err != nil {
		t.Fatal(err)
	}
	w.Must(carol, &auditv1.MsgReportOverCount{Finder: carol.Address, Receipt: long.Encode(),
		Answer: &auditv1.CountProof{State: proof.State[:], Tail: proof.Tail, Count: proof.Count}})
	if p := w.provider(); p.Bond != bond*9/10 {
		t.Errorf("%+v", p)
	}
}

// Who contradicts the receipt plays with the accused; who misses a turn has lost.
func TestGamesHaveDeadlines(t *testing.T) {
	w := newWorld(t)
	c := w.open(w.answer(receipt.Exact, nil))
	w.vote(c, func(int) court.Vote {
		v := rerun(c)
		v.Root = receipt.Sum([]byte("another run"))
		return v
	})
	got := w.get(c.Id)
	if got.State != auditv1.CaseState_CASE_STATE_PLAYING || !got.AccusedTurn || len(got.Game) == 0 {
		t.Fatalf("%v", got.State)
	}
	challenger := named(c.Seats[0].Auditor)
	refuse(t, "out of turn", w.Send(challenger, &auditv1.MsgPlay{Player: challenger.Address, CaseId: c.Id, Move: []byte{2, 0}}), court.ErrNotYours)
	refuse(t, "no move", w.Send(peter, &auditv1.MsgPlay{Player: peter.Address, CaseId: c.Id, Move: []byte{99}}), audit.ErrGame)
	w.Block(61 * time.Second)
	w.Block(20 * time.Second)
	if got := w.get(c.Id); got.Outcome != auditv1.Outcome_OUTCOME_CONVICTED || w.provider().Bond != bond*7/10 || len(got.Game) != 0 {
		t.Errorf("%v, bond %d", got.Outcome, w.provider().Bond)
	}
}
