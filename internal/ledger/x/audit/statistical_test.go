package audit_test

import (
	"context"
	"testing"
	"time"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	curationv1 "github.com/koinon/koinon/api/koinon/curation/v1"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/receipt"
)

// Three auditors who agree clear an answer of the statistical class, or raise
// suspicion; they never convict. Scores feed the provider's record once.
func TestStatisticalCases(t *testing.T) {
	w := newWorld(t)
	r := w.answer(receipt.Statistical, nil)
	refuse(t, "no profile", w.Send(carol, w.dispute(r)), court.ErrFiling)
	w.Govern(&auditv1.MsgSetProfile{Authority: w.Authority(), Profile: auditv1.Profile{
		ModelDigest: ledgertest.Digest("statistical"), Mean: 50_000, Bet: 19_000_000, Tolerance: 20, Slashable: true}})
	c := w.open(r)
	if len(c.Seats) != 3 {
		t.Fatalf("%d seats", len(c.Seats))
	}
	score := func(x uint32) func(int) court.Vote {
		return func(seat int) court.Vote {
			return court.Vote{Scores: []uint32{x, x, x + uint32(seat), x}}
		}
	}
	w.vote(c, score(100))
	w.Block(20 * time.Second)
	if got := w.get(c.Id); got.Outcome != auditv1.Outcome_OUTCOME_CLEARED {
		t.Errorf("%v", got.Outcome)
	}
	if rec := w.record(peter.Address).Record; rec.Watch.Scores != 1 || rec.Guilt.Scores != 0 {
		t.Errorf("%+v", rec)
	}
	var got auditv1.Case
	for i := range 4 { // one answer proves nothing
		c = w.open(w.answer(receipt.Statistical, func(r *receipt.Receipt) { r.Grant = receipt.Sum([]byte{byte(i)}) }))
		w.vote(c, score(9_000))
		if got = w.get(c.Id); got.Stage == 1 {
			break
		}
		w.Block(20 * time.Second)
	}
	if got.State != auditv1.CaseState_CASE_STATE_DRAWING || got.Stage != 1 || !w.record(peter.Address).Record.Withheld {
		t.Fatalf("%v at stage %d", got.State, got.Stage)
	}
	w.Block(time.Second) // there are no 21 auditors
	w.Block(20 * time.Second)
	if got := w.get(c.Id); got.Outcome != auditv1.Outcome_OUTCOME_VOID || w.provider().Bond != bond {
		t.Errorf("%v, bond %d", got.Outcome, w.provider().Bond)
	}
}

// Suspicion of three brings twenty-one, and what they find convicts: bond, signals
// on the provider, and all that it has not been paid.
func TestTwentyOneConvictByScores(t *testing.T) {
	w := newWorld(t)
	for _, a := range crowd {
		w.Must(a, &auditv1.MsgRegisterAuditor{Auditor: a.Address, Bond: bond, AgeRecipient: "age1" + a.Name, VrfKey: a.Public()})
	}
	w.Govern(&auditv1.MsgSetProfile{Authority: w.Authority(), Profile: auditv1.Profile{
		ModelDigest: ledgertest.Digest("statistical"), Mean: 1_000, Bet: 999_000_000, Tolerance: 20, Slashable: true}})
	w.Must(olga, &curationv1.MsgSignal{Curator: olga.Address, Listing: "provider/" + peter.Address, Amount: 50_000_000})
	w.earn(1_000)
	victim, finder := w.Balance(alice.Address, "ukoin"), w.Balance(carol.Address, "ukoin")
	high := func(int) court.Vote { return court.Vote{Scores: []uint32{9_000, 9_000, 9_000, 9_000}} }
	var c auditv1.Case
	for i := range 4 { // the first arouses suspicion, and no other convicts alone
		c = w.open(w.answer(receipt.Statistical, func(r *receipt.Receipt) { r.Grant = receipt.Sum([]byte{byte(i)}) }))
		w.vote(c, high)
		if got := w.get(c.Id); i > 0 && (got.Stage != 1 || !w.record(peter.Address).Record.Withheld) || i == 0 && got.Stage != 0 {
			t.Fatalf("case %d: %v at stage %d", i, got.State, got.Stage)
		}
		if i > 0 {
			w.Block(time.Second)
			w.Must(carol, &auditv1.MsgSeal{Accuser: carol.Address, CaseId: c.Id, Ciphertext: []byte("to the committee")})
			if c = w.get(c.Id); len(c.Seats) != 21 {
				t.Fatalf("%d seats", len(c.Seats))
			}
			w.vote(c, high)
		}
		w.Block(20 * time.Second)
	}
	if got := w.get(c.Id); got.Outcome != auditv1.Outcome_OUTCOME_CONVICTED || got.State != auditv1.CaseState_CASE_STATE_CLOSED {
		t.Fatalf("%v, %v", got.Outcome, got.State)
	}
	r, err := auditv1.NewQueryClient(w.Conn()).Convictions(context.Background(), &auditv1.QueryConvictionsRequest{Convict: peter.Address})
	if err != nil || len(r.Convictions) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	v := r.Convictions[0]
	if v.Fine != bond*3/10 || v.Forfeited != 700 || v.Signals == 0 {
		t.Errorf("%+v", v)
	}
	lost := v.Fine + v.Signals
	if a, b := w.Balance(alice.Address, "ukoin")-victim, w.Balance(carol.Address, "ukoin")-finder; a != lost*3/10 || b != lost*2/10 {
		t.Errorf("of %d ukoin the victim got %d, the finder %d", lost, a, b)
	}
}
