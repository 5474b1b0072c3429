package app_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	accessv1 "github.com/koinon/koinon/api/koinon/access/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/access"
	"github.com/koinon/koinon/internal/ledger/x/escrow"
	rules "github.com/koinon/koinon/internal/mechanism/access"
	"github.com/koinon/koinon/receipt"
)

// door is a market at which pia serves bard, and dora and carlo have credit in escrow.
type door struct {
	*market
	grants int
}

func newDoor(t *testing.T) *door {
	d := &door{market: newMarket(t)}
	d.Must(pia, ledgertest.Registration(pia), &providerv1.MsgSetOffer{
		Provider: pia.Address, ModelDigest: ledgertest.Digest("bard"), InputPrice: 100_000, OutputPrice: 400_000, MaxContext: 512, Slots: 1,
	})
	for _, a := range []ledgertest.Account{dora, carlo} {
		d.Must(a, &escrowv1.MsgDeposit{Payer: a.Address, Amount: 10_000_000, GrantKey: a.Public()})
	}
	return d
}

// promise is a grant with the chain that pays on it.
type promise struct {
	receipt.Grant
	chain *receipt.Chain
}

// activate has pia activate a grant of ten tickets under a right.
func (d *door) activate(payer ledgertest.Account, right string, calls uint64) (promise, error) {
	d.t.Helper()
	digest, err := receipt.ParseDigest(ledgertest.Digest("bard"))
	if err != nil {
		d.t.Fatal(err)
	}
	d.grants++
	chain := receipt.NewChain(sha256.Sum256(fmt.Append(nil, d.grants)), 10)
	g := receipt.Grant{
		ChainID: ledgertest.ChainID, Payer: payer.Address, Provider: pia.Address, Model: digest, TicketValue: 1_000, Tickets: 10,
		Expiry: d.Time.Unix() + 600, Anchor: chain.Anchor(), Right: right, Calls: calls,
	}
	return promise{g, chain}, d.Send(pia, &escrowv1.MsgActivate{Provider: pia.Address, Grant: escrow.StoredGrant(g), Signature: g.Sign(payer.GrantKey).Signature})
}

// redeem pays tickets of a grant on which so many calls have been made.
func (d *door) redeem(p promise, index, receipts uint64, closing bool) {
	d.t.Helper()
	ticket, err := p.chain.Ticket(index)
	if err != nil {
		d.t.Fatal(err)
	}
	d.Must(pia, &escrowv1.MsgRedeem{Provider: pia.Address, Redemptions: []escrowv1.Redemption{{
		Id: p.ID().Hex(), Index: index, Ticket: ticket[:], ReceiptsRoot: make([]byte, 32), Receipts: receipts, Close: closing,
	}}})
}

func (d *door) token(id uint64) accessv1.Token {
	d.t.Helper()
	r, err := accessv1.NewQueryClient(d.Conn()).Token(context.Background(), &accessv1.QueryTokenRequest{Id: id})
	if err != nil {
		d.t.Fatal(err)
	}
	return r.Token
}

func (d *door) gate(accounts ...string) {
	d.t.Helper()
	d.Must(ada, &accessv1.MsgSetPolicy{Owner: ada.Address, Policy: accessv1.Policy{Digest: ledgertest.Digest("bard"), Gated: true, Accounts: accounts}})
}

