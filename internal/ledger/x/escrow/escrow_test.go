package escrow_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	distributiontypes "github.com/cosmos/cosmos-sdk/x/distribution/types"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/escrow"
	rules "github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/receipt"
)

// The people of these tests.
var (
	alice    = ledgertest.NewAccount("alice") // pays
	bob      = ledgertest.NewAccount("bob")   // pays
	peter    = ledgertest.NewAccount("peter") // provides
	paula    = ledgertest.NewAccount("paula") // provides
	olga     = ledgertest.NewAccount("olga")  // owns the model
	dora     = ledgertest.NewAccount("dora")  // contributed data
	anna     = ledgertest.NewAccount("anna")  // wrote the app
	everyone = []ledgertest.Account{alice, bob, peter, paula, olga, dora, anna}
)

// world is a ledger with a model, two providers and one payer's deposit.
type world struct {
	*ledgertest.Ledger
	tb ledgertest.TB
}

const deposited = 1_000_000

func newWorld(tb ledgertest.TB) world {
	tb.Helper()
	w := world{ledgertest.New(tb, everyone, nil), tb}
	w.Must(olga, ledgertest.Version(olga, "bard", dora))
	w.Must(peter, ledgertest.Registration(peter))
	w.Must(paula, ledgertest.Registration(paula))
	w.Must(alice, deposit(alice, deposited))
	return w
}

func deposit(payer ledgertest.Account, amount uint64) *escrowv1.MsgDeposit {
	return &escrowv1.MsgDeposit{Payer: payer.Address, Amount: amount, GrantKey: payer.Public()}
}

// promise is a grant and the chain that pays on it.
type promise struct {
	receipt.SignedGrant
	chain *receipt.Chain
}

// grant signs a grant of tickets of 100 ucredit for ten minutes; change, if not
// nil, adapts it before it is signed.
func (w world) grant(payer, provider ledgertest.Account, tickets uint64, change func(*receipt.Grant)) promise {
	w.tb.Helper()
	model, err := receipt.ParseDigest(ledgertest.Digest("bard"))
	if err != nil {
		w.tb.Fatalf("model: %v", err)
	}
	chain := receipt.NewChain(sha256.Sum256(fmt.Append(nil, payer.Name, provider.Name, w.Height, tickets)), tickets)
	g := receipt.Grant{
		ChainID: ledgertest.ChainID, Payer: payer.Address, Provider: provider.Address, Model: model, App: anna.Address,
		TicketValue: 100, Tickets: tickets, Expiry: w.Time.Unix() + 600, Anchor: chain.Anchor(),
	}
	if change != nil {
		change(&g)
	}
	return promise{g.Sign(payer.GrantKey), chain}
}

func (p promise) activate() *escrowv1.MsgActivate {
	return &escrowv1.MsgActivate{Provider: p.Provider, Grant: escrow.StoredGrant(p.Grant), Signature: p.Signature}
}

func (p promise) redeem(index uint64) *escrowv1.MsgRedeem {
	r := escrowv1.Redemption{Id: p.ID().Hex(), Index: index, Receipts: index, ReceiptsRoot: make([]byte, 32)}
	if ticket, err := p.chain.Ticket(index); err == nil {
		r.Ticket = ticket[:]
	}
	return &escrowv1.MsgRedeem{Provider: p.Provider, Redemptions: []escrowv1.Redemption{r}}
}

// from is a message sent by another.
func from(sender ledgertest.Account, msg *escrowv1.MsgRedeem) *escrowv1.MsgRedeem {
	msg.Provider = sender.Address
	return msg
}

// batch is one message of several.
func batch(msgs ...*escrowv1.MsgRedeem) *escrowv1.MsgRedeem {
	all := &escrowv1.MsgRedeem{Provider: msgs[0].Provider}
	for _, m := range msgs {
		all.Redemptions = append(all.Redemptions, m.Redemptions...)
	}
	return all
}

