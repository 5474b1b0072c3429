package escrow_test

import (
	"errors"
	"math"
	"testing"

	"github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/internal/mechanism/split"
	"github.com/koinon/koinon/receipt"
)

var testParams = escrow.Params{
	WithdrawDelay: 10, ChallengeWindow: 10, RedeemGrace: 10, MaxGrantSeconds: 100, MaxTickets: 10,
	FreeTxsPerWindow: 2, FreeWindowBlocks: 5,
}

// sound is an escrow of 1,000 and a grant of ten tickets of 10 on it, at time 100.
func sound() (escrow.Account, receipt.Grant, *receipt.Chain) {
	chain := receipt.NewChain([32]byte{7}, 10)
	return escrow.Account{Payer: "ada", GrantKey: public(key("ada", 0)), Available: 1000}, receipt.Grant{
		ChainID: chainID, Payer: "ada", Provider: "prov", Model: model,
		TicketValue: 10, Tickets: 10, Expiry: 150, Anchor: chain.Anchor(),
	}, chain
}

func TestActivationRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(*receipt.Grant, *escrow.Account)
		known  bool
		sender string
		want   error
	}{
		"sound":         {want: nil},
		"no provider":   {spoil: func(g *receipt.Grant, _ *escrow.Account) { g.Provider = "" }, want: receipt.ErrGrantField},
		"no value":      {spoil: func(g *receipt.Grant, _ *escrow.Account) { g.TicketValue = 0 }, want: receipt.ErrGrantValue},
		"overflow":      {spoil: func(g *receipt.Grant, _ *escrow.Account) { g.TicketValue = math.MaxUint64 }, want: receipt.ErrGrantOverflow},
		"another chain": {spoil: func(g *receipt.Grant, _ *escrow.Account) { g.ChainID = "other" }, want: escrow.ErrWrongChain},
		"another payer": {spoil: func(g *receipt.Grant, _ *escrow.Account) { g.Payer = "bob" }, want: escrow.ErrWrongPayer},
		"thief":         {sender: "thief", want: escrow.ErrWrongProvider},
		"known":         {known: true, want: escrow.ErrAlreadyActive},
		"expired":       {spoil: func(g *receipt.Grant, _ *escrow.Account) { g.Expiry = 100 }, want: escrow.ErrGrantExpired},
		"too long":      {spoil: func(g *receipt.Grant, _ *escrow.Account) { g.Expiry = 201 }, want: escrow.ErrGrantTooLong},
		"many tickets":  {spoil: func(g *receipt.Grant, _ *escrow.Account) { g.Tickets = 11 }, want: escrow.ErrTooManyTickets},
		"no key":        {spoil: func(_ *receipt.Grant, a *escrow.Account) { a.GrantKey = nil }, want: escrow.ErrNoGrantKey},
		"another key":   {spoil: func(_ *receipt.Grant, a *escrow.Account) { a.GrantKey = public(key("bob", 0)) }, want: receipt.ErrGrantSignature},
		"poor":          {spoil: func(_ *receipt.Grant, a *escrow.Account) { a.Available = 99 }, want: escrow.ErrInsufficient},
	} {
		a, g, _ := sound()
		if c.spoil != nil {
			c.spoil(&g, &a)
		}
		sender := "prov"
		if c.sender != "" {
			sender = c.sender
		}
		after, _, err := escrow.Activate(testParams, a, c.known, g.Sign(key("ada", 0)), sender, chainID, 100)
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err != nil && after.Available != a.Available {
			t.Errorf("%s: a refusal moved money", name)
		}
	}
}

