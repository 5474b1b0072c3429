package challenge_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	rules "github.com/koinon/koinon/internal/mechanism/challenge"
	"github.com/koinon/koinon/receipt"
)

// market is a ledger with an epoch of 60 seconds, a model version of each class
// and providers that offer both.
type market struct {
	*testing.T
	*ledgertest.Ledger
	providers []ledgertest.Account
	model     string // of the exact class
}

const epoch = 60

func newMarket(t *testing.T, names ...string) *market {
	t.Helper()
	m := &market{T: t, model: ledgertest.Digest("exact")}
	owner := ledgertest.NewAccount("owner")
	accounts := []ledgertest.Account{owner}
	for _, name := range names {
		m.providers = append(m.providers, ledgertest.NewAccount(name))
	}
	slices.SortFunc(m.providers, func(a, b ledgertest.Account) int { return compare(a.Address, b.Address) })
	m.Ledger = ledgertest.New(t, append(accounts, m.providers...), func(c *app.GenesisConfig) { c.Challenge.EpochSeconds = epoch })
	m.Must(owner, ledgertest.Version(owner, "exact"))
	statistical := ledgertest.Version(owner, "statistical")
	statistical.Class, statistical.WeightsRoot = modelv1.VerificationClass_VERIFICATION_CLASS_STATISTICAL, ""
	m.Must(owner, statistical)
	for i, p := range m.providers {
		m.join(p, uint64(1000+i))
	}
	return m
}