// TestTokensAdmit follows a token of five calls and an hour from its sale to its
// end, through a ledger that begins anew in the middle.
func TestTokensAdmit(t *testing.T) {
	d := newDoor(t)
	if _, err := d.activate(dora, "", 0); err != nil {
		t.Fatalf("an open version: %v", err)
	}
	if err := d.Send(dora, &accessv1.MsgSetPolicy{Owner: dora.Address, Policy: accessv1.Policy{Digest: ledgertest.Digest("bard"), Gated: true}}); !errors.Is(err, access.ErrOwner) {
		t.Errorf("a stranger gates it: %v", err)
	}
	d.gate(carlo.Address)
	if _, err := d.activate(dora, "", 0); !errors.Is(err, rules.ErrGated) {
		t.Errorf("no right: %v", err)
	}
	if _, err := d.activate(carlo, rules.Listed, 0); err != nil {
		t.Errorf("listed: %v", err)
	}
	d.Must(ada, &accessv1.MsgOpenPlan{Owner: ada.Address, Digest: ledgertest.Digest("bard"), Calls: 5, Seconds: 3600, Price: 2_000_001, Transferable: true})
	before, pool := d.Balance(dora.Address, "ucredit"), d.treasury()
	d.Must(dora, &accessv1.MsgBuy{Buyer: dora.Address, Plan: 1})
	if paid := before - d.Balance(dora.Address, "ucredit"); paid != 2_000_001 {
		t.Errorf("%d ucredit were paid", paid)
	}
	// A tenth is the treasury's, and what rounding leaves; the rest is the shareholders'.
	if had := d.treasury() - pool; had != 200_001 {
		t.Errorf("the treasury has %d more", had)
	}
	right := rules.Right(1)
	first, err := d.activate(dora, right, 3)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		payer ledgertest.Account
		right string
		calls uint64
		want  error
	}{
		"too many":      {dora, right, 3, rules.ErrCalls},
		"any number":    {dora, right, 0, rules.ErrUnbound},
		"not the payer": {carlo, right, 1, rules.ErrHolder},
		"none":          {dora, rules.Right(9), 1, access.ErrNoToken},
	} {
		if _, err := d.activate(c.payer, c.right, c.calls); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	transfer := &accessv1.MsgTransfer{Holder: dora.Address, Token: 1, To: carlo.Address}
	if err := d.Send(dora, transfer); !errors.Is(err, rules.ErrInUse) {
		t.Errorf("a token in use moves: %v", err)
	}
	d.Ledger = d.Restart(nil)
	d.redeem(first, 4, 2, true) // of three calls, one was not made
	if k := d.token(1); k.Left != 3 || k.Reserved != 0 || k.Used != 2 || k.Grants != 0 {
		t.Errorf("%+v", k)
	}
	d.Must(dora, transfer)
	lapsing, err := d.activate(carlo, right, 1)
	if err != nil {
		t.Fatal(err)
	}
	d.Block(700 * time.Second) // past its expiry and grace
	d.Block(time.Second)
	if k := d.token(1); k.Left != 3 || k.Grants != 0 {
		t.Errorf("a grant for %d call that lapsed keeps it: %+v", lapsing.Calls, k)
	}
	d.Block(time.Hour)
	if _, err := d.activate(carlo, right, 1); !errors.Is(err, rules.ErrEnded) {
		t.Errorf("after its end: %v", err)
	}
	d.Must(ada, &accessv1.MsgClosePlan{Owner: ada.Address, Plan: 1})
	if err := d.Send(dora, &accessv1.MsgBuy{Buyer: dora.Address, Plan: 1}); !errors.Is(err, access.ErrClosed) {
		t.Errorf("a closed plan sells: %v", err)
	}
}

