package model_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/escrow"
	"github.com/koinon/koinon/internal/ledger/x/model"
	"github.com/koinon/koinon/internal/ledger/x/provider"
	"github.com/koinon/koinon/internal/ledger/x/share"
	rules "github.com/koinon/koinon/internal/mechanism/share"
	"github.com/koinon/koinon/receipt"
)

var (
	ada, bea, carl = ledgertest.NewAccount("ada"), ledgertest.NewAccount("bea"), ledgertest.NewAccount("carl")
	alice, peter   = ledgertest.NewAccount("alice"), ledgertest.NewAccount("peter")
)

const bard, shares = "@ada/bard", "share/ada/bard"

// world is a ledger on which ada has registered @ada/bard, whose owners get 15 %
// and whose derivatives owe it 5 %.
type world struct {
	*ledgertest.Ledger
	t *testing.T
}

func newWorld(t *testing.T) world {
	w := world{ledgertest.New(t, []ledgertest.Account{ada, bea, carl, olga, alice, peter}, nil), t}
	w.Must(ada, &modelv1.MsgRegisterNamespace{Owner: ada.Address, Name: "@ada"})
	v := ledgertest.Version(ada, bard)
	v.DerivativeBps = 500
	w.Must(ada, v)
	w.Must(peter, ledgertest.Registration(peter))
	w.Must(alice, &escrowv1.MsgDeposit{Payer: alice.Address, Amount: 100_000_000, GrantKey: alice.Public()})
	return w
}

// issue gives bea 50 shares, carl 30, and ada 20 that vest; 100 are for compute.
func (w world) issue() {
	now := w.Time.Unix()
	w.Must(ada, &sharev1.MsgIssue{Owner: ada.Address, Model: bard, Allocations: []sharev1.Allocation{
		{Holder: bea.Address, Shares: 50}, {Holder: carl.Address, Shares: 30},
		{Holder: ada.Address, Shares: 20, Start: now, Cliff: now + 500, End: now + 1000},
	}, Reserves: []sharev1.Reserve{{Contribution: sharev1.Contribution_CONTRIBUTION_COMPUTE, Shares: 100}}})
}

// spend lets alice pay peter an amount for a model version.
func (w world) spend(name string, amount uint64) {
	w.t.Helper()
	digest, err := receipt.ParseDigest(ledgertest.Digest(name))
	if err != nil {
		w.t.Fatal(err)
	}
	chain := receipt.NewChain(sha256.Sum256([]byte(w.Time.String())), 1)
	g := receipt.Grant{
		ChainID: ledgertest.ChainID, Payer: alice.Address, Provider: peter.Address, Model: digest,
		TicketValue: amount, Tickets: 1, Expiry: w.Time.Unix() + 600, Anchor: chain.Anchor(),
	}
	w.Must(peter, &escrowv1.MsgActivate{Provider: peter.Address, Grant: escrow.StoredGrant(g), Signature: g.Sign(alice.GrantKey).Signature})
	ticket, err := chain.Ticket(1)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Must(peter, &escrowv1.MsgRedeem{Provider: peter.Address, Redemptions: []escrowv1.Redemption{{
		Id: g.ID().Hex(), Index: 1, Ticket: ticket[:], ReceiptsRoot: ticket[:], Receipts: 1,
	}}})
}

// claim is what a holder is paid.
func (w world) claim(a ledgertest.Account) uint64 {
	w.t.Helper()
	before := w.Balance(a.Address, "ucredit")
	if err := w.Send(a, &sharev1.MsgClaim{Holder: a.Address, Model: bard}); err != nil && !errors.Is(err, rules.ErrNothing) {
		w.t.Fatal(err)
	}
	return w.Balance(a.Address, "ucredit") - before
}

func coins(amount int64) sdk.Coins { return sdk.NewCoins(sdk.NewCoin(shares, sdkmath.NewInt(amount))) }

func (w world) send(from, to ledgertest.Account, amount int64) error {
	return w.Send(from, &banktypes.MsgSend{FromAddress: from.Address, ToAddress: to.Address, Amount: coins(amount)})
}