func TestRedemptionRefusals(t *testing.T) {
	ticket := func(i uint64) receipt.Digest {
		_, _, chain := sound()
		d, err := chain.Ticket(i)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	policy := split.Policy{ProviderBps: split.Whole}
	for name, c := range map[string]struct {
		r      escrow.Redemption
		sender string
		payer  string
		now    int64
		want   error
	}{
		"sound":         {r: escrow.Redemption{Index: 5, Ticket: ticket(5), Receipts: 2}},
		"at the end":    {r: escrow.Redemption{Index: 5, Ticket: ticket(5), Receipts: 2}, now: 159},
		"close only":    {r: escrow.Redemption{Index: 3, Receipts: 2, Close: true}},
		"too late":      {r: escrow.Redemption{Index: 5, Ticket: ticket(5), Receipts: 2}, now: 160, want: escrow.ErrGrantExpired},
		"thief":         {r: escrow.Redemption{Index: 5, Ticket: ticket(5), Receipts: 2}, sender: "ada", want: escrow.ErrWrongProvider},
		"another payer": {r: escrow.Redemption{Index: 5, Ticket: ticket(5), Receipts: 2}, payer: "bob", want: escrow.ErrWrongPayer},
		"past the end":  {r: escrow.Redemption{Index: 11, Ticket: ticket(5), Receipts: 2}, want: receipt.ErrTicketIndex},
		"again":         {r: escrow.Redemption{Index: 3, Ticket: ticket(3), Receipts: 2}, want: escrow.ErrNothingToRedeem},
		"older":         {r: escrow.Redemption{Index: 2, Ticket: ticket(2), Receipts: 2, Close: true}, want: escrow.ErrNothingToRedeem},
		"fewer":         {r: escrow.Redemption{Index: 5, Ticket: ticket(5), Receipts: 1}, want: escrow.ErrReceipts},
		"false ticket":  {r: escrow.Redemption{Index: 5, Ticket: ticket(4), Receipts: 2}, want: receipt.ErrTicketChain},
	} {
		a, signed, _ := sound()
		a, g, err := escrow.Activate(testParams, a, false, signed.Sign(key("ada", 0)), "prov", chainID, 100)
		if err != nil {
			t.Fatal(err)
		}
		a, g, _, _, err = escrow.Redeem(testParams, a, g, policy, escrow.Redemption{Index: 3, Ticket: ticket(3), Receipts: 2}, "prov", treasury, 110)
		if err != nil {
			t.Fatal(err)
		}
		if c.payer != "" {
			a.Payer = c.payer
		}
		sender, now := "prov", int64(120)
		if c.sender != "" {
			sender = c.sender
		}
		if c.now != 0 {
			now = c.now
		}
		_, _, _, _, err = escrow.Redeem(testParams, a, g, policy, c.r, sender, treasury, now)
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestParamsAndIssuerRefusals(t *testing.T) {
	if err := testParams.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*escrow.Params){
		"negative delay":  func(p *escrow.Params) { p.WithdrawDelay = -1 },
		"endless window":  func(p *escrow.Params) { p.ChallengeWindow = math.MaxInt64 },
		"no grants":       func(p *escrow.Params) { p.MaxGrantSeconds = 0 },
		"no tickets":      func(p *escrow.Params) { p.MaxTickets = 0 },
		"endless tickets": func(p *escrow.Params) { p.MaxTickets = 1<<24 + 1 },
		"no window":       func(p *escrow.Params) { p.FreeWindowBlocks = 0 },
	} {
		p := testParams
		spoil(&p)
		if err := p.Validate(); !errors.Is(err, escrow.ErrParams) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (escrow.Issuer{Address: "a"}).Validate(); !errors.Is(err, escrow.ErrIssuerField) {
		t.Error(err)
	}
}

// A buyer's gas-free transactions are counted in windows of blocks.
func TestFreeUseIsLimitedInEachWindow(t *testing.T) {
	var u escrow.FreeUse
	for _, step := range []struct {
		height int64
		want   error
	}{{5, nil}, {6, nil}, {9, escrow.ErrFreeLimit}, {10, nil}, {14, nil}, {14, escrow.ErrFreeLimit}, {25, nil}} {
		next, err := escrow.UseFree(testParams, u, step.height)
		if !errors.Is(err, step.want) || step.want == nil && err != nil {
			t.Errorf("height %d: %v, want %v", step.height, err, step.want)
		}
		if err == nil {
			u = next
		}
	}
}
