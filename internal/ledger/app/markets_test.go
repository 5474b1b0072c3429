package app_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/assembly"
	"github.com/koinon/koinon/internal/ledger/x/escrow"
	"github.com/koinon/koinon/internal/ledger/x/model"
	"github.com/koinon/koinon/internal/ledger/x/offering"
	"github.com/koinon/koinon/internal/mechanism/ballot"
	"github.com/koinon/koinon/internal/mechanism/conduct"
	rules "github.com/koinon/koinon/internal/mechanism/offering"
	"github.com/koinon/koinon/receipt"
)

var (
	ada          = ledgertest.NewAccount("ada") // made the model
	bella, carlo = ledgertest.NewAccount("bella"), ledgertest.NewAccount("carlo")
	dora         = ledgertest.NewAccount("dora")
	pia          = ledgertest.NewAccount("pia") // serves it
)

// market is a ledger on which bard has a million shares, and votes are short.
type market struct {
	*ledgertest.Ledger
	t *testing.T
}

const (
	voting, waiting = time.Minute, 30 * time.Second
	bardShares      = "share/_/bard"
)

func newMarket(t *testing.T) *market {
	l := ledgertest.New(t, []ledgertest.Account{ada, bella, carlo, dora, pia}, func(c *app.GenesisConfig) {
		c.Assembly = assembly.Paced(voting, waiting)
	})
	m := &market{l, t}
	m.Must(ada, ledgertest.Version(ada, "bard"))
	m.Must(ada, &sharev1.MsgIssue{Owner: ada.Address, Model: "bard", Allocations: []sharev1.Allocation{{Holder: ada.Address, Shares: 1_000_000}}})
	return m
}

// open offers 400,000 shares at $0.001 each: $400 in all.
func (m *market) open(softCap uint64, milestones ...offeringv1.Milestone) {
	m.t.Helper()
	if len(milestones) == 0 {
		milestones = []offeringv1.Milestone{{Title: "all", Bps: 10_000, Proof: offeringv1.Proof_PROOF_CLOSING}}
	}
	m.Must(ada, &offeringv1.MsgOpen{Opener: ada.Address, Terms: offeringv1.Terms{
		Model: "bard", Price: 1_000_000_000, Shares: 400_000, SoftCap: softCap, Milestones: milestones,
		Deadline: m.Time.Add(time.Hour).Unix(), Lapse: m.Time.Add(100 * time.Hour).Unix(),
	}})
}

func (m *market) offering(id uint64) offeringv1.Offering {
	m.t.Helper()
	o, err := m.App.Offering.Offering(m.Context(), id)
	if err != nil {
		m.t.Fatal(err)
	}
	return o
}

func buy(from ledgertest.Account, id, budget uint64) *offeringv1.MsgBuy {
	return &offeringv1.MsgBuy{Buyer: from.Address, Offering: id, Budget: budget}
}

// decide proposes something, has bella vote yes, and lets the time pass.
func (m *market) decide(action assemblyv1.Action) assemblyv1.Proposal {
	m.t.Helper()
	m.Must(bella, &assemblyv1.MsgPropose{Proposer: bella.Address, Model: "bard", Title: "a change", Action: action})
	list, err := assemblyv1.NewQueryClient(m.Conn()).Proposals(context.Background(), &assemblyv1.QueryProposalsRequest{Model: "bard"})
	if err != nil {
		m.t.Fatal(err)
	}
	id := list.Proposals[len(list.Proposals)-1].Id
	m.Must(bella, &assemblyv1.MsgVote{Voter: bella.Address, Proposal: id, Choice: assemblyv1.Choice_CHOICE_YES})
	m.Block(voting)
	m.Block(waiting)
	return m.proposal(id)
}

func (m *market) proposal(id uint64) assemblyv1.Proposal {
	m.t.Helper()
	r, err := assemblyv1.NewQueryClient(m.Conn()).Proposal(context.Background(), &assemblyv1.QueryProposalRequest{Id: id})
	if err != nil {
		m.t.Fatal(err)
	}
	return r.Proposal
}

