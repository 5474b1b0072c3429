package app_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand"
	"testing"
	"time"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	curationv1 "github.com/koinon/koinon/api/koinon/curation/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/escrow"
	"github.com/koinon/koinon/internal/ledger/x/model"
	"github.com/koinon/koinon/internal/ledger/x/provider"
	"github.com/koinon/koinon/internal/ledger/x/share"
	"github.com/koinon/koinon/receipt"
)

// history is what a seed makes of a ledger: two buyers and two providers do
// what they may, and some of what they may not.
func history(t *testing.T, seed int64, blocks int, prepare ...func(*app.App)) *ledgertest.Ledger {
	t.Helper()
	random := rand.New(rand.NewSource(seed))
	var people []ledgertest.Account
	for _, name := range []string{"alice", "bob", "peter", "paula", "olga"} {
		people = append(people, ledgertest.NewAccount(name))
	}
	buyers, providers, olga := people[:2], people[2:4], people[4]
	l := ledgertest.New(t, people, nil)
	for _, f := range prepare {
		f(l.App)
	}
	l.Must(olga, ledgertest.Version(olga, "bard", people[0]))
	issue := &sharev1.MsgIssue{Owner: olga.Address, Model: "bard"}
	for _, p := range people {
		issue.Allocations = append(issue.Allocations, sharev1.Allocation{Holder: p.Address, Shares: 1_000})
	}
	l.Must(olga, issue)
	for _, p := range providers {
		l.Must(p, ledgertest.Registration(p))
	}
	type open struct {
		grant receipt.Grant
		chain *receipt.Chain
		from  ledgertest.Account
	}
	var grants []open
	digest, err := receipt.ParseDigest(ledgertest.Digest("bard"))
	if err != nil {
		t.Fatal(err)
	}
	message := func() (ledgertest.Account, sdk.Msg) {
		buyer, seller := buyers[random.Intn(2)], providers[random.Intn(2)]
		switch random.Intn(14) {
		case 0, 1:
			return buyer, &escrowv1.MsgDeposit{Payer: buyer.Address, Amount: uint64(random.Intn(100_000)), GrantKey: buyer.Public()}
		case 2:
			return buyer, &escrowv1.MsgWithdraw{Payer: buyer.Address, Amount: uint64(random.Intn(50_000))}
		case 3, 4:
			chain := receipt.NewChain(sha256.Sum256(fmt.Append(nil, random.Int63())), 100)
			g := receipt.Grant{
				ChainID: ledgertest.ChainID, Payer: buyer.Address, Provider: seller.Address, Model: digest, TicketValue: 101,
				Tickets: 100, Expiry: l.Time.Unix() + 1 + random.Int63n(500), Anchor: chain.Anchor(),
			}
			grants = append(grants, open{g, chain, seller})
			return seller, &escrowv1.MsgActivate{Provider: seller.Address, Grant: escrow.StoredGrant(g), Signature: g.Sign(buyer.GrantKey).Signature}
		case 5:
			return seller, &providerv1.MsgBond{Provider: seller.Address, Amount: uint64(random.Intn(500))}
		case 7:
			return buyer, &curationv1.MsgSignal{Curator: buyer.Address, Listing: "model/" + digest.String(), Amount: uint64(1_000_000 + random.Intn(500))}
		case 8:
			return buyer, &curationv1.MsgRate{Payer: buyer.Address, Listing: "model/" + digest.String(), Stars: uint32(random.Intn(7))}
		case 9:
			return buyer, &curationv1.MsgLeave{Curator: buyer.Address, Listing: "model/" + digest.String(), Amount: uint64(random.Intn(2_000_000))}
		case 11:
			some := sdk.NewCoins(sdk.NewInt64Coin("share/_/bard", 1+random.Int63n(400)))
			return buyer, &banktypes.MsgSend{FromAddress: buyer.Address, ToAddress: people[random.Intn(5)].Address, Amount: some}
		case 12:
			return seller, &sharev1.MsgClaim{Holder: seller.Address, Model: "bard"}
		case 13:
			return seller, &sharev1.MsgLock{Holder: seller.Address, Model: "bard", Shares: uint64(random.Intn(200)), Until: l.Time.Unix() + 2000}
		case 6:
			return seller, &providerv1.MsgUnbond{Provider: seller.Address, Amount: uint64(random.Intn(300))}
		}
		if len(grants) == 0 {
			return seller, &providerv1.MsgSetOffer{Provider: seller.Address, ModelDigest: digest.String(), OutputPrice: 5, MaxContext: 64, Slots: 1}
		}
		g := grants[random.Intn(len(grants))]
		index := uint64(random.Intn(101))
		ticket, err := g.chain.Ticket(index)
		if err != nil {
			t.Fatal(err)
		}
		return g.from, &escrowv1.MsgRedeem{
			Provider: g.from.Address, Redemptions: []escrowv1.Redemption{{
				Id: g.grant.ID().Hex(), Index: index, Ticket: ticket[:],
				ReceiptsRoot: ticket[:], Receipts: index, Close: random.Intn(8) == 0,
			}},
		}
	}
	for range blocks {
		var txs []ledgertest.Tx
		for range random.Intn(6) {
			from, msg := message()
			txs = append(txs, ledgertest.Tx{From: from, Msgs: []sdk.Msg{msg}})
		}
		l.Block(time.Duration(1+random.Intn(30))*time.Second, txs...)
	}
	return l
}