func compare(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

// join registers a provider with a bond, and its offers.
func (m *market) join(p ledgertest.Account, bond uint64) {
	m.Helper()
	registration := ledgertest.Registration(p)
	registration.Bond = bond
	results := m.Block(0, ledgertest.Tx{From: p, Msgs: []sdk.Msg{registration, m.offer(p, "exact"), m.offer(p, "statistical")}})
	if err := ledgertest.Error(results[0]); err != nil {
		m.Fatal(err)
	}
}

func (m *market) offer(p ledgertest.Account, name string) sdk.Msg {
	return &providerv1.MsgSetOffer{Provider: p.Address, ModelDigest: ledgertest.Digest(name), InputPrice: 1, OutputPrice: 1, MaxContext: 512, Slots: 1}
}

// state is the newest challenge of the exact version, and who takes part.
func (m *market) state() (challengev1.Challenge, []challengev1.Participant) {
	m.Helper()
	query := challengev1.NewQueryClient(m.Conn())
	list, err := query.Challenges(context.Background(), &challengev1.QueryChallengesRequest{})
	if err != nil {
		m.Fatal(err)
	}
	if len(list.Challenges) == 0 {
		return challengev1.Challenge{}, nil
	}
	last := list.Challenges[len(list.Challenges)-1]
	if last.ModelDigest != m.model {
		m.Fatalf("%s is challenged, whose class is not", last.ModelDigest)
	}
	r, err := query.Participants(context.Background(), &challengev1.QueryParticipantsRequest{Epoch: last.Epoch, ModelDigest: last.ModelDigest})
	if err != nil {
		m.Fatal(err)
	}
	return r.Challenge, r.Participants
}

// until makes blocks until the newest challenge reaches a stage.
func (m *market) until(stage challengev1.Stage) challengev1.Challenge {
	m.Helper()
	for range 10 * epoch {
		if c, _ := m.state(); c.Stage == stage {
			return c
		}
		m.Block(time.Second)
	}
	c, _ := m.state()
	m.Fatalf("%s was not reached: %+v", stage, c)
	return c
}

var right, wrong = receipt.Digest{1}, receipt.Digest{2}

func salt(p ledgertest.Account) [32]byte { return receipt.Sum([]byte(p.Name)) }

func (m *market) commitment(c challengev1.Challenge, p ledgertest.Account, answer receipt.Digest) *challengev1.MsgCommit {
	commitment := rules.Commitment(receipt.Digest(c.Seed), answer, p.Address, salt(p))
	return &challengev1.MsgCommit{Provider: p.Address, Commitments: []challengev1.Commitment{{Epoch: c.Epoch, ModelDigest: c.ModelDigest, Commitment: commitment[:]}}}
}

func (m *market) answer(c challengev1.Challenge, p ledgertest.Account, answer receipt.Digest, salt [32]byte) *challengev1.MsgReveal {
	m.Helper()
	model, err := receipt.ParseDigest(c.ModelDigest)
	if err != nil {
		m.Fatal(err)
	}
	tokens, class := []int32{5, 6}, receipt.Exact
	if c.Statistical {
		class = receipt.Statistical
	}
	r := rules.Statement{
		Chain: ledgertest.ChainID, Class: class, Payer: c.Payer, Provider: p.Address, Model: model, Seed: receipt.Digest(c.Seed),
		Tokens: c.Tokens, Steps: c.Steps, Output: tokens, Root: answer,
	}.Receipt().Sign(p.GrantKey)
	return &challengev1.MsgReveal{Provider: p.Address, Answers: []challengev1.Answer{{
		Epoch: c.Epoch, ModelDigest: c.ModelDigest, Digest: answer[:], Salt: salt[:], Tokens: tokens, Signature: r.Signature}}}
}

// statement is what a provider has signed with its answer.
func (m *market) statement(c challengev1.Challenge, p ledgertest.Account) receipt.Receipt {
	m.Helper()
	_, participants := m.state()
	i := slices.IndexFunc(participants, func(q challengev1.Participant) bool { return q.Provider == p.Address })
	r, err := receipt.Decode(participants[i].Receipt)
	if err != nil {
		m.Fatal(err)
	}
	return r
}

// outcomes are those of the newest challenge, by provider's name.
func (m *market) outcomes() map[string]challengev1.Outcome {
	_, participants := m.state()
	list := map[string]challengev1.Outcome{}
	for _, q := range participants {
		i := slices.IndexFunc(m.providers, func(p ledgertest.Account) bool { return p.Address == q.Provider })
		list[m.providers[i].Name] = q.Outcome
	}
	return list
}

func (m *market) byName(name string) ledgertest.Account { return ledgertest.NewAccount(name) }

// Honest providers agree; one who copies has nothing to show, one who is silent
// has nothing either, and one who serves another model differs, which convicts
// nobody: the court decides, on whichever side the greater bond was.
func TestEpoch(t *testing.T) {
	m := newMarket(t, "alice", "bob", "copier", "liar", "silent")
	alice, copier := m.byName("alice"), m.byName("copier")
	c := m.until(challengev1.Stage_STAGE_COMMITTING)
	if c.Participants != 5 || len(c.Seed) != 32 {
		t.Fatalf("challenge %+v", c)
	}
	// Nobody reveals before all have committed.
	m.Must(alice, m.commitment(c, alice, right))
	if err := m.Send(alice, m.answer(c, alice, right, salt(alice))); !errors.Is(err, rules.ErrStage) {
		t.Errorf("an answer before its time: %v", err)
	}
	if err := m.Send(alice, m.commitment(c, alice, wrong)); !errors.Is(err, rules.ErrTwice) {
		t.Errorf("a second commitment: %v", err)
	}
	for _, name := range []string{"bob", "liar"} {
		p := m.byName(name)
		answer := right
		if name == "liar" {
			answer = wrong
		}
		m.Must(p, m.commitment(c, p, answer))
	}
	copied := m.commitment(c, alice, right)
	copied.Provider = copier.Address
	m.Must(copier, copied)

	c = m.until(challengev1.Stage_STAGE_REVEALING)
	if err := m.Send(m.byName("silent"), m.commitment(c, m.byName("silent"), right)); !errors.Is(err, rules.ErrStage) {
		t.Errorf("a commitment after its time: %v", err)
	}
	m.Must(alice, m.answer(c, alice, right, salt(alice)))
	for _, s := range [][32]byte{salt(alice), salt(copier)} {
		if err := m.Send(copier, m.answer(c, copier, right, s)); !errors.Is(err, rules.ErrCommitment) {
			t.Errorf("a copied answer: %v", err)
		}
	}
	m.Must(m.byName("bob"), m.answer(c, m.byName("bob"), right, salt(m.byName("bob"))))
	m.Must(m.byName("liar"), m.answer(c, m.byName("liar"), wrong, salt(m.byName("liar"))))

	c = m.until(challengev1.Stage_STAGE_DISPUTED)
	want := map[string]challengev1.Outcome{
		"alice": challengev1.Outcome_OUTCOME_AGREED, "bob": challengev1.Outcome_OUTCOME_AGREED, "liar": challengev1.Outcome_OUTCOME_DIFFERED,
		"copier": challengev1.Outcome_OUTCOME_NO_ANSWER, "silent": challengev1.Outcome_OUTCOME_NO_ANSWER,
	}
	if got := m.outcomes(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("outcomes %v, not %v", got, want)
	}
	ctx := m.Context()
	for name, want := range map[string]providerv1.Status{
		"alice": providerv1.Status_STATUS_ACTIVE, "bob": providerv1.Status_STATUS_ACTIVE, "liar": providerv1.Status_STATUS_ACTIVE,
		"copier": providerv1.Status_STATUS_JAILED, "silent": providerv1.Status_STATUS_JAILED,
	} {
		p, err := m.App.Provider.Provider(ctx, m.byName(name).Address)
		if err != nil || p.Status != want || (p.Bond < 1000) != (want == providerv1.Status_STATUS_JAILED) {
			t.Errorf("%s is %s with %d ukoin, %v", name, p.Status, p.Bond, err)
		}
	}
	// The court judges once, by the statement; a receipt of another is none.
	said := m.statement(c, m.byName("liar"))
	other := said
	other.Provider = m.byName("alice").Address
	for _, judged := range []struct {
		of    receipt.Receipt
		right bool
		want  challengev1.Outcome
	}{
		{other, false, challengev1.Outcome_OUTCOME_DIFFERED},
		{said, false, challengev1.Outcome_OUTCOME_CONVICTED},
		{said, true, challengev1.Outcome_OUTCOME_CONVICTED},
	} {
		if err := m.App.Challenge.Judged(ctx, judged.of, judged.right); err != nil {
			t.Error(err)
		}
		if got := m.outcomes()["liar"]; got != judged.want {
			t.Errorf("judged, the liar's outcome is %s, not %s", got, judged.want)
		}
	}
	for range 30 { // the court's time passes
		m.Block(time.Second)
	}
	if r, err := challengev1.NewQueryClient(m.Conn()).Open(t.Context(), &challengev1.QueryOpenRequest{Provider: alice.Address}); err != nil || len(r.Duties) > 1 {
		t.Errorf("duties after the end: %+v %v", r, err)
	}
}

// Those who came after, and those who drain when it begins, need not answer; who
// drains only then is excused once, not again at once.
func TestGrace(t *testing.T) {
	m := newMarket(t, "drained", "leaver", "stays")
	status := func(name string, s providerv1.Status) {
		t.Helper()
		p := m.byName(name)
		m.Must(p, &providerv1.MsgUpdate{Provider: p.Address, Addrs: []string{"/ip4/127.0.0.1/tcp/4001"}, Status: s})
	}
	status("drained", providerv1.Status_STATUS_DRAINING)
	m.until(challengev1.Stage_STAGE_COMMITTING)
	late := ledgertest.NewAccount("issuer") // has money
	m.join(late, 1000)
	status("leaver", providerv1.Status_STATUS_DRAINING)
	m.until(challengev1.Stage_STAGE_CLOSED)
	first := fmt.Sprint(m.outcomes())
	if want := fmt.Sprint(map[string]challengev1.Outcome{"leaver": challengev1.Outcome_OUTCOME_EXCUSED, "stays": challengev1.Outcome_OUTCOME_NO_ANSWER}); first != want {
		t.Errorf("outcomes %s, not %s", first, want)
	}
	m.providers = append(m.providers, late)
	status("leaver", providerv1.Status_STATUS_ACTIVE)
	before, _ := m.state()
	for range 2 * epoch {
		if c, _ := m.state(); c.Epoch > before.Epoch && c.Stage == challengev1.Stage_STAGE_COMMITTING {
			break
		}
		m.Block(time.Second)
	}
	status("leaver", providerv1.Status_STATUS_DRAINING)
	m.until(challengev1.Stage_STAGE_CLOSED)
	if got := m.outcomes()["leaver"]; got != challengev1.Outcome_OUTCOME_NO_ANSWER {
		t.Errorf("who leaves at each challenge is %s", got)
	}
}

// A ledger that stands still beyond every deadline leaves time when it goes on.
func TestStillLedger(t *testing.T) {
	m := newMarket(t, "alice")
	alice := m.byName("alice")
	c := m.until(challengev1.Stage_STAGE_COMMITTING)
	m.Block(time.Hour) // all stood still
	m.Must(alice, m.commitment(c, alice, right))
	if c = m.until(challengev1.Stage_STAGE_REVEALING); c.Epoch != 1 {
		t.Fatalf("challenge %+v", c)
	}
	m.Block(time.Hour)
	m.Must(alice, m.answer(c, alice, right, salt(alice)))
	for {
		r, err := challengev1.NewQueryClient(m.Conn()).Participants(t.Context(), &challengev1.QueryParticipantsRequest{Epoch: c.Epoch, ModelDigest: c.ModelDigest})
		if err != nil {
			t.Fatal(err)
		}
		if r.Challenge.Stage == challengev1.Stage_STAGE_CLOSED {
			if o := r.Participants[0].Outcome; o != challengev1.Outcome_OUTCOME_AGREED {
				t.Errorf("outcome %s", o)
			}
			return
		}
		m.Block(time.Second)
	}
}

// Many providers are enrolled, judged and forgotten over several blocks, and
// their order does not matter.
func TestWorkOfABlockIsBounded(t *testing.T) {
	var names []string
	for i := range 130 {
		names = append(names, fmt.Sprint("p", i))
	}
	m := newMarket(t, names...)
	c := m.until(challengev1.Stage_STAGE_REVEALING)
	if c.Participants != 130 {
		t.Fatalf("%d participants", c.Participants)
	}
	m.until(challengev1.Stage_STAGE_JUDGING)
	m.Block(time.Second)
	judged := 0
	for _, o := range m.outcomes() {
		if o == challengev1.Outcome_OUTCOME_NO_ANSWER {
			judged++
		}
	}
	if judged == 0 || judged == 130 {
		t.Errorf("%d of 130 judged in one block", judged)
	}
	m.until(challengev1.Stage_STAGE_CLOSED)
	for range 5 * epoch {
		m.Block(time.Second)
	}
	list, err := challengev1.NewQueryClient(m.Conn()).Challenges(t.Context(), &challengev1.QueryChallengesRequest{})
	if err != nil || len(list.Challenges) > 0 { // all are in jail
		t.Errorf("challenges are kept: %+v %v", list.Challenges, err)
	}
}

func TestHostileMessages(t *testing.T) {
	m := newMarket(t, "alice")
	alice := m.byName("alice")
	c := m.until(challengev1.Stage_STAGE_COMMITTING)
	good := m.commitment(c, alice, right).Commitments[0]
	for name, list := range map[string][]challengev1.Commitment{
		"none": nil, "too many": slices.Repeat([]challengev1.Commitment{good}, 65), "twice": {good, good},
		"short":           {{Epoch: c.Epoch, ModelDigest: c.ModelDigest, Commitment: []byte{1}}},
		"zeros":           {{Epoch: c.Epoch, ModelDigest: c.ModelDigest, Commitment: make([]byte, 32)}},
		"another epoch":   {{Epoch: c.Epoch + 1, ModelDigest: c.ModelDigest, Commitment: good.Commitment}},
		"no model":        {{Epoch: c.Epoch, Commitment: good.Commitment}},
		"a model unasked": {{Epoch: c.Epoch, ModelDigest: ledgertest.Digest("statistical"), Commitment: good.Commitment}},
	} {
		if err := m.Send(alice, &challengev1.MsgCommit{Provider: alice.Address, Commitments: list}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	stranger := m.Issuer
	foreign := m.commitment(c, alice, right)
	foreign.Provider = stranger.Address
	if err := m.Send(stranger, foreign); err == nil {
		t.Error("a stranger's commitment is taken")
	}
	m.Must(alice, m.commitment(c, alice, right))
	c = m.until(challengev1.Stage_STAGE_REVEALING)
	s := salt(alice)
	for name, change := range map[string]func(*challengev1.Answer){
		"no salt":           func(a *challengev1.Answer) { a.Salt = nil },
		"no digest":         func(a *challengev1.Answer) { a.Digest = nil },
		"no signature":      func(a *challengev1.Answer) { a.Signature = nil },
		"other tokens":      func(a *challengev1.Answer) { a.Tokens = []int32{5, 7} },
		"no tokens":         func(a *challengev1.Answer) { a.Tokens = nil },
		"many tokens":       func(a *challengev1.Answer) { a.Tokens = make([]int32, 3) },
		"another attempt":   func(a *challengev1.Answer) { a.Attempt = 1 },
		"a distant attempt": func(a *challengev1.Answer) { a.Attempt = 1 << 31 },
	} {
		a := m.answer(c, alice, right, s).Answers[0]
		change(&a)
		if err := m.Send(alice, &challengev1.MsgReveal{Provider: alice.Address, Answers: []challengev1.Answer{a}}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	m.Must(alice, m.answer(c, alice, right, s))
	// What it signed is there for whoever doubts it.
	_, participants := m.state()
	r, err := receipt.Decode(participants[0].Receipt)
	if err != nil || r.Verify() != nil || r.Commitment != right || r.Provider != alice.Address {
		t.Errorf("receipt %+v, %v, %v", r, err, r.Verify())
	}
}