// TestFundsAreReleasedByMilestones: at the sale's success, by a listed version
// and by a vote, whatever is exported in between.
func TestFundsAreReleasedByMilestones(t *testing.T) {
	m := newMarket(t)
	second := ledgertest.Digest("bard two")
	m.open(200_000_000, // $200
		offeringv1.Milestone{Title: "start", Bps: 2_000, Proof: offeringv1.Proof_PROOF_CLOSING},
		offeringv1.Milestone{Title: "two", Bps: 5_000, Proof: offeringv1.Proof_PROOF_LISTING, Digest: second},
		offeringv1.Milestone{Title: "docs", Bps: 3_000, Proof: offeringv1.Proof_PROOF_DECISION})
	m.Block(time.Second, ledgertest.Tx{From: bella, Msgs: []sdk.Msg{buy(bella, 0, 300_000_000)}}, ledgertest.Tx{From: carlo, Msgs: []sdk.Msg{buy(carlo, 0, 300_000_000)}})
	// The block asked for $600 of $400: both have half of it, and their change.
	if got := m.Balance(carlo.Address, "ucredit"); got != ledgertest.Credit-200_000_000 || m.Balance(carlo.Address, bardShares) != 200_000 {
		t.Errorf("carlo has %d ucredit, %d shares", got, m.Balance(carlo.Address, bardShares))
	}
	if o := m.offering(0); o.Status != offeringv1.Status_STATUS_SUCCEEDED || o.Raised != 400_000_000 {
		t.Fatalf("%+v", o)
	}
	release := func(n uint32) error {
		return m.Send(dora, &offeringv1.MsgRelease{Sender: dora.Address, Milestone: n})
	}
	if err := errors.Join(release(0)); err != nil {
		t.Error(err)
	}
	if err := release(0); !errors.Is(err, rules.ErrReleased) {
		t.Errorf("twice: %v", err)
	}
	if err := errors.Join(release(1)); !errors.Is(err, offering.ErrProof) {
		t.Errorf("a version that is not there: %v", err)
	}
	if err := release(2); !errors.Is(err, offering.ErrProof) {
		t.Errorf("without a vote: %v", err)
	}
	m.Ledger = m.Restart(nil)
	two := ledgertest.Version(ada, "bard")
	two.Version, two.Digest, two.Draft = "2.0", second, true
	m.Must(ada, two)
	if err := release(1); !errors.Is(err, offering.ErrProof) {
		t.Errorf("a draft: %v", err)
	}
	m.Must(ada, &modelv1.MsgSetStatus{Sender: ada.Address, Digest: second, Status: modelv1.Status_STATUS_LISTED})
	if err := release(1); err != nil {
		t.Error(err)
	}
	p := m.decide(assemblyv1.Action{What: &assemblyv1.Action_Milestone{Milestone: &assemblyv1.Milestone{Milestone: 2}}})
	if p.Status != assemblyv1.Status_STATUS_DONE {
		t.Fatalf("%+v", p)
	}
	if got := m.Balance(ada.Address, "ucredit"); got != ledgertest.Credit+400_000_000 || m.offering(0).Held != 0 {
		t.Errorf("ada has %d ucredit", got)
	}
}

// TestAMissedSoftCapRefunds everybody in full, and the opener has the shares.
func TestAMissedSoftCapRefunds(t *testing.T) {
	m := newMarket(t)
	m.open(200_000_000)
	m.Must(bella, buy(bella, 0, 100_000_001))
	m.Must(carlo, buy(carlo, 0, 50_000_000))
	if err := m.Send(dora, &offeringv1.MsgSettle{Buyer: dora.Address}); !errors.Is(err, rules.ErrNothing) {
		t.Errorf("who bought nothing: %v", err)
	}
	m.Ledger = m.Restart(nil)
	m.Block(2 * time.Hour)
	m.Block(time.Second)
	for _, a := range []ledgertest.Account{bella, carlo} {
		if got := m.Balance(a.Address, "ucredit"); got != ledgertest.Credit || m.Balance(a.Address, bardShares) != 0 {
			t.Errorf("%s has %d ucredit", a.Name, got)
		}
	}
	if got := m.Balance(ada.Address, bardShares); got != 1_000_000 || m.offering(0).Status != offeringv1.Status_STATUS_FAILED {
		t.Errorf("ada has %d shares; %+v", got, m.offering(0))
	}
	if err := m.Send(bella, buy(bella, 0, 1_000)); !errors.Is(err, rules.ErrClosed) {
		t.Errorf("too late: %v", err)
	}
}

