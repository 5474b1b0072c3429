package app_test

import (
	"errors"
	"testing"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/offering"
	"github.com/koinon/koinon/internal/ledger/x/share"
	"github.com/koinon/koinon/internal/mechanism/ballot"
	"github.com/koinon/koinon/internal/mechanism/buyout"
)

// spread gives bella 300,000 and carlo 200,000 of ada's million shares.
func spread(m *market) {
	m.Must(ada, &banktypes.MsgSend{FromAddress: ada.Address, ToAddress: bella.Address, Amount: shares(300_000)})
	m.Must(ada, &banktypes.MsgSend{FromAddress: ada.Address, ToAddress: carlo.Address, Amount: shares(200_000)})
}

// TestABuyout: dora bids $0.0001 a share for all, if 600,000 are tendered.
func TestABuyout(t *testing.T) {
	m := newMarket(t)
	spread(m)
	bid := func(least uint64) *sharev1.MsgBid {
		return &sharev1.MsgBid{Bidder: dora.Address, Model: "bard", Price: 100_000_000, Least: least, Deadline: m.Time.Add(time.Hour).Unix()}
	}
	tender := func(from ledgertest.Account, n uint64) *sharev1.MsgTender {
		return &sharev1.MsgTender{Holder: from.Address, Shares: n}
	}
	m.Must(dora, bid(600_000))
	if got := m.Balance(dora.Address, "ucredit"); got != ledgertest.Credit-100_000_000 {
		t.Fatalf("dora has %d ucredit", got)
	}
	if err := m.Send(bella, tender(bella, 300_001)); !errors.Is(err, share.ErrTooFew) {
		t.Errorf("more than she has: %v", err)
	}
	m.Must(bella, tender(bella, 300_000))
	m.Must(carlo, tender(carlo, 100_000))
	m.Must(carlo, &sharev1.MsgTakeBack{Holder: carlo.Address, Shares: 40_000})
	if got := m.Balance(carlo.Address, bardShares); got != 140_000 || m.Balance(bella.Address, "ucredit") != ledgertest.Credit {
		t.Errorf("carlo has %d shares, bella %d ucredit", got, m.Balance(bella.Address, "ucredit"))
	}
	m.Ledger = m.Restart(nil)
	m.Must(ada, tender(ada, 240_000)) // enough
	m.Block(time.Second)
	for _, v := range []struct {
		who            ledgertest.Account
		shares, gained uint64
	}{{ada, 260_000, 24_000_000}, {bella, 0, 30_000_000}, {carlo, 140_000, 6_000_000}} {
		if got := m.Balance(v.who.Address, bardShares); got != v.shares || m.Balance(v.who.Address, "ucredit") != ledgertest.Credit+v.gained {
			t.Errorf("%s has %d shares, %d ucredit", v.who.Name, got, m.Balance(v.who.Address, "ucredit"))
		}
	}
	if got := m.Balance(dora.Address, bardShares); got != 600_000 {
		t.Errorf("dora has %d shares", got)
	}
	m.Must(carlo, tender(carlo, 140_000)) // who waited has the same price
	m.Block(2 * time.Hour)
	if got := m.Balance(carlo.Address, "ucredit"); got != ledgertest.Credit+20_000_000 {
		t.Errorf("carlo has %d ucredit", got)
	}
	if got := m.Balance(dora.Address, "ucredit"); got != ledgertest.Credit-74_000_000 {
		t.Errorf("dora has %d ucredit", got)
	}
	if err := m.Send(ada, tender(ada, 1_000)); !errors.Is(err, share.ErrNoBid) {
		t.Errorf("too late: %v", err)
	}

	// One that fails: everything goes back.
	m.Must(carlo, &banktypes.MsgSend{FromAddress: carlo.Address, ToAddress: dora.Address, Amount: sdk.NewCoins(sdk.NewInt64Coin("ucredit", 1))})
	failing := bid(400_000)
	if err := m.Send(dora, failing); !errors.Is(err, buyout.ErrTerms) {
		t.Errorf("for more than others have: %v", err)
	}
	failing.Least = 260_000
	m.Must(dora, failing)
	late := tender(ada, 100_000)
	late.Bid = 1
	m.Must(ada, late)
	m.Block(2 * time.Hour)
	m.Ledger = m.Restart(nil)
	m.Block(time.Second)
	if got := m.Balance(ada.Address, bardShares); got != 260_000 || m.Balance(dora.Address, "ucredit") != ledgertest.Credit-74_000_000+1 {
		t.Errorf("ada has %d shares, dora %d ucredit", got, m.Balance(dora.Address, "ucredit"))
	}
}