func (w world) power(a ledgertest.Account, at int64) uint64 {
	w.t.Helper()
	r, err := sharev1.NewQueryClient(w.Conn()).Power(context.Background(), &sharev1.QueryPowerRequest{Model: bard, Voter: a.Address, At: at})
	if err != nil {
		w.t.Fatal(err)
	}
	return r.Shares
}

// Royalties are those of whoever held the shares when they came in.
func TestRoyaltiesFollowShares(t *testing.T) {
	w := newWorld(t)
	before := w.Balance(ada.Address, "ucredit")
	w.spend(bard, 1000)
	if got := w.Balance(ada.Address, "ucredit") - before; got != 150 {
		t.Errorf("without shares the owner is paid %d", got)
	}
	w.issue()
	w.spend(bard, 1000) // 150: bea 75, carl 45, ada 30
	if err := w.send(bea, carl, 51); err == nil {
		t.Error("bea sent more than she has")
	}
	if err := w.send(bea, olga, 25); err != nil {
		t.Fatal(err)
	}
	if err := w.Send(carl, &banktypes.MsgMultiSend{
		Inputs:  []banktypes.Input{{Address: carl.Address, Coins: coins(20)}},
		Outputs: []banktypes.Output{{Address: olga.Address, Coins: coins(5)}, {Address: bea.Address, Coins: coins(15)}},
	}); err != nil {
		t.Fatal(err)
	}
	w.spend(bard, 1001) // 150 again: bea 40 of 100 has 60, carl 10 has 15, olga 30 has 45, ada 20 has 30
	again := world{w.Restart(nil), t}
	for _, w := range []world{w, again} {
		for _, c := range []struct {
			who  ledgertest.Account
			want uint64
		}{{bea, 75 + 60}, {carl, 45 + 15}, {olga, 45}, {ada, 60}, {bea, 0}} {
			if got := w.claim(c.who); got != c.want {
				t.Errorf("%s claimed %d, not %d", c.who.Name, got, c.want)
			}
		}
	}
}

// A derivative's answers pay its author and those it comes from.
func TestDerivativesPayTheirParents(t *testing.T) {
	w := newWorld(t)
	w.issue()
	fork := ledgertest.Version(olga, "fork")
	fork.Parents = []string{ledgertest.Digest(bard)}
	if err := w.Send(olga, fork); !errors.Is(err, model.ErrPolicy) {
		t.Errorf("a policy that leaves nothing for the parents: %v", err)
	}
	fork.Policy.ProviderBps -= 500
	w.Must(olga, fork)
	olgas := w.Balance(olga.Address, "ucredit")
	w.spend("fork", 10_000)
	if got := w.Balance(olga.Address, "ucredit") - olgas; got != 1500 {
		t.Errorf("the derivative's author got %d", got)
	}
	if got := w.claim(bea); got != 250 { // half of 5 %
		t.Errorf("half of the parent's shares got %d", got)
	}
	// A parent that is withdrawn is no parent any more, yet still paid.
	status := func(s modelv1.Status) *modelv1.MsgSetStatus {
		return &modelv1.MsgSetStatus{Sender: ada.Address, Digest: ledgertest.Digest(bard), Status: s}
	}
	if err := w.Send(ada, status(modelv1.Status_STATUS_WITHDRAWN)); err == nil {
		t.Error("a listed version was withdrawn at once")
	}
	w.Must(ada, status(modelv1.Status_STATUS_DEPRECATED))
	w.Must(ada, status(modelv1.Status_STATUS_WITHDRAWN))
	if err := w.Send(peter, &providerv1.MsgSetOffer{Provider: peter.Address, ModelDigest: ledgertest.Digest(bard), MaxContext: 64, Slots: 1}); !errors.Is(err, provider.ErrNotSold) {
		t.Errorf("an offer of what is withdrawn: %v", err)
	}
	second := ledgertest.Version(olga, "second")
	second.Parents = fork.Parents
	if err := w.Send(olga, second); !errors.Is(err, model.ErrParent) {
		t.Errorf("a withdrawn parent: %v", err)
	}
	w.spend("fork", 10_000)
	if got := w.claim(bea); got != 250 {
		t.Errorf("half of the parent's shares got %d", got)
	}
}