// TestACurveBuysBack what it sold, also after its deadline, and also when what
// was raised went back.
func TestACurveBuysBack(t *testing.T) {
	m := newMarket(t)
	m.Must(ada, &offeringv1.MsgOpen{Opener: ada.Address, Terms: offeringv1.Terms{
		Model: "bard", Linear: &offeringv1.Linear{Base: 100_000_000, Slope: 1_000_000_000}, RaiseBps: 2_500, Shares: 400_000, SoftCap: 30_000_000,
		Deadline: m.Time.Add(time.Hour).Unix(), Lapse: m.Time.Add(100 * time.Hour).Unix(),
		Milestones: []offeringv1.Milestone{{Title: "all", Bps: 10_000, Proof: offeringv1.Proof_PROOF_CLOSING}},
	}})
	m.Must(bella, buy(bella, 0, 40_000_000))
	bought := m.Balance(bella.Address, bardShares)
	o := m.offering(0)
	if bought == 0 || o.Reserve == 0 || o.Raised < o.Reserve/3 || o.Raised > o.Reserve/3+1 {
		t.Fatalf("%d shares, %+v", bought, o)
	}
	m.Must(bella, &offeringv1.MsgSell{Seller: bella.Address, Shares: bought / 2})
	m.Ledger = m.Restart(nil)
	m.Block(2 * time.Hour)
	m.Must(bella, &offeringv1.MsgSell{Seller: bella.Address, Shares: bought - bought/2})
	m.Block(time.Second)
	if o := m.offering(0); o.Status != offeringv1.Status_STATUS_FAILED || o.Reserve != 0 || o.Sold != 0 || o.Held != 0 {
		t.Errorf("%+v", o)
	}
	if got := m.Balance(bella.Address, "ucredit"); got > ledgertest.Credit || got < ledgertest.Credit-10 {
		t.Errorf("bella has %d ucredit after a round trip", got)
	}
}

// TestACeilingHoldsInTheNextGrant: what was offered above it sells no more.
func TestACeilingHoldsInTheNextGrant(t *testing.T) {
	m := newMarket(t)
	m.Must(ada, &banktypes.MsgSend{FromAddress: ada.Address, ToAddress: bella.Address, Amount: shares(500_000)})
	m.Must(pia, ledgertest.Registration(pia))
	offer := func(output uint64) error {
		return m.Send(pia, &providerv1.MsgSetOffer{Provider: pia.Address, ModelDigest: ledgertest.Digest("bard"), InputPrice: 100_000, OutputPrice: output, MaxContext: 512, Slots: 1})
	}
	m.Must(dora, &escrowv1.MsgDeposit{Payer: dora.Address, Amount: 10_000_000, GrantKey: dora.Public()})
	activate := func(seed string) error {
		digest, err := receipt.ParseDigest(ledgertest.Digest("bard"))
		if err != nil {
			t.Fatal(err)
		}
		g := receipt.Grant{
			ChainID: ledgertest.ChainID, Payer: dora.Address, Provider: pia.Address, Model: digest, TicketValue: 1_000, Tickets: 10,
			Expiry: m.Time.Unix() + 600, Anchor: receipt.NewChain(sha256.Sum256([]byte(seed)), 10).Anchor(),
		}
		return m.Send(pia, &escrowv1.MsgActivate{Provider: pia.Address, Grant: escrow.StoredGrant(g), Signature: g.Sign(dora.GrantKey).Signature})
	}
	if err := errors.Join(offer(500_000), activate("before")); err != nil {
		t.Fatal(err)
	}
	ceiling := func(output uint64) assemblyv1.Action {
		return assemblyv1.Action{What: &assemblyv1.Action_Ceiling{Ceiling: &assemblyv1.Ceiling{OutputPrice: output}}}
	}
	if p := m.decide(ceiling(400_000)); p.Status != assemblyv1.Status_STATUS_DONE {
		t.Fatalf("%+v", p)
	}
	m.Ledger = m.Restart(nil)
	if err := activate("too dear"); !errors.Is(err, assembly.ErrCeiling) {
		t.Errorf("a grant above the ceiling: %v", err)
	}
	if err := offer(400_001); !errors.Is(err, assembly.ErrCeiling) {
		t.Errorf("an offer above the ceiling: %v", err)
	}
	if err := errors.Join(offer(400_000), activate("at the ceiling")); err != nil {
		t.Error(err)
	}
}