// escrow is a payer's, empty if there is none.
func (w world) escrow(payer ledgertest.Account) escrowv1.Escrow {
	r, err := escrowv1.NewQueryClient(w.Conn()).Escrow(context.Background(), &escrowv1.QueryEscrowRequest{Payer: payer.Address})
	if err != nil {
		return escrowv1.Escrow{Payer: payer.Address}
	}
	return r.Escrow
}

// treasury is the community pool's credit.
func (w world) treasury() uint64 {
	pool, err := w.App.Distribution.FeePool.Get(w.Context())
	if err != nil {
		w.tb.Fatalf("community pool: %v", err)
	}
	return pool.CommunityPool.AmountOf(escrow.CreditDenom).TruncateInt().Uint64()
}

func (w world) credit(a ledgertest.Account) uint64 { return w.Balance(a.Address, escrow.CreditDenom) }

// TestRedemptionReachesEverybody follows one micro-credit at a time from a
// deposit through a redemption to everybody that it pays (DESIGN section 4).
func TestRedemptionReachesEverybody(t *testing.T) {
	w := newWorld(t)
	before := map[string]uint64{}
	for _, a := range everyone {
		before[a.Name] = w.credit(a)
	}
	p := w.grant(alice, peter, 50, nil)
	w.Must(peter, p.activate())
	if e := w.escrow(alice); e.Available != deposited-5000 || e.Locked != 5000 {
		t.Fatalf("after activation: %+v", e)
	}
	w.Must(peter, p.redeem(33))
	gains := func() map[string]uint64 {
		now := map[string]uint64{"treasury": w.treasury()}
		for _, a := range everyone {
			if gain := w.credit(a) - before[a.Name]; gain != 0 {
				now[a.Name] = gain
			}
		}
		return now
	}
	// 3300 ucredit: 70 % provider, 15 % owner, 5 % each of data, app, treasury.
	if got, want := fmt.Sprint(gains()), "map[anna:165 dora:165 olga:495 treasury:165]"; got != want {
		t.Fatalf("at once: %s, want %s", got, want)
	}
	w.Block(98 * time.Second)
	if got := w.credit(peter) - before["peter"]; got != 0 {
		t.Fatalf("the provider has %d ucredit before the challenge window is over", got)
	}
	w.Block(2 * time.Second)
	if got, want := fmt.Sprint(gains()), "map[anna:165 dora:165 olga:495 peter:2310 treasury:165]"; got != want {
		t.Fatalf("after the challenge window: %s, want %s", got, want)
	}
	// The grant lapses thirty seconds after it expires, by itself.
	w.Block(time.Duration(p.Expiry-w.Time.Unix()+29) * time.Second)
	if e := w.escrow(alice); e.Locked != 1700 {
		t.Fatalf("within the grace: %+v", e)
	}
	w.Block(time.Second)
	if e := w.escrow(alice); e.Locked != 0 || e.Available != deposited-3300 {
		t.Fatalf("after the lapse: %+v", e)
	}
}

func TestSettledTwiceOrReplayedPaysOnce(t *testing.T) {
	w := newWorld(t)
	p := w.grant(alice, peter, 50, nil)
	w.Must(peter, p.activate())
	w.Must(peter, p.redeem(10))
	for name, msg := range map[string]sdk.Msg{"activation": p.activate(), "redemption": p.redeem(10), "older redemption": p.redeem(9)} {
		want := rules.ErrNothingToRedeem
		if name == "activation" {
			want = rules.ErrAlreadyActive
		}
		if err := w.Send(peter, msg); !errors.Is(err, want) {
			t.Errorf("%s again: %v, want %v", name, err, want)
		}
	}
	closing := p.redeem(12)
	closing.Redemptions[0].Close = true
	w.Must(peter, closing)
	if e := w.escrow(alice); e.Locked != 0 || e.Available != deposited-1200 {
		t.Fatalf("after the close: %+v", e)
	}
	if err := w.Send(peter, p.redeem(13)); !errors.Is(err, rules.ErrGrantClosed) {
		t.Errorf("redemption of a closed grant: %v", err)
	}
	if err := w.Send(peter, p.activate()); !errors.Is(err, rules.ErrAlreadyActive) {
		t.Errorf("activation of a closed grant: %v", err)
	}
	// Forgotten, it has expired.
	w.Block(700 * time.Second)
	if err := w.Send(peter, p.activate()); !errors.Is(err, rules.ErrGrantExpired) {
		t.Errorf("activation of a forgotten grant: %v", err)
	}
}