// TestOldVotesAreForgotten, and what stands is not: by then no proposal can ask.
func TestOldVotesAreForgotten(t *testing.T) {
	m := newMarket(t)
	notes := func() int {
		var s sharev1.GenesisState
		n := 0
		ledgertest.Edit(m.Ledger, m.Export(), share.ModuleName, &s, func(s *sharev1.GenesisState) { n = len(s.Powers) })
		return n
	}
	for range 30 {
		m.Must(ada, &banktypes.MsgSend{FromAddress: ada.Address, ToAddress: bella.Address, Amount: shares(1_000)})
		m.Must(bella, &banktypes.MsgSend{FromAddress: bella.Address, ToAddress: ada.Address, Amount: shares(1_000)})
	}
	before, when := notes(), m.Time.Unix()-5
	power := func(who string, at int64) uint64 {
		n, err := m.App.Share.Power(m.Context(), "bard", who, at)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	was := power(ada.Address, when)
	m.Block((ballot.MaxVoting - 60) * time.Second)
	if got := power(ada.Address, when); got != was || notes() != before {
		t.Errorf("forgotten too early: %d votes, %d; %d notes of %d", got, was, notes(), before)
	}
	m.Block(time.Hour)
	for range 5 {
		m.Block(time.Second)
	}
	if n := notes(); before < 100 || n != 2 { // all shares, and ada's
		t.Errorf("%d notes, of %d", n, before)
	}
	if power(ada.Address, m.Time.Unix()) != 1_000_000 || power("", m.Time.Unix()) != 1_000_000 {
		t.Error("votes that stand are gone")
	}
	m.Ledger = m.Restart(nil)
}

// TestAnEvaluationReleases: two of three of the council must find 0.7 or more.
func TestAnEvaluationReleases(t *testing.T) {
	m := newMarket(t)
	m.open(100_000_000, offeringv1.Milestone{Title: "good", Bps: 10_000, Proof: offeringv1.Proof_PROOF_EVALUATION, Benchmark: "mmlu", Score: 700_000})
	m.Must(bella, buy(bella, 0, 400_000_000))
	release := func() error {
		return m.Send(dora, &offeringv1.MsgRelease{Sender: dora.Address, Digest: ledgertest.Digest("bard")})
	}
	evaluate := func(who ledgertest.Account, score uint64) error {
		return m.Send(who, &offeringv1.MsgEvaluate{Member: who.Address, ModelDigest: ledgertest.Digest("bard"), Benchmark: "mmlu", Score: score})
	}
	if err := evaluate(carlo, 800_000); !errors.Is(err, offering.ErrMember) {
		t.Errorf("there is no council: %v", err)
	}
	if err := release(); !errors.Is(err, offering.ErrProof) {
		t.Errorf("without a council: %v", err)
	}
	m.Govern(&offeringv1.MsgSetCouncil{Authority: app.Authority(), Council: offeringv1.Council{Members: []string{carlo.Address, dora.Address, pia.Address}, Quorum: 2}})
	if err := errors.Join(evaluate(carlo, 800_000), evaluate(pia, 699_999)); err != nil {
		t.Fatal(err)
	}
	m.Ledger = m.Restart(nil)
	if err := release(); !errors.Is(err, offering.ErrProof) {
		t.Errorf("one of three: %v", err)
	}
	if err := errors.Join(evaluate(dora, 700_000), release()); err != nil {
		t.Error(err)
	}
	if got := m.Balance(ada.Address, "ucredit"); got != ledgertest.Credit+400_000_000 {
		t.Errorf("ada has %d ucredit", got)
	}
}
