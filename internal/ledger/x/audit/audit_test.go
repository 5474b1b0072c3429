package audit_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519/extra/ecvrf"

	sdk "github.com/cosmos/cosmos-sdk/types"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	curationv1 "github.com/koinon/koinon/api/koinon/curation/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/audit"
	"github.com/koinon/koinon/internal/ledger/x/escrow"
	"github.com/koinon/koinon/internal/ledger/x/provider"
	"github.com/koinon/koinon/internal/mechanism/court"
	rules "github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/receipt"
)

// The people of these tests.
var (
	alice    = ledgertest.NewAccount("alice") // pays
	carol    = ledgertest.NewAccount("carol") // accuses
	peter    = ledgertest.NewAccount("peter") // provides
	olga     = ledgertest.NewAccount("olga")  // owns the models
	auditors = []ledgertest.Account{ledgertest.NewAccount("ada"), ledgertest.NewAccount("ben"), ledgertest.NewAccount("cleo"), ledgertest.NewAccount("dan")}
)

const (
	bond   = 1_000_000 // everybody's, ukoin
	minute = 60
)

// world is a ledger with a model of each class, a provider, and auditors.
type world struct {
	*ledgertest.Ledger
	t *testing.T
}

func params() auditv1.Params {
	p := audit.DefaultParams()
	p.MinBond, p.UnbondingSeconds = 1000, 600
	p.DrawSeconds, p.SealSeconds, p.CommitSeconds, p.OpenSeconds = minute, minute, minute, minute
	p.RevealSeconds, p.MoveSeconds, p.UnmaskSeconds = minute, minute, 10
	p.Positions, p.EpochSeconds = 4, 1_000_000
	p.Planters = []string{auditors[3].Address}
	for i := range p.Penalties {
		p.Penalties[i].Floor = 0
	}
	return p
}

func newWorld(t *testing.T) world {
	t.Helper()
	p := params()
	w := world{ledgertest.New(t, slices.Concat([]ledgertest.Account{alice, carol, peter, olga}, auditors, crowd), func(c *app.GenesisConfig) {
		c.Audit = &p
		c.Provider.ExposurePerKoin = 1_000_000
	}), t}
	exact, statistical := ledgertest.Version(olga, "exact"), ledgertest.Version(olga, "statistical")
	exact.WeightsRoot = ledgertest.Digest("weights")
	statistical.WeightsRoot = ""
	statistical.Class = modelv1.VerificationClass_VERIFICATION_CLASS_STATISTICAL
	w.Must(olga, exact)
	w.Must(olga, statistical)
	registration := ledgertest.Registration(peter)
	registration.Bond = bond
	w.Must(peter, registration)
	for _, a := range auditors {
		w.Must(a, &auditv1.MsgRegisterAuditor{Auditor: a.Address, Bond: bond, AgeRecipient: "age1" + a.Name, VrfKey: a.Public()})
	}
	w.Must(olga, &auditv1.MsgFund{Sender: olga.Address, Amount: 100_000_000})
	return w
}

// leaf is what step i of every answer here is made of.
func leaf(i uint64) auditv1.Opening {
	logits, fold := receipt.Sum(fmt.Append(nil, "logits", i)), receipt.Sum([]byte("fold"))
	return auditv1.Opening{Step: i, Token: uint32(i), Logits: logits[:], Fold: fold[:]}
}

const steps = 9

func leaves() []receipt.Digest {
	var list []receipt.Digest
	for i := range uint64(steps) {
		l := leaf(i)
		list = append(list, receipt.Leaf(i, int32(l.Token), receipt.Digest(l.Logits), receipt.Digest(l.Fold)))
	}
	return list
}

// answer is a receipt that peter signed for alice.
func (w world) answer(class string, change func(*receipt.Receipt)) receipt.Receipt {
	w.t.Helper()
	model, err := receipt.ParseDigest(ledgertest.Digest(class))
	if err != nil {
		w.t.Fatal(err)
	}
	now := w.Time.UnixMilli()
	r := receipt.Receipt{
		Version: receipt.Version, ChainID: ledgertest.ChainID, Grant: receipt.Sum([]byte("grant")), Sequence: 1,
		Provider: peter.Address, Payer: alice.Address, Model: model, Class: class, PromptTokens: 20, CompletionTokens: steps,
		PromptDigest: receipt.TokensDigest(make([]int32, 20)), OutputDigest: receipt.TokensDigest(make([]int32, steps)),
		Commitment: receipt.MerkleRoot(leaves()), Sampling: receipt.Sampling{Kind: receipt.Categorical, MaxTokens: 64},
		Seed: receipt.NameSeed(1), FinishReason: "cancelled", Started: now, FirstToken: now, Finished: now,
	}
	if change != nil {
		change(&r)
	}
	return r.Sign(peter.GrantKey)
}