func TestKeptSharesEarnAndVote(t *testing.T) {
	w := newWorld(t)
	w.issue()
	issued := w.Time.Unix()
	if err := w.send(ada, bea, 1); err == nil {
		t.Error("ada sold what has not vested")
	}
	w.Must(bea, &sharev1.MsgLock{Holder: bea.Address, Model: bard, Shares: 40, Until: w.Time.Unix() + 300})
	if err := w.send(bea, olga, 11); err == nil {
		t.Error("bea sold what is locked")
	}
	if err := w.Send(bea, &sharev1.MsgUnlock{Holder: bea.Address, Model: bard}); !errors.Is(err, rules.ErrLocked) {
		t.Errorf("unlocked early: %v", err)
	}
	w.Must(bea, &sharev1.MsgVest{From: bea.Address, Model: bard, Allocation: sharev1.Allocation{
		Holder: olga.Address, Shares: 5, Start: w.Time.Unix(), Cliff: w.Time.Unix(), End: w.Time.Unix() + 400,
	}})
	w.Must(olga, &sharev1.MsgDelegate{Holder: olga.Address, Model: bard, To: carl.Address})
	w.spend(bard, 1000)
	if b, o := w.claim(bea), w.claim(olga); b != 67 || o != 7 { // 45 and 5 of 150 by a hundred
		t.Errorf("bea claimed %d, olga %d", b, o)
	}
	if now, then := w.power(carl, 0), w.power(carl, issued); now != 35 || then != 30 || w.power(olga, 0) != 0 {
		t.Errorf("carl votes for %d, for %d when they were issued", now, then)
	}
	if err := w.send(carl, olga, 30); err != nil { // and so votes for them still
		t.Fatal(err)
	}
	if got := w.power(carl, 0); got != 35 {
		t.Errorf("carl votes for %d", got)
	}
	w.Block(600 * time.Second)
	w.Must(bea, &sharev1.MsgUnlock{Holder: bea.Address, Model: bard})
	w.Must(olga, &sharev1.MsgRelease{Holder: olga.Address, Model: bard, Id: 1})
	w.Must(ada, &sharev1.MsgRelease{Holder: ada.Address, Model: bard, Id: 0})
	if b, o, a := w.Balance(bea.Address, shares), w.Balance(olga.Address, shares), w.Balance(ada.Address, shares); b != 45 || o != 35 || a != 12 {
		t.Errorf("bea has %d shares, olga %d, ada %d", b, o, a)
	}
	w.Restart(nil)
}

// Only the reserve is minted, only once.
func TestContributionsAreMintedFromTheReserve(t *testing.T) {
	w := newWorld(t)
	w.issue()
	ctx, _ := w.Context().CacheContext()
	olgas, err := sdk.AccAddressFromBech32(olga.Address)
	if err != nil {
		t.Fatal(err)
	}
	mint := func(kind sharev1.Contribution, n uint64) error {
		return w.App.Share.MintContribution(ctx, bard, kind, olgas, n)
	}
	if err := mint(sharev1.Contribution_CONTRIBUTION_COMPUTE, 60); err != nil {
		t.Fatal(err)
	}
	if err := mint(sharev1.Contribution_CONTRIBUTION_COMPUTE, 41); !errors.Is(err, share.ErrReserve) {
		t.Errorf("more than is left: %v", err)
	}
	if err := mint(sharev1.Contribution_CONTRIBUTION_DATA, 1); !errors.Is(err, share.ErrReserve) {
		t.Errorf("what is not reserved: %v", err)
	}
	if err := w.App.Share.CheckBooks(ctx); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		name string
		msg  *sharev1.MsgIssue
		want error
	}{
		{"a second issue", &sharev1.MsgIssue{Owner: ada.Address, Model: bard, Allocations: []sharev1.Allocation{{Holder: ada.Address, Shares: 1}}}, share.ErrIssued},
		{"another's model", &sharev1.MsgIssue{Owner: olga.Address, Model: bard}, share.ErrNotOwner},
		{"no model", &sharev1.MsgIssue{Owner: olga.Address, Model: "none"}, model.ErrNoModel},
	} {
		if err := w.Handle(c.msg); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
