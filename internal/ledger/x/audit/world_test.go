package audit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/audit"
	"github.com/koinon/koinon/internal/mechanism/court"
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

func digests(list []receipt.Digest) [][]byte {
	var data [][]byte
	for _, d := range list {
		data = append(data, d[:])
	}
	return data
}
