package challenge_test

import (
	"context"
	"slices"
	"testing"
	"time"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/audit"
	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/receipt"
)

// scored is an answer of the statistical class: two tokens, and what its engine said.
var scored = []receipt.Digest{{7}, {8}}

func scoredLeaves() (list []receipt.Digest) {
	for i, said := range scored {
		list = append(list, receipt.Leaf(uint64(i), int32(5+i), said, receipt.Digest{}))
	}
	return list
}

// Nobody accuses, and nobody asks whether answers are equal: of the statistical class,
// chance draws answers to an epoch challenge, and committees that the fund pays say
// how far each is from their own run. Two honest answers differ, and both stand; one
// that is far off counts against its provider alone.
func TestCommitteesScoreAnswersOfTheStatisticalClass(t *testing.T) {
	owner, judges := ledgertest.NewAccount("owner"), []ledgertest.Account{}
	for _, name := range []string{"judge-1", "judge-2", "judge-3"} {
		judges = append(judges, ledgertest.NewAccount(name))
	}
	near, far := ledgertest.NewAccount("near"), ledgertest.NewAccount("far")
	m := &market{T: t, model: ledgertest.Digest("statistical"), providers: []ledgertest.Account{near, far}}
	m.Ledger = ledgertest.New(t, slices.Concat([]ledgertest.Account{owner, near, far}, judges), func(c *app.GenesisConfig) {
		c.Challenge.EpochSeconds, c.Challenge.ScoredSteps, c.Challenge.ExamineMillionths = epoch, 2, 1_000_000
		p := audit.DefaultParams()
		p.UnmaskSeconds = 1
		c.Audit = &p
	})
	statistical := ledgertest.Version(owner, "statistical")
	statistical.Class, statistical.WeightsRoot = modelv1.VerificationClass_VERIFICATION_CLASS_STATISTICAL, ""
	m.Must(owner, statistical)
	m.Must(owner, &auditv1.MsgFund{Sender: owner.Address, Amount: 100_000_000})
	m.Govern(&auditv1.MsgSetProfile{Authority: m.Authority(), Profile: auditv1.Profile{
		ModelDigest: m.model, Mean: 10_000, Bet: 2_000_000, Tolerance: 50, Slashable: true,
	}})
	least := auditorBond(m)
	for _, j := range judges {
		m.Must(j, &auditv1.MsgRegisterAuditor{Auditor: j.Address, Bond: least, AgeRecipient: "age1" + j.Name, VrfKey: j.Public()})
	}
	for _, p := range m.providers {
		m.Must(p, ledgertest.Registration(p))
		m.Must(p, &providerv1.MsgSetOffer{Provider: p.Address, ModelDigest: m.model, InputPrice: 1, OutputPrice: 1, MaxContext: 512, Slots: 1})
	}
	root := receipt.MerkleRoot(scoredLeaves())
	c := m.until(challengev1.Stage_STAGE_COMMITTING)
	for _, p := range m.providers {
		m.Must(p, m.commitment(c, p, root))
	}
	c = m.until(challengev1.Stage_STAGE_REVEALING)
	for _, p := range m.providers {
		m.Must(p, m.answer(c, p, root, salt(p)))
	}
	m.until(challengev1.Stage_STAGE_DISPUTED)
	_, participants := m.state()
	for _, q := range participants {
		if q.Outcome != challengev1.Outcome_OUTCOME_EXAMINED {
			t.Fatalf("%s: %s", q.Provider, q.Outcome)
		}
	}
	m.Block(time.Second)
	for _, k := range m.court() {
		if k.State != auditv1.CaseState_CASE_STATE_COMMITTING || k.Bond > 0 || len(k.Seats) != 3 || k.Accuser != c.Payer {
			t.Fatalf("a case with nothing to seal: %+v", k)
		}
		m.judge(k, judges, map[string]uint32{near.Address: 40, far.Address: 9_000}[k.Provider])
	}
	for len(m.court()) > 0 {
		m.Block(time.Second)
	}
	query := auditv1.NewQueryClient(m.Conn())
	for p, want := range map[string]auditv1.Outcome{near.Address: auditv1.Outcome_OUTCOME_CLEARED, far.Address: auditv1.Outcome_OUTCOME_UNPROVEN} {
		r, err := query.Record(t.Context(), &auditv1.QueryRecordRequest{Address: p})
		if err != nil || r.Record.Watch.Scores != 1 || len(r.Record.Outcomes) <= int(want) || r.Record.Outcomes[want] != 1 {
			t.Errorf("%s: %+v, %v", p, r.GetRecord(), err)
		}
	}
	_, participants = m.state()
	i := slices.IndexFunc(participants, func(q challengev1.Participant) bool { return q.Provider == near.Address })
	if got := participants[i].Outcome; got != challengev1.Outcome_OUTCOME_UPHELD {
		t.Errorf("who was cleared: %s", got)
	}
}

func auditorBond(m *market) uint64 {
	r, err := auditv1.NewQueryClient(m.Conn()).Params(context.Background(), &auditv1.QueryParamsRequest{})
	if err != nil {
		m.Fatal(err)
	}
	return r.Params.MinBond
}

// court are the open cases.
func (m *market) court() []auditv1.Case {
	r, err := auditv1.NewQueryClient(m.Conn()).Cases(context.Background(), &auditv1.QueryCasesRequest{})
	if err != nil {
		m.Fatal(err)
	}
	return slices.DeleteFunc(r.Cases, func(c auditv1.Case) bool { return c.State == auditv1.CaseState_CASE_STATE_CLOSED })
}

// judge has a committee find the same score of every token, and the end.
func (m *market) judge(c auditv1.Case, judges []ledgertest.Account, score uint32) {
	m.Helper()
	vote := court.Vote{Scores: slices.Repeat([]uint32{score}, len(c.Positions))}
	hidden := receipt.Sum([]byte("salt"))
	for _, j := range judges {
		d := court.Commitment(c.Id, int(c.Stage), j.Address, vote, hidden)
		m.Must(j, &auditv1.MsgCommit{Auditor: j.Address, CaseId: c.Id, Commitment: d[:]})
	}
	i := slices.IndexFunc(m.providers, func(p ledgertest.Account) bool { return p.Address == c.Provider })
	opened := &auditv1.MsgOpenLeaves{Provider: c.Provider, CaseId: c.Id}
	for step, said := range scored {
		path, err := receipt.Prove(scoredLeaves(), step)
		if err != nil {
			m.Fatal(err)
		}
		o := auditv1.Opening{Step: uint64(step), Token: uint32(5 + step), Logits: said[:], Fold: make([]byte, 32)}
		for _, node := range path {
			o.Path = append(o.Path, node[:])
		}
		opened.Openings = append(opened.Openings, o)
	}
	m.Must(m.providers[i], opened)
	for _, j := range judges {
		m.Must(j, &auditv1.MsgReveal{Auditor: j.Address, CaseId: c.Id, Salt: hidden[:], Vote: auditv1.Vote{Scores: vote.Scores}})
	}
}