// TestSharesThatMoveCountOnce, for whoever had them before the proposal; and
// what passed and cannot be done says why.
func TestSharesThatMoveCountOnce(t *testing.T) {
	m := newMarket(t)
	m.Must(ada, &banktypes.MsgSend{FromAddress: ada.Address, ToAddress: bella.Address, Amount: shares(300_000)})
	spend := assemblyv1.Action{What: &assemblyv1.Action_Spending{Spending: &assemblyv1.Spending{To: carlo.Address, Denom: "ucredit", Amount: 5_000_000}}}
	propose := func(from ledgertest.Account) error {
		return m.Send(from, &assemblyv1.MsgPropose{Proposer: from.Address, Model: "bard", Title: "A bounty", Action: spend})
	}
	vote := func(from ledgertest.Account, c assemblyv1.Choice) error {
		return m.Send(from, &assemblyv1.MsgVote{Voter: from.Address, Choice: c})
	}
	if err := propose(dora); !errors.Is(err, assembly.ErrPower) {
		t.Errorf("who holds nothing: %v", err)
	}
	if err := propose(bella); err != nil {
		t.Fatal(err)
	}
	if err := vote(bella, assemblyv1.Choice_CHOICE_YES); err != nil {
		t.Fatal(err)
	}
	m.Must(bella, &banktypes.MsgSend{FromAddress: bella.Address, ToAddress: dora.Address, Amount: shares(300_000)})
	if err := vote(dora, assemblyv1.Choice_CHOICE_YES); !errors.Is(err, ballot.ErrNoWeight) {
		t.Errorf("shares voted twice: %v", err)
	}
	m.Must(bella, &assemblyv1.MsgVote{Voter: bella.Address, Choice: assemblyv1.Choice_CHOICE_NO})
	if err := vote(bella, assemblyv1.Choice_CHOICE_YES); err != nil {
		t.Error(err)
	}
	m.Ledger = m.Restart(nil)
	if h := m.proposal(0).Houses[0]; h.Yes != 300_000 || h.No != 0 || h.Abstain != 0 || h.Total != 1_000_000 {
		t.Errorf("%+v", h)
	}
	m.Block(voting)
	if err := vote(ada, assemblyv1.Choice_CHOICE_NO); !errors.Is(err, ballot.ErrClosed) {
		t.Errorf("too late: %v", err)
	}
	m.Block(waiting)
	if p := m.proposal(0); p.Status != assemblyv1.Status_STATUS_FAILED || !strings.Contains(p.Why, "insufficient funds") {
		t.Errorf("an empty treasury pays: %+v", p)
	}
	treasury := assembly.Treasury("bard").String()
	m.Must(carlo, &banktypes.MsgSend{FromAddress: carlo.Address, ToAddress: treasury, Amount: sdk.NewCoins(sdk.NewInt64Coin("ucredit", 6_000_000))})
	m.Must(dora, &banktypes.MsgSend{FromAddress: dora.Address, ToAddress: bella.Address, Amount: shares(300_000)})
	if err := propose(bella); err != nil {
		t.Fatal(err)
	}
	for _, a := range []ledgertest.Account{bella, ada} { // nobody is left to wait for
		m.Must(a, &assemblyv1.MsgVote{Voter: a.Address, Proposal: 1, Choice: assemblyv1.Choice_CHOICE_NO})
	}
	if p := m.proposal(1); p.Status != assemblyv1.Status_STATUS_REJECTED {
		t.Errorf("all voted: %+v", p)
	}
	before := m.Balance(carlo.Address, "ucredit")
	if p := m.decide(spend); p.Status != assemblyv1.Status_STATUS_DONE || m.Balance(carlo.Address, "ucredit") != before+5_000_000 {
		t.Errorf("%+v; carlo has %d more", p, m.Balance(carlo.Address, "ucredit")-before)
	}
}

