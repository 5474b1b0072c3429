package curation_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	curationv1 "github.com/koinon/koinon/api/koinon/curation/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/curation"
	"github.com/koinon/koinon/internal/ledger/x/escrow"
	"github.com/koinon/koinon/internal/ledger/x/model"
	"github.com/koinon/koinon/internal/ledger/x/provider"
	rules "github.com/koinon/koinon/internal/mechanism/curation"
	"github.com/koinon/koinon/receipt"
)

var (
	alice, bob  = ledgertest.NewAccount("alice"), ledgertest.NewAccount("bob") // buyers
	carl, cora  = ledgertest.NewAccount("carl"), ledgertest.NewAccount("cora") // curators
	peter, olga = ledgertest.NewAccount("peter"), ledgertest.NewAccount("olga")
	anna        = ledgertest.NewAccount("anna") // an app
)

const koin, day = 1_000_000, 24 * time.Hour

var (
	bard    = "model/" + ledgertest.Digest("bard")
	sellers = "provider/" + peter.Address
	apps    = "app/" + anna.Address
)

type world struct {
	*ledgertest.Ledger
	t *testing.T
}

// newWorld has a model whose policy gives curators 6 % and the treasury 4 %.
func newWorld(t *testing.T) world {
	w := world{ledgertest.New(t, []ledgertest.Account{alice, bob, carl, cora, peter, olga, anna}, nil), t}
	version := ledgertest.Version(olga, "bard")
	version.Policy = modelv1.Policy{ProviderBps: 9000, CuratorsBps: 600, TreasuryBps: 400}
	w.Must(olga, version)
	w.Must(peter, ledgertest.Registration(peter))
	w.Must(alice, &escrowv1.MsgDeposit{Payer: alice.Address, Amount: 100_000_000, GrantKey: alice.Public()})
	return w
}