func (w world) dispute(r receipt.Receipt) *auditv1.MsgOpenDispute {
	return &auditv1.MsgOpenDispute{Accuser: carol.Address, Receipt: r.Encode()}
}

// open opens a case and brings it to Committing.
func (w world) open(r receipt.Receipt) auditv1.Case {
	w.t.Helper()
	w.Must(carol, w.dispute(r))
	w.Block(time.Second)
	id := uint64(len(w.cases())) - 1
	w.Must(carol, &auditv1.MsgSeal{Accuser: carol.Address, CaseId: id, Ciphertext: []byte("to the committee")})
	return w.get(id)
}

func (w world) cases() []auditv1.Case {
	r, err := auditv1.NewQueryClient(w.Conn()).Cases(context.Background(), &auditv1.QueryCasesRequest{})
	if err != nil {
		w.t.Fatal(err)
	}
	return r.Cases
}

func (w world) get(id uint64) auditv1.Case {
	r, err := auditv1.NewQueryClient(w.Conn()).Case(context.Background(), &auditv1.QueryCaseRequest{Id: id})
	if err != nil {
		w.t.Fatal(err)
	}
	return r.Case
}

func (w world) record(address string) *auditv1.QueryRecordResponse {
	r, err := auditv1.NewQueryClient(w.Conn()).Record(context.Background(), &auditv1.QueryRecordRequest{Address: address})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w world) provider() providerv1.Provider {
	p, err := w.App.Provider.Provider(w.Context(), peter.Address)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// crowd are more auditors, for a committee of 21 after one of 3.
var crowd = func() (list []ledgertest.Account) {
	for i := range 21 {
		list = append(list, ledgertest.NewAccount(fmt.Sprintf("crowd-%d", i)))
	}
	return list
}()

// named finds an auditor by its address.
func named(address string) ledgertest.Account {
	all := slices.Concat(auditors, crowd)
	return all[slices.IndexFunc(all, func(a ledgertest.Account) bool { return a.Address == address })]
}

var salt = receipt.Sum([]byte("salt"))

// vote commits all seats to what values gives each, lets peter open, and reveals.
func (w world) vote(c auditv1.Case, values func(seat int) court.Vote) {
	w.t.Helper()
	for i, s := range c.Seats {
		d := court.Commitment(c.Id, int(c.Stage), s.Auditor, values(i), salt)
		w.Must(named(s.Auditor), &auditv1.MsgCommit{Auditor: s.Auditor, CaseId: c.Id, Commitment: d[:]})
	}
	w.Must(peter, w.openings(c))
	for i, s := range c.Seats {
		v := values(i)
		msg := &auditv1.MsgReveal{Auditor: s.Auditor, CaseId: c.Id, Salt: salt[:], Vote: auditv1.Vote{Reason: auditv1.Reason(v.Reason), Scores: v.Scores}}
		if !v.Root.IsZero() {
			msg.Vote.Root = v.Root[:]
		}
		for _, l := range v.Leaves {
			msg.Vote.Leaves = append(msg.Vote.Leaves, l[:])
		}
		w.Must(named(s.Auditor), msg)
	}
}

func (w world) openings(c auditv1.Case) *auditv1.MsgOpenLeaves {
	msg := &auditv1.MsgOpenLeaves{Provider: peter.Address, CaseId: c.Id}
	for _, p := range c.Positions {
		o := leaf(p)
		path, err := receipt.Prove(leaves(), int(p))
		if err != nil {
			w.t.Fatal(err)
		}
		for _, d := range path {
			o.Path = append(o.Path, d[:])
		}
		msg.Openings = append(msg.Openings, o)
	}
	return msg
}

func rerun(c auditv1.Case) court.Vote {
	v := court.Vote{Root: receipt.MerkleRoot(leaves())}
	for _, p := range c.Positions {
		v.Leaves = append(v.Leaves, leaves()[p])
	}
	return v
}

func refuse(t *testing.T, name string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", name, got, want)
	}
}

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

