package audit_test

import (
	"context"
	"testing"
	"time"

	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519/extra/ecvrf"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/audit"
	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/receipt"
)

// A planted case convicts nobody but who passed it.
func TestPlantedCases(t *testing.T) {
	w := newWorld(t)
	r := w.answer(receipt.Exact, func(r *receipt.Receipt) { r.Payer = carol.Address })
	dan := auditors[3]
	commitment := court.PlantCommitment(r.Hash(), false, salt)
	refuse(t, "a stranger's plant", w.Send(auditors[0], &auditv1.MsgPlant{Planter: auditors[0].Address, Commitment: commitment[:]}), audit.ErrPlanter)
	w.Must(dan, &auditv1.MsgPlant{Planter: dan.Address, Commitment: commitment[:]})
	c := w.open(r)
	w.vote(c, func(int) court.Vote { return rerun(c) }) // passes what is known to be bad
	refuse(t, "another story", w.Send(dan, &auditv1.MsgUnmask{Planter: dan.Address, CaseId: c.Id, Good: true, Salt: salt[:]}), audit.ErrPlant)
	w.Must(dan, &auditv1.MsgUnmask{Planter: dan.Address, CaseId: c.Id, Good: false, Salt: salt[:]})
	lazy, err := auditv1.NewQueryClient(w.Conn()).Auditor(context.Background(), &auditv1.QueryAuditorRequest{Address: c.Seats[0].Auditor})
	if err != nil {
		t.Fatal(err)
	}
	if lazy.Auditor.Bond != bond*7/10 || !lazy.Auditor.Jailed || w.provider().Bond != bond {
		t.Errorf("%+v", lazy.Auditor)
	}
	if got := w.get(c.Id); got.Outcome != auditv1.Outcome_OUTCOME_PLANTED || got.State != auditv1.CaseState_CASE_STATE_CLOSED {
		t.Errorf("%v", got.Outcome)
	}
}

// An auditor is paid for buying from whom its VRF drew, once, and nobody else is.
func TestMysteryAudits(t *testing.T) {
	w := newWorld(t)
	w.Block(1_000_001 * time.Second)
	r, err := auditv1.NewQueryClient(w.Conn()).Epoch(context.Background(), &auditv1.QueryEpochRequest{})
	if err != nil || r.Epoch.Number != 2 || r.Epoch.Auditors != 4 || r.Epoch.Budget != 5_000_000 {
		t.Fatalf("%+v, %v", r, err)
	}
	ada := auditors[0]
	proof := ecvrf.Prove(voi.PrivateKey(ada.GrantKey), audit.MysteryInput(receipt.Digest(r.Epoch.Randomness)))
	answer := w.answer(receipt.Exact, func(r *receipt.Receipt) { r.Payer = ada.Address })
	report := func(a ledgertest.Account, change func(*auditv1.MsgReport)) *auditv1.MsgReport {
		msg := &auditv1.MsgReport{Auditor: a.Address, Epoch: 2, VrfProof: proof, Receipt: answer.Encode(), Agrees: true}
		if change != nil {
			change(msg)
		}
		return msg
	}
	old := w.answer(receipt.Exact, func(r *receipt.Receipt) { r.Started, r.FirstToken, r.Finished = 1, 1, 1 })
	refuse(t, "another's proof", w.Send(auditors[1], report(auditors[1], nil)), audit.ErrNotDrawn)
	refuse(t, "no auditor", w.Send(carol, report(carol, nil)), audit.ErrNotFound)
	refuse(t, "a later epoch", w.Send(ada, report(ada, func(m *auditv1.MsgReport) { m.Epoch = 3 })), audit.ErrEpoch)
	refuse(t, "an old answer", w.Send(ada, report(ada, func(m *auditv1.MsgReport) { m.Receipt = old.Encode() })), audit.ErrEpoch)
	before := w.Balance(ada.Address, "ucredit")
	w.Must(ada, report(ada, nil))
	if paid := w.Balance(ada.Address, "ucredit") - before; paid != params().BaseFee {
		t.Errorf("paid %d", paid)
	}
	if rec := w.record(peter.Address); rec.Record.Clean != 1 || rec.Record.EpochRate != court.Million {
		t.Errorf("%+v", rec)
	}
	refuse(t, "twice", w.Send(ada, report(ada, nil)), audit.ErrReported)

	// Who was drawn and has reported escalates, without a bond; nobody else does.
	escalate := func(a ledgertest.Account) *auditv1.MsgOpenDispute {
		return &auditv1.MsgOpenDispute{Accuser: a.Address, Receipt: answer.Encode(), Escalates: true}
	}
	refuse(t, "not drawn", w.Send(auditors[1], escalate(auditors[1])), audit.ErrNotDrawn)
	before = w.Balance(ada.Address, "ucredit")
	w.Must(ada, escalate(ada))
	if c := w.get(0); c.Bond != 0 || c.Accuser != ada.Address || w.Balance(ada.Address, "ucredit") != before {
		t.Errorf("%+v", c)
	}
	w.Block(time.Second)
	if c := w.get(0); len(c.Seats) != 1 || c.Fees == 0 {
		t.Errorf("%+v", c)
	}
}