// spend lets alice pay peter an amount, and waits until all of it is paid out.
func (w world) spend(amount uint64) {
	w.t.Helper()
	digest, err := receipt.ParseDigest(ledgertest.Digest("bard"))
	if err != nil {
		w.t.Fatal(err)
	}
	chain := receipt.NewChain(sha256.Sum256([]byte(w.Time.String())), 1)
	g := receipt.Grant{
		ChainID: ledgertest.ChainID, Payer: alice.Address, Provider: peter.Address, Model: digest, App: anna.Address,
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
	w.Block(101 * time.Second) // the challenge window
}

func (w world) signal(from ledgertest.Account, listing string, amount uint64) error {
	return w.Send(from, &curationv1.MsgSignal{Curator: from.Address, Listing: listing, Amount: amount})
}

func (w world) holding(curator ledgertest.Account) []curationv1.Holding {
	w.t.Helper()
	r, err := curationv1.NewQueryClient(w.Conn()).Signals(context.Background(), &curationv1.QuerySignalsRequest{Curator: curator.Address})
	if err != nil {
		w.t.Fatal(err)
	}
	return r.Holdings
}

func (w world) ranking(kind string) []curationv1.Standing {
	w.t.Helper()
	r, err := curationv1.NewQueryClient(w.Conn()).Ranking(context.Background(), &curationv1.QueryRankingRequest{Kind: kind})
	if err != nil {
		w.t.Fatal(err)
	}
	return r.Standings
}

func TestSignalsEarnTheirListingsFees(t *testing.T) {
	w := newWorld(t)
	for _, s := range []struct {
		from    ledgertest.Account
		listing string
	}{{carl, bard}, {cora, bard}, {cora, sellers}} {
		if err := w.signal(s.from, s.listing, 100*koin); err != nil {
			t.Fatal(err)
		}
	}
	before := w.Balance(carl.Address, "ucredit")
	w.spend(10_000) // 200 for each of model, provider and app, on whom nobody signalled; less than 1 is dust
	carls, coras := w.holding(carl), w.holding(cora)
	if carls[0].Worth != 99*koin || carls[0].Fees != 141 || coras[0].Fees != 58 || coras[1].Fees != 199 {
		t.Errorf("carl: %+v\ncora: %+v", carls, coras)
	}
	w.Must(carl, &curationv1.MsgCollect{Curator: carl.Address, Listing: bard})
	if got := w.Balance(carl.Address, "ucredit") - before; got != 141 {
		t.Errorf("carl collected %d", got)
	}
	pool, err := w.App.Distribution.FeePool.Get(w.Context())
	if got := pool.CommunityPool.AmountOf("ucredit").TruncateInt().Uint64(); err != nil || got != 400+200 {
		t.Errorf("the treasury has %d ucredit: its part and the app's curators', %v", got, err)
	}
	again := world{w.Restart(nil), t}
	if got := again.holding(cora)[0].Fees; got != 58 {
		t.Errorf("after an export, cora's fees are %d", got)
	}
}

func TestLeavingTakesItsTime(t *testing.T) {
	w := newWorld(t)
	before := w.Balance(carl.Address, "ukoin")
	if err := w.signal(carl, bard, 100*koin); err != nil {
		t.Fatal(err)
	}
	spentOnGas := before - 100*koin - w.Balance(carl.Address, "ukoin")
	w.Must(carl, &curationv1.MsgLeave{Curator: carl.Address, Listing: bard, Amount: 40 * koin})
	w.Must(carl, &curationv1.MsgLeave{Curator: carl.Address, Listing: bard, Amount: 59 * koin})
	spentOnGas *= 3
	if held := w.holding(carl); len(held) != 0 {
		t.Errorf("still there: %+v", held)
	}
	w = world{w.Restart(nil), t}
	w.Block(7*day - 10*time.Second)
	if got := w.Balance(carl.Address, "ukoin"); got != before-100*koin-spentOnGas {
		t.Errorf("back already: %d", got)
	}
	w.Block(time.Minute)
	if got := w.Balance(carl.Address, "ukoin"); got != before-koin-spentOnGas {
		t.Errorf("carl has %d, want all but the tax and the gas, %d", got, before-koin-spentOnGas)
	}
	if err := w.Send(carl, &curationv1.MsgLeave{Curator: carl.Address, Listing: bard, Amount: 1}); !errors.Is(err, rules.ErrNoSignal) {
		t.Errorf("leaving again: %v", err)
	}
}

// TestConvictionSlashesCurators, and stakes on their way out with them, but not
// those on the model.
func TestConvictionSlashesCurators(t *testing.T) {
	w := newWorld(t)
	for _, c := range []ledgertest.Account{carl, cora} {
		if err := errors.Join(w.signal(c, sellers, 100*koin), w.signal(c, bard, 10*koin)); err != nil {
			t.Fatal(err)
		}
	}
	w.Must(cora, &curationv1.MsgLeave{Curator: cora.Address, Listing: sellers, Amount: 99 * koin})
	before := w.Balance(cora.Address, "ukoin")
	taken, err := w.App.Curation.Slash(w.Context(), peter.Address, 5000, "audit")
	if err != nil || taken != 99*koin {
		t.Fatalf("%d taken, %v", taken, err)
	}
	// A block would begin from what was committed; its end is made here.
	end := w.Context().WithBlockTime(w.Time.Add(8 * day))
	if err := curation.NewAppModule(w.App.Curation).EndBlock(end); err != nil {
		t.Fatal(err)
	}
	if err := w.App.Curation.CheckBooks(end); err != nil {
		t.Error(err)
	}
	if got := w.Balance(cora.Address, "ukoin") - before; got != 99*koin/2 {
		t.Errorf("cora has %d back", got)
	}
	if got := w.holding(carl); got[0].Worth != 99*koin/10 || got[1].Worth != 99*koin/2 {
		t.Errorf("carl has %+v", got)
	}
}

// TestOnlyWhoPaidRates, with the treasury's part of it as weight.
func TestOnlyWhoPaidRates(t *testing.T) {
	w := newWorld(t)
	rate := func(from ledgertest.Account, listing string, stars uint32) error {
		return w.Send(from, &curationv1.MsgRate{Payer: from.Address, Listing: listing, Stars: stars})
	}
	w.spend(10_000)
	for _, listing := range []string{bard, sellers, apps} {
		if err := rate(alice, listing, 4); err != nil {
			t.Errorf("%s: %v", listing, err)
		}
	}
	if err := rate(bob, bard, 1); !errors.Is(err, rules.ErrNotPaid) {
		t.Errorf("who paid nothing: %v", err)
	}
	if err := rate(peter, sellers, 5); !errors.Is(err, rules.ErrNotPaid) {
		t.Errorf("the provider itself: %v", err)
	}
	if err := rate(alice, bard, 6); !errors.Is(err, rules.ErrStars) {
		t.Errorf("six stars: %v", err)
	}
	w.spend(5_000)
	if err := rate(alice, bard, 2); err != nil {
		t.Fatal(err)
	}
	w = world{w.Restart(nil), t}
	if got := w.ranking("model")[0]; got.Rating != 2000 || got.Weight != 600 {
		t.Errorf("the model: %+v", got)
	}
	if got := w.ranking("provider")[0]; got.Rating != 4000 || got.Weight != 400 {
		t.Errorf("the provider: %+v", got)
	}
}

func TestRankingIsByStake(t *testing.T) {
	w := newWorld(t)
	small := ledgertest.Version(olga, "small")
	w.Must(olga, small)
	if err := errors.Join(w.signal(carl, bard, 5*koin), w.signal(cora, "model/"+small.Digest, 7*koin)); err != nil {
		t.Fatal(err)
	}
	if got := w.ranking("model"); len(got) != 2 || got[0].Listing != "model/"+small.Digest || got[1].Staked != 4_950_000 {
		t.Errorf("%+v", got)
	}
	if err := w.signal(carl, bard, 3*koin); err != nil {
		t.Fatal(err)
	}
	if got := w.ranking("model"); len(got) != 2 || got[0].Listing != bard {
		t.Errorf("after more: %+v", got)
	}
	if got := w.ranking("app"); len(got) != 0 {
		t.Errorf("apps: %+v", got)
	}
	for listing, want := range map[string]error{
		"model/" + ledgertest.Digest("none"): model.ErrNotFound, "provider/" + carl.Address: provider.ErrNotFound,
		"bard": curation.ErrListing, "web/x": curation.ErrListing,
	} {
		if err := w.signal(carl, listing, koin); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", listing, err, want)
		}
	}
	if err := w.signal(carl, bard, koin-1); !errors.Is(err, rules.ErrTooSmall) {
		t.Errorf("too small: %v", err)
	}
	if err := w.signal(carl, apps, koin); err != nil {
		t.Errorf("an app: %v", err)
	}
	params := curationv1.Params{TaxBps: 1001, MinSignal: 1}
	if err := w.Handle(&curationv1.MsgUpdateParams{Authority: w.Authority(), Params: params}); !errors.Is(err, rules.ErrParams) {
		t.Errorf("a tax of more than 10 %%: %v", err)
	}
	if err := w.Handle(&curationv1.MsgUpdateParams{Authority: carl.Address, Params: params}); !errors.Is(err, curation.ErrAuthority) {
		t.Errorf("parameters of nobody's: %v", err)
	}
}