// TestParallelExecutionSameHashes runs each history one transaction after the
// other, and side by side.
func TestParallelExecutionSameHashes(t *testing.T) {
	for seed := range int64(3) {
		a, b := history(t, seed, 40), history(t, seed, 40, (*app.App).ExecuteInParallel)
		for i := range a.Hashes {
			if !bytes.Equal(a.Hashes[i], b.Hashes[i]) {
				t.Fatalf("seed %d: block %d has hash %x, executed in parallel %x", seed, i+1, a.Hashes[i], b.Hashes[i])
			}
		}
	}
}

// TestSameHistorySameHashes runs each history twice: maps, clocks and chance
// must not reach the state.
func TestSameHistorySameHashes(t *testing.T) {
	for seed := range int64(3) {
		a, b := history(t, seed, 40), history(t, seed, 40)
		for i := range a.Hashes {
			if !bytes.Equal(a.Hashes[i], b.Hashes[i]) {
				t.Fatalf("seed %d: block %d has hashes %x and %x", seed, i+1, a.Hashes[i], b.Hashes[i])
			}
		}
	}
	if a, b := history(t, 1, 40), history(t, 2, 40); bytes.Equal(a.Hashes[40], b.Hashes[40]) {
		t.Fatal("two histories have one hash: the test cannot fail")
	}
}

// own are the modules whose state only our messages change.
var own = []string{model.ModuleName, share.ModuleName, provider.ModuleName, escrow.ModuleName}

// TestExportedStateBeginsTheSameLedger exports a ledger in the midst of things,
// begins another from it, and compares the two then and when all is settled.
func TestExportedStateBeginsTheSameLedger(t *testing.T) {
	for seed := range int64(3) {
		old := history(t, seed, 40)
		next := old.Restart(nil)
		old.Block(time.Second) // Restart makes one too
		compare := func(when string) {
			t.Helper()
			a, b := old.Export(), next.Export()
			for _, name := range own {
				if !bytes.Equal(a[name], b[name]) {
					t.Fatalf("seed %d: %s: %s differs:\n%s\n%s", seed, when, name, a[name], b[name])
				}
			}
			if x, y := credits(t, old, a), credits(t, next, b); x != y {
				t.Fatalf("seed %d: %s: balances differ:\n%s\n%s", seed, when, x, y)
			}
		}
		if state := old.Export(); len(state[escrow.ModuleName]) < 2000 {
			t.Fatalf("seed %d: hardly any state to compare: %s", seed, state[escrow.ModuleName])
		}
		compare("at once")
		for range 4 {
			old.Block(150 * time.Second)
			next.Block(150 * time.Second)
			compare("later")
		}
	}
}

// credits are all balances of ucredit in a state.
func credits(t *testing.T, l *ledgertest.Ledger, state app.Genesis) string {
	t.Helper()
	var bank banktypes.GenesisState
	if err := l.App.Codec.UnmarshalJSON(state[banktypes.ModuleName], &bank); err != nil {
		t.Fatal(err)
	}
	out := map[string]sdkmath.Int{}
	for _, b := range bank.Balances {
		if amount := b.Coins.AmountOf(escrow.CreditDenom); amount.IsPositive() {
			out[b.Address] = amount
		}
	}
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestUnbalancedGenesisIsRefused takes a micro-unit from each module's books.
func TestUnbalancedGenesisIsRefused(t *testing.T) {
	l := history(t, 1, 20)
	for name, change := range map[string]func(app.Genesis){
		escrow.ModuleName: func(g app.Genesis) {
			ledgertest.Edit(l, g, escrow.ModuleName, &escrowv1.GenesisState{}, func(s *escrowv1.GenesisState) { s.Escrows[0].Available++ })
		},
		share.ModuleName: func(g app.Genesis) {
			ledgertest.Edit(l, g, share.ModuleName, &sharev1.GenesisState{}, func(s *sharev1.GenesisState) { s.Issues[0].Held++ })
		},
		provider.ModuleName: func(g app.Genesis) {
			ledgertest.Edit(l, g, provider.ModuleName, &providerv1.GenesisState{}, func(s *providerv1.GenesisState) { s.Providers[0].Bond++ })
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: a genesis with money from nowhere was accepted", name)
				}
			}()
			l.Restart(change)
		}()
	}
}