func TestActivationIsRefused(t *testing.T) {
	w := newWorld(t)
	good := w.grant(alice, peter, 50, nil)
	change := func(f func(*receipt.Grant)) sdk.Msg { return w.grant(alice, peter, 50, f).activate() }
	forged := good.activate()
	forged.Signature = good.Grant.Sign(bob.GrantKey).Signature
	raised := good.activate()
	raised.Grant.TicketValue++
	stolen := good.activate()
	stolen.Provider = paula.Address
	for _, c := range []struct {
		name string
		from ledgertest.Account
		msg  sdk.Msg
		want error
	}{
		{"another key", peter, forged, receipt.ErrGrantSignature},
		{"changed after signing", peter, raised, receipt.ErrGrantSignature},
		{"another provider's", paula, stolen, rules.ErrWrongProvider},
		{"another chain's", peter, change(func(g *receipt.Grant) { g.ChainID = "koinon-2" }), rules.ErrWrongChain},
		{"of nothing", peter, change(func(g *receipt.Grant) { g.TicketValue = 0 }), receipt.ErrGrantValue},
		{"overflowing", peter, change(func(g *receipt.Grant) { g.TicketValue = 1 << 63 }), receipt.ErrGrantOverflow},
		{"beyond the escrow", peter, change(func(g *receipt.Grant) { g.TicketValue = deposited }), rules.ErrInsufficient},
		{"expired", peter, change(func(g *receipt.Grant) { g.Expiry = w.Time.Unix() }), rules.ErrGrantExpired},
		{"too far ahead", peter, change(func(g *receipt.Grant) { g.Expiry += 4000 }), rules.ErrGrantTooLong},
		{"too many tickets", peter, change(func(g *receipt.Grant) { g.Tickets, g.TicketValue = 1<<16+1, 1 }), rules.ErrTooManyTickets},
		{"payer without escrow", peter, w.grant(bob, peter, 50, nil).activate(), rules.ErrNoGrantKey},
		{"app of no address", peter, change(func(g *receipt.Grant) { g.App = "nobody" }), account.ErrAddress},
	} {
		before := w.escrow(alice)
		if err := w.Send(c.from, c.msg); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if after := w.escrow(alice); !reflect.DeepEqual(after, before) {
			t.Errorf("%s: escrow went from %+v to %+v", c.name, before, after)
		}
	}
	w.Must(peter, good.activate())
}

