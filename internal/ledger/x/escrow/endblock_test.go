package escrow_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	distributiontypes "github.com/cosmos/cosmos-sdk/x/distribution/types"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/escrow"
	"github.com/koinon/koinon/internal/ledger/x/model"
	"github.com/koinon/koinon/internal/ledger/x/provider"
	rules "github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/receipt"
)

// TestDuePayoutsArePaidInOrderSomeEachBlock gives a ledger more due payouts than
// one block pays.
func TestDuePayoutsArePaidInOrderSomeEachBlock(t *testing.T) {
	const payouts, perBlock = 2500, 2000
	old := newWorld(t)
	due := old.Time.Unix()
	l := old.Restart(func(g app.Genesis) {
		ledgertest.Edit(old.Ledger, g, escrow.ModuleName, &escrowv1.GenesisState{}, func(s *escrowv1.GenesisState) {
			for i := range payouts {
				s.Payouts = append(s.Payouts, escrowv1.Payout{
					// In the order of their time, which is not that of the list.
					DueAt: due + 1000 - int64(i/10), Source: fmt.Sprintf("test/%d", i), Recipient: bob.Address,
					Role: escrowv1.Role_ROLE_PROVIDER, Amount: 1, Provider: bob.Address,
				})
			}
			s.Issuers[0].Outstanding += payouts
		})
		ledgertest.Edit(old.Ledger, g, banktypes.ModuleName, &banktypes.GenesisState{}, func(s *banktypes.GenesisState) {
			s.Supply = nil // of the balances
			module := authtypes.NewModuleAddress(escrow.ModuleName).String()
			for i, b := range s.Balances {
				if b.Address == module {
					s.Balances[i].Coins = b.Coins.Add(sdk.NewInt64Coin(escrow.CreditDenom, payouts))
				}
			}
		})
	})
	before := l.Balance(bob.Address, escrow.CreditDenom)
	last := ""
	for block, want := range []uint64{perBlock, payouts, payouts} {
		l.Block(1000 * time.Second)
		if got := l.Balance(bob.Address, escrow.CreditDenom) - before; got != want {
			t.Fatalf("after %d blocks %d payouts were paid, want %d", block+1, got, want)
		}
		for _, e := range l.Events {
			if e.Type != "koinon.escrow.v1.EventPaid" {
				continue
			}
			source, _ := sdk.Event(e).GetAttribute("source")
			if last == "" && source.Value != `"test/2490"` {
				t.Fatalf("the first paid is %s, not one of the first due", source.Value)
			}
			last = source.Value
		}
	}
	if last != `"test/9"` {
		t.Errorf("the last paid is %s, not one of the last due", last)
	}
}

// TestAPolicyCannotStopTheLedger lets a version's owner be an account that the
// bank refuses to pay: its part goes to the treasury.
func TestAPolicyCannotStopTheLedger(t *testing.T) {
	w := newWorld(t)
	v := ledgertest.Version(olga, "trap")
	v.Policy.Owners[0].Address = authtypes.NewModuleAddress(distributiontypes.ModuleName).String()
	w.Must(olga, v)
	digest, err := receipt.ParseDigest(v.Digest)
	if err != nil {
		t.Fatal(err)
	}
	p := w.grant(alice, peter, 10, func(g *receipt.Grant) { g.Model, g.App = digest, "" })
	w.Must(peter, p.activate())
	w.Must(peter, p.redeem(10))
	// Owner 15 %, app 5 % as there is none, treasury 10 % of 1000.
	if got := w.treasury(); got != 300 {
		t.Errorf("the treasury has %d ucredit, want 300", got)
	}
}

// TestJailedProvidersTakeNoGrants and collect on those that they have.
func TestJailedProvidersTakeNoGrants(t *testing.T) {
	old := newWorld(t)
	p := old.grant(alice, peter, 50, nil)
	old.Must(peter, p.activate())
	w := world{old.Restart(func(g app.Genesis) {
		ledgertest.Edit(old.Ledger, g, provider.ModuleName, &providerv1.GenesisState{}, func(s *providerv1.GenesisState) {
			for i := range s.Providers {
				s.Providers[i].Status = providerv1.Status_STATUS_JAILED
			}
		})
	}), t}
	if err := w.Send(peter, w.grant(alice, peter, 40, nil).activate()); !errors.Is(err, provider.ErrJailed) {
		t.Errorf("activation by a jailed provider: %v", err)
	}
	w.Must(peter, p.redeem(5))
	for name, msg := range map[string]sdk.Msg{
		"offer":     &providerv1.MsgSetOffer{Provider: peter.Address, ModelDigest: ledgertest.Digest("bard"), MaxContext: 1, Slots: 1},
		"unbonding": &providerv1.MsgUnbond{Provider: peter.Address, Amount: 1},
		"update":    &providerv1.MsgUpdate{Provider: peter.Address, Status: providerv1.Status_STATUS_ACTIVE},
	} {
		if err := w.Send(peter, msg); !errors.Is(err, provider.ErrJailed) {
			t.Errorf("%s of a jailed provider: %v", name, err)
		}
	}
}

// TestStrangersTakeNoGrants covers accounts that are no providers and versions
// that nobody registered.
func TestStrangersTakeNoGrants(t *testing.T) {
	w := newWorld(t)
	if err := w.Send(bob, w.grant(alice, bob, 5, nil).activate()); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("a stranger's grant: %v", err)
	}
	unknown := w.grant(alice, peter, 5, func(g *receipt.Grant) { g.Model = receipt.Digest{1} })
	if err := w.Send(peter, unknown.activate()); !errors.Is(err, model.ErrNotFound) {
		t.Errorf("a grant for no model: %v", err)
	}
}

// TestRedemptionPaysForItsHashes compares the gas of a short and a long chain.
func TestRedemptionPaysForItsHashes(t *testing.T) {
	w := newWorld(t)
	p := w.grant(alice, peter, 9000, nil)
	w.Must(peter, p.activate())
	gas := func(index uint64) int64 {
		result := w.Block(time.Second, ledgertest.Tx{From: peter, Msgs: []sdk.Msg{p.redeem(index)}})[0]
		if err := ledgertest.Error(result); err != nil {
			t.Fatal(err)
		}
		return result.GasUsed
	}
	gas(1) // the first makes the entries that later ones change
	short, long := gas(2), gas(8002)
	if extra := long - short; extra < 8000*10 || extra > 8000*10+5000 {
		t.Errorf("8000 hashes cost %d gas, want ten each", extra)
	}
}

func TestBoundsOfParameters(t *testing.T) {
	good := escrow.DefaultGenesis().Params
	for name, change := range map[string]func(*escrowv1.Params){
		"negative delay":  func(p *escrowv1.Params) { p.WithdrawDelaySeconds = -1 },
		"endless window":  func(p *escrowv1.Params) { p.ChallengeWindowSeconds = 1 << 40 },
		"no tickets":      func(p *escrowv1.Params) { p.MaxTickets = 0 },
		"endless tickets": func(p *escrowv1.Params) { p.MaxTickets = 1 << 30 },
		"no free window":  func(p *escrowv1.Params) { p.FreeWindowBlocks = 0 },
	} {
		params := good
		change(&params)
		err := func() (err error) {
			defer func() { err, _ = recover().(error) }()
			w := newWorld(t)
			w.Restart(func(g app.Genesis) {
				ledgertest.Edit(w.Ledger, g, escrow.ModuleName, &escrowv1.GenesisState{}, func(s *escrowv1.GenesisState) { s.Params = params })
			})
			return nil
		}()
		if !errors.Is(err, rules.ErrParams) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