func digests(list []receipt.Digest) [][]byte {
	var data [][]byte
	for _, d := range list {
		data = append(data, d[:])
	}
	return data
}

// earn lets peter redeem so many ucredit of alice's, of which 70 % are his.
func (w world) earn(amount uint64) receipt.Digest {
	w.t.Helper()
	w.Must(alice, &escrowv1.MsgDeposit{Payer: alice.Address, Amount: 10_000_000, GrantKey: alice.Public()})
	chain := receipt.NewChain(sha256.Sum256([]byte("chain")), 100)
	model, _ := receipt.ParseDigest(ledgertest.Digest("exact"))
	g := receipt.Grant{ChainID: ledgertest.ChainID, Payer: alice.Address, Provider: peter.Address, Model: model,
		TicketValue: amount / 10, Tickets: 10, Expiry: w.Time.Unix() + 600, Anchor: chain.Anchor()}
	chain = receipt.NewChain(sha256.Sum256([]byte("chain")), g.Tickets)
	g.Anchor = chain.Anchor()
	s := g.Sign(alice.GrantKey)
	w.Must(peter, &escrowv1.MsgActivate{Provider: peter.Address, Grant: escrow.StoredGrant(g), Signature: s.Signature})
	ticket, err := chain.Ticket(10)
	if err != nil {
		w.t.Fatal(err)
	}
	root := receipt.Sum(nil)
	w.Must(peter, &escrowv1.MsgRedeem{Provider: peter.Address, Redemptions: []escrowv1.Redemption{
		{Id: s.ID().Hex(), Index: 10, Ticket: ticket[:], Receipts: 1, ReceiptsRoot: root[:]}}})
	return s.ID()
}

// A provider's pay waits while there is a case about it, whatever grant it is for,
// and is paid after an acquittal.
func TestPayWaitsForTheCase(t *testing.T) {
	w := newWorld(t)
	w.earn(1_000)
	before := w.Balance(peter.Address, "ucredit")
	c := w.open(w.answer(receipt.Exact, nil)) // of another grant
	commitment := court.Commitment(c.Id, 0, c.Seats[0].Auditor, rerun(c), salt)
	w.Must(named(c.Seats[0].Auditor), &auditv1.MsgCommit{Auditor: c.Seats[0].Auditor, CaseId: c.Id, Commitment: commitment[:]})
	w.Block(50 * time.Second)
	w.Must(peter, w.openings(c))
	w.Block(50 * time.Second) // its pay would have matured
	if got := w.Balance(peter.Address, "ucredit"); got != before {
		t.Fatalf("paid %d while the case is open", got-before)
	}
	v := rerun(c)
	w.Must(named(c.Seats[0].Auditor), &auditv1.MsgReveal{Auditor: c.Seats[0].Auditor, CaseId: c.Id, Salt: salt[:],
		Vote: auditv1.Vote{Root: v.Root[:], Leaves: digests(v.Leaves)}})
	w.Block(20 * time.Second)
	w.Block(200 * time.Second)
	if got := w.Balance(peter.Address, "ucredit") - before; got != 700+params().DisputeBond/2 {
		t.Errorf("got %d after it", got)
	}
}

// A bond bounds what its provider can have in active grants.
func TestExposureIsBounded(t *testing.T) {
	w := newWorld(t)
	w.Must(alice, &escrowv1.MsgDeposit{Payer: alice.Address, Amount: 10_000_000, GrantKey: alice.Public()})
	model, _ := receipt.ParseDigest(ledgertest.Digest("exact"))
	grant := func(value uint64) *escrowv1.MsgActivate {
		g := receipt.Grant{ChainID: ledgertest.ChainID, Payer: alice.Address, Provider: peter.Address, Model: model,
			TicketValue: value, Tickets: 10, Expiry: w.Time.Unix() + 600, Anchor: receipt.Sum(fmt.Append(nil, value))}
		s := g.Sign(alice.GrantKey)
		return &escrowv1.MsgActivate{Provider: peter.Address, Grant: escrow.StoredGrant(g), Signature: s.Signature}
	}
	w.Must(peter, grant(90_000))
	refuse(t, "more than the bond", w.Send(peter, grant(10_001)), rules.ErrExposure)
	w.Must(peter, grant(10_000))
	w.Block(time.Hour) // both lapse
	w.Must(peter, grant(99_999))
}

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