func TestRedemptionIsRefused(t *testing.T) {
	w := newWorld(t)
	p := w.grant(alice, peter, 50, nil)
	w.Must(peter, p.activate())
	w.Must(peter, p.redeem(5))
	alter := func(index uint64, f func(*escrowv1.Redemption)) *escrowv1.MsgRedeem {
		msg := p.redeem(index)
		f(&msg.Redemptions[0])
		return msg
	}
	for _, c := range []struct {
		name string
		from ledgertest.Account
		msg  sdk.Msg
		want error
	}{
		{"ticket of another index", peter, alter(7, func(m *escrowv1.Redemption) { m.Index = 8 }), receipt.ErrTicketChain},
		{"guessed ticket", peter, alter(7, func(m *escrowv1.Redemption) { m.Ticket = make([]byte, 32) }), receipt.ErrTicketChain},
		{"short ticket", peter, alter(7, func(m *escrowv1.Redemption) { m.Ticket = m.Ticket[:31] }), receipt.ErrDigest},
		{"beyond the grant", peter, p.redeem(51), receipt.ErrTicketIndex},
		{"far beyond the grant", peter, alter(7, func(m *escrowv1.Redemption) { m.Index = 1 << 63 }), receipt.ErrTicketIndex},
		{"fewer receipts", peter, alter(7, func(m *escrowv1.Redemption) { m.Receipts = 4 }), rules.ErrReceipts},
		{"another provider", paula, from(paula, p.redeem(7)), rules.ErrWrongProvider},
		{"the payer", alice, from(alice, p.redeem(7)), rules.ErrWrongProvider},
		{"no such grant", peter, alter(7, func(m *escrowv1.Redemption) { m.Id = receipt.Digest{1}.Hex() }), rules.ErrUnknownGrant},
		{"nothing", peter, &escrowv1.MsgRedeem{Provider: peter.Address}, rules.ErrBatch},
		{"too many", peter, batch(slices.Repeat([]*escrowv1.MsgRedeem{p.redeem(7)}, rules.MaxBatch+1)...), rules.ErrBatch},
	} {
		if err := w.Send(c.from, c.msg); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	w.Block(700 * time.Second)
	if err := w.Send(peter, p.redeem(7)); !errors.Is(err, rules.ErrUnknownGrant) {
		t.Errorf("after the lapse: %v", err)
	}
	if e := w.escrow(alice); e.Available != deposited-500 {
		t.Errorf("the payer lost more than five tickets: %+v", e)
	}
}

func TestDepositAndWithdraw(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name string
		from ledgertest.Account
		msg  sdk.Msg
		want error
	}{
		{"deposit of nothing", bob, deposit(bob, 0), rules.ErrZeroAmount},
		{"deposit that overflows", alice, deposit(alice, 1<<64-1), rules.ErrOverflow},
		{"first deposit without a key", bob, &escrowv1.MsgDeposit{Payer: bob.Address, Amount: 5}, rules.ErrNoGrantKey},
		{"key of the wrong length", bob, &escrowv1.MsgDeposit{Payer: bob.Address, Amount: 5, GrantKey: make([]byte, 33)}, rules.ErrGrantKey},
		{"withdrawal of nothing", alice, &escrowv1.MsgWithdraw{Payer: alice.Address}, rules.ErrZeroAmount},
		{"withdrawal of more than there is", alice, &escrowv1.MsgWithdraw{Payer: alice.Address, Amount: deposited + 1}, rules.ErrInsufficient},
		{"withdrawal without escrow", bob, &escrowv1.MsgWithdraw{Payer: bob.Address, Amount: 1}, rules.ErrInsufficient},
	} {
		if err := w.Send(c.from, c.msg); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if err := w.Send(bob, deposit(bob, ledgertest.Credit+1)); err == nil {
		t.Error("a deposit of more than the account has was accepted")
	}

	before := w.credit(alice)
	withdraw := ledgertest.Tx{From: alice, Msgs: []sdk.Msg{&escrowv1.MsgWithdraw{Payer: alice.Address, Amount: 700}}}
	results := w.Block(time.Second, withdraw, withdraw)
	if err := ledgertest.Error(results[0]); err != nil {
		t.Fatalf("withdrawal: %v", err)
	}
	if err := ledgertest.Error(results[1]); !errors.Is(err, rules.ErrWithdrawnAlready) {
		t.Errorf("second withdrawal in a block: %v", err)
	}
	w.Block(59 * time.Second)
	if w.credit(alice) != before {
		t.Error("a withdrawal was paid before its delay")
	}
	w.Block(time.Second)
	if got := w.credit(alice) - before; got != 700 {
		t.Errorf("%d ucredit were paid, want 700", got)
	}
}

// TestBuyersPayNoGas covers the fee-free messages and their limit.
func TestBuyersPayNoGas(t *testing.T) {
	w := newWorld(t)
	params := escrow.DefaultGenesis().Params
	params.FreeTxsPerWindow, params.FreeWindowBlocks = 2, 1000
	w.Govern(&escrowv1.MsgUpdateParams{Authority: w.Authority(), Params: params})
	koin := w.Balance(bob.Address, "ukoin")
	for range 2 {
		w.Must(bob, deposit(bob, 5))
	}
	if err := w.Send(bob, deposit(bob, 5)); !errors.Is(err, rules.ErrFreeLimit) {
		t.Errorf("third transaction in the window: %v", err)
	}
	if got := w.Balance(bob.Address, "ukoin"); got != koin {
		t.Errorf("the buyer paid %d ukoin", koin-got)
	}
	// Who pays is not held to the limit.
	fee := sdk.NewCoins(sdk.NewInt64Coin("ukoin", 1000))
	result := w.Block(time.Second, ledgertest.Tx{From: bob, Msgs: []sdk.Msg{deposit(bob, 5)}, Gas: 500_000, Fee: fee})
	if err := ledgertest.Error(result[0]); err != nil {
		t.Errorf("a deposit with a fee: %v", err)
	}
}

func TestOnlyGovernanceSetsParametersAndIssuers(t *testing.T) {
	w := newWorld(t)
	params := escrow.DefaultGenesis().Params
	for _, msg := range []sdk.Msg{
		&escrowv1.MsgUpdateParams{Authority: alice.Address, Params: params},
		&escrowv1.MsgSetIssuer{Authority: alice.Address, Address: alice.Address, Name: "alice", Cap: 1},
	} {
		if err := w.Send(alice, msg); !errors.Is(err, sdkerrors.ErrUnauthorized) {
			t.Errorf("%T in a transaction: %v", msg, err)
		}
		if err := w.Handle(msg); !errors.Is(err, escrow.ErrAuthority) {
			t.Errorf("%T from elsewhere: %v", msg, err)
		}
	}
}

func TestIssuersMintUnderTheirCap(t *testing.T) {
	w := newWorld(t)
	w.Govern(&escrowv1.MsgSetIssuer{Authority: w.Authority(), Address: bob.Address, Name: "Bob's bank", Cap: 100})
	mint := func(issuer ledgertest.Account, to string, amount uint64) *escrowv1.MsgMint {
		return &escrowv1.MsgMint{Issuer: issuer.Address, Recipient: to, Amount: amount}
	}
	w.Must(bob, mint(bob, alice.Address, 60))
	module := authtypes.NewModuleAddress(distributiontypes.ModuleName).String()
	for _, c := range []struct {
		name string
		from ledgertest.Account
		msg  sdk.Msg
		want error
	}{
		{"a stranger", alice, mint(alice, alice.Address, 1), rules.ErrNotIssuer},
		{"beyond the cap", bob, mint(bob, alice.Address, 41), rules.ErrIssuerCap},
		{"nothing", bob, mint(bob, alice.Address, 0), rules.ErrZeroAmount},
		{"to a module", bob, mint(bob, module, 1), escrow.ErrRecipient},
		{"to nobody", bob, mint(bob, "nobody", 1), account.ErrAddress},
		{"burning more than was minted", bob, &escrowv1.MsgBurn{Issuer: bob.Address, Amount: 61}, rules.ErrOverburn},
		{"overflowing the supply", w.Issuer, mint(w.Issuer, alice.Address, 1<<63), rules.ErrIssuerCap},
	} {
		if err := w.Send(c.from, c.msg); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	w.Must(bob, &escrowv1.MsgBurn{Issuer: bob.Address, Amount: 60})
	w.Must(bob, mint(bob, alice.Address, 100))
	// A cap below what is outstanding mints no more; what is out is not forgotten.
	w.Govern(&escrowv1.MsgSetIssuer{Authority: w.Authority(), Address: bob.Address, Name: "Bob's bank", Cap: 10})
	if err := w.Send(bob, mint(bob, alice.Address, 1)); !errors.Is(err, rules.ErrIssuerCap) {
		t.Errorf("above the lowered cap: %v", err)
	}
}