// treasury is what the community pool has, in ucredit.
func (d *door) treasury() uint64 {
	d.t.Helper()
	pool, err := d.App.Distribution.FeePool.Get(d.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return pool.CommunityPool.AmountOf("ucredit").TruncateInt().Uint64()
}

// TestCredentialsAdmit whom the model's owner signed them for, once and until they
// end.
func TestCredentialsAdmit(t *testing.T) {
	d := newDoor(t)
	d.gate()
	until := d.Time.Unix() + 1000
	issued := d.Time.Unix()
	present := func(signer ledgertest.Account, holder string, scope string, until int64) error {
		signed := rules.Credential{ChainID: ledgertest.ChainID, Scope: scope, Holder: holder, Until: until, Issued: issued}
		return d.Send(dora, &accessv1.MsgPresent{Holder: dora.Address, Credential: accessv1.Credential{
			Scope: scope, Holder: holder, Until: until, Issued: issued, Signature: signer.Sign(signed.Bytes()),
		}})
	}
	for name, err := range map[string]error{
		"somebody else's": present(ada, carlo.Address, "bard", until),
		"a forged one":    present(carlo, dora.Address, "bard", until),
		"one that ended":  present(ada, dora.Address, "bard", d.Time.Unix()),
	} {
		if !errors.Is(err, access.ErrCredential) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := present(ada, dora.Address, "bard", until); err != nil {
		t.Fatal(err)
	}
	if err := present(ada, dora.Address, "bard", until); !errors.Is(err, access.ErrPresented) {
		t.Errorf("shown twice: %v", err)
	}
	if _, err := d.activate(dora, rules.Right(1), 0); err != nil {
		t.Error(err)
	}
	if err := d.Send(dora, &accessv1.MsgTransfer{Holder: dora.Address, Token: 1, To: carlo.Address}); !errors.Is(err, rules.ErrFixed) {
		t.Errorf("it moves: %v", err)
	}

	// Taken back, neither the token nor another credential of that time admits, after a
	// restart from the exported state, too; one that is issued later does.
	if err := d.Send(carlo, &accessv1.MsgRevoke{Owner: carlo.Address, Scope: "bard", Holder: dora.Address}); !errors.Is(err, access.ErrOwner) {
		t.Errorf("taken back by a stranger: %v", err)
	}
	d.Must(ada, &accessv1.MsgRevoke{Owner: ada.Address, Scope: "bard", Holder: dora.Address})
	d.Ledger = d.Restart(nil)
	if _, err := d.activate(dora, rules.Right(1), 0); !errors.Is(err, rules.ErrEnded) {
		t.Errorf("a grant after that: %v", err)
	}
	if err := present(ada, dora.Address, "bard", until+1); !errors.Is(err, access.ErrRevoked) {
		t.Errorf("another credential of that time: %v", err)
	}
	issued = d.Time.Unix() + 1
	if err := present(ada, dora.Address, "bard", until); err != nil {
		t.Errorf("a later one: %v", err)
	}
}

// TestDiscounts: who holds a tenth of a model's shares has half of the treasury's
// part back, as the schedule says when its grant is activated.
func TestDiscounts(t *testing.T) {
	d := newDoor(t)
	params, err := escrowv1.NewQueryClient(d.Conn()).Params(context.Background(), &escrowv1.QueryParamsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	params.Params.Discounts = escrowv1.Discounts{
		Stake: []escrowv1.DiscountStep{{Least: 1_000_000, Bps: 1_000}}, Held: []escrowv1.DiscountStep{{Least: 1_000, Bps: 5_000}},
	}
	d.Govern(&escrowv1.MsgUpdateParams{Authority: d.Authority(), Params: params.Params})
	d.Must(ada, &banktypes.MsgSend{FromAddress: ada.Address, ToAddress: dora.Address, Amount: shares(100_000)})
	for _, c := range []struct {
		payer ledgertest.Account
		back  uint64
	}{{dora, 750}, {carlo, 0}} { // of $0.01, the treasury has a tenth, and an app that there is not a twentieth
		p, err := d.activate(c.payer, "", 0)
		if err != nil {
			t.Fatal(err)
		}
		d.Ledger = d.Restart(nil)
		d.redeem(p, 10, 1, false)
		r, err := escrowv1.NewQueryClient(d.Conn()).Escrow(context.Background(), &escrowv1.QueryEscrowRequest{Payer: c.payer.Address})
		if want := 10_000_000 - 10_000 + c.back; err != nil || r.Escrow.Available != want {
			t.Errorf("%s has %d, not %d: %v", c.payer.Name, r.Escrow.Available, want, err)
		}
	}
}