// TestWhatShareholdersDecide takes effect, within bounds.
func TestWhatShareholdersDecide(t *testing.T) {
	m := newMarket(t)
	m.Must(ada, &banktypes.MsgSend{FromAddress: ada.Address, ToAddress: bella.Address, Amount: shares(500_000)})
	one, two := ledgertest.Digest("bard"), ledgertest.Digest("bard two")
	next := ledgertest.Version(ada, "bard")
	next.Version, next.Digest = "2.0", two
	m.Must(ada, next)
	told := conduct.Conduct{SystemPrompt: "Be brief.", Filters: []string{"a", "b"}}
	brief := ledgertest.Digest("bard, brief")
	behaved := ledgertest.Version(ada, "bard")
	behaved.Version, behaved.Digest, behaved.Conduct = "2.1", brief, told.Digest().String()
	m.Must(ada, behaved)
	does := func(c conduct.Conduct, digest string) assemblyv1.Action {
		return assemblyv1.Action{What: &assemblyv1.Action_Conduct{Conduct: &assemblyv1.Conduct{SystemPrompt: c.SystemPrompt, Filters: c.Filters, Digest: digest}}}
	}
	policy := ledgertest.Version(ada, "bard").Policy
	policy.ProviderBps, policy.Owners[0].Bps = 6_500, 2_000
	greedy := policy
	greedy.TreasuryBps, greedy.ProviderBps = 0, 7_500
	for _, c := range []struct {
		action assemblyv1.Action
		want   error
	}{
		{does(told, one), assembly.ErrConduct},
		{does(conduct.Conduct{SystemPrompt: "Be rude."}, brief), assembly.ErrConduct},
		{does(conduct.Conduct{Filters: []string{"b", "a"}}, brief), assembly.ErrField},
		{does(told, brief), nil},
		{assemblyv1.Action{What: &assemblyv1.Action_Latest{Latest: &assemblyv1.Latest{Digest: brief}}}, nil},
		{does(conduct.Conduct{}, one), nil}, // as it was; its name stands for it
		{assemblyv1.Action{What: &assemblyv1.Action_Revenue{Revenue: &assemblyv1.Revenue{Digest: one, Policy: policy}}}, nil},
		{assemblyv1.Action{What: &assemblyv1.Action_Revenue{Revenue: &assemblyv1.Revenue{Digest: one, Policy: greedy}}}, assembly.ErrBounds},
		{assemblyv1.Action{What: &assemblyv1.Action_Dataset{Dataset: &assemblyv1.Dataset{Digest: two, Allowed: true}}}, nil},
		{assemblyv1.Action{What: &assemblyv1.Action_Dataset{Dataset: &assemblyv1.Dataset{Digest: two}}}, nil},
		{assemblyv1.Action{What: &assemblyv1.Action_Retraining{Retraining: &assemblyv1.Retraining{Base: one, Recipe: two}}}, nil},
		{assemblyv1.Action{What: &assemblyv1.Action_Charter{Charter: &assemblyv1.Charter{QuorumBps: 1, ThresholdBps: 6_000, VotingSeconds: 60}}}, nil},
		{assemblyv1.Action{}, assembly.ErrField},
	} {
		if c.want == nil {
			if p := m.decide(c.action); p.Status != assemblyv1.Status_STATUS_DONE {
				t.Errorf("%+v", p)
			}
			continue
		}
		err := m.Send(bella, &assemblyv1.MsgPropose{Proposer: bella.Address, Model: "bard", Title: "a change", Action: c.action})
		if !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.action, err, c.want)
		}
	}
	if v, err := m.App.Model.Resolve(m.Context(), "bard"); err != nil || v.Digest != one || v.Policy.ProviderBps != 6_500 {
		t.Errorf("%+v, %v", v, err)
	}
	if err := m.Send(ada, &modelv1.MsgSetTag{Owner: ada.Address, Model: "bard", Tag: "latest", Digest: two}); !errors.Is(err, model.ErrVoted) {
		t.Errorf("the owner moves what shareholders decided: %v", err)
	}
	third := ledgertest.Version(ada, "bard")
	third.Version, third.Digest = "3.0", ledgertest.Digest("bard three")
	m.Must(ada, third)
	m.Ledger = m.Restart(nil)
	if v, err := m.App.Model.Resolve(m.Context(), "bard"); err != nil || v.Digest != one {
		t.Errorf("a new version took the name: %+v, %v", v, err)
	}
	s, err := m.App.Assembly.Settings(m.Context(), "bard")
	if err != nil || s.Conduct.Digest != one || len(s.Datasets) != 1 || s.Datasets[0].Allowed || s.Retraining.Recipe != two || s.Charter.ThresholdBps != 6_000 {
		t.Errorf("%+v, %v", s, err)
	}
}

func shares(n int64) sdk.Coins { return sdk.NewCoins(sdk.NewCoin(bardShares, sdkmath.NewInt(n))) }

// TestRoyaltiesOfSharesForSale are the opener's, not the module's.
func TestRoyaltiesOfSharesForSale(t *testing.T) {
	m := newMarket(t)
	m.open(200_000_000)
	m.Must(dora, &escrowv1.MsgDeposit{Payer: dora.Address, Amount: 10_000_000, GrantKey: dora.Public()})
	// A block would begin from what was committed; its end is made here.
	end := m.Context().WithBlockTime(m.Time.Add(2 * time.Hour))
	if over, err := m.App.Share.Pay(end, escrow.ModuleName, "bard", 1_000_000); over != 0 || err != nil {
		t.Fatalf("%d of the royalty is nobody's, %v", over, err)
	}
	if err := offering.NewAppModule(m.App.Offering).EndBlock(end); err != nil {
		t.Fatal(err)
	}
	owner, err := sdk.AccAddressFromBech32(ada.Address)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.App.Bank.GetBalance(end, owner, "ucredit").Amount.Uint64(); got != ledgertest.Credit+400_000 {
		t.Errorf("ada has %d ucredit", got)
	}
	if err := m.App.Offering.CheckBooks(end); err != nil {
		t.Error(err)
	}
}
