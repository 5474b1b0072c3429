package escrow_test

import (
	"context"
	"errors"
	"testing"

	sdk "github.com/cosmos/cosmos-sdk/types"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	rules "github.com/koinon/koinon/internal/mechanism/escrow"
)

func (w world) outstanding() uint64 {
	r, err := escrowv1.NewQueryClient(w.Conn()).Issuers(context.Background(), &escrowv1.QueryIssuersRequest{})
	if err != nil || len(r.Issuers) != 1 {
		w.tb.Fatalf("issuers: %+v, %v", r, err)
	}
	return r.Issuers[0].Outstanding
}

// TestAReferenceMintsOnce across an export, and whatever the amount.
func TestAReferenceMintsOnce(t *testing.T) {
	w := newWorld(t)
	mint := func(reference string, amount uint64) sdk.Msg {
		return &escrowv1.MsgMint{Issuer: w.Issuer.Address, Recipient: bob.Address, Amount: amount, Reference: reference}
	}
	before, outstanding := w.credit(bob), w.outstanding()
	w.Must(w.Issuer, mint("evt_1", 700))
	w.Must(w.Issuer, mint("", 5), mint("", 5))
	for name, msg := range map[string]sdk.Msg{
		"again": mint("evt_1", 700), "with another amount": mint("evt_1", 1),
		"as a burn": &escrowv1.MsgBurn{Issuer: w.Issuer.Address, Amount: 1, Reference: "evt_1"},
	} {
		if err := w.Send(w.Issuer, msg); !errors.Is(err, rules.ErrReplayed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := w.Send(w.Issuer, mint("evt 2", 1)); !errors.Is(err, rules.ErrReference) {
		t.Errorf("a reference with a space: %v", err)
	}
	if got := w.credit(bob) - before; got != 710 || w.outstanding() != outstanding+710 {
		t.Errorf("minted %d, outstanding went from %d to %d", got, outstanding, w.outstanding())
	}
	after := world{w.Restart(nil), t}
	if err := after.Send(after.Issuer, mint("evt_1", 700)); !errors.Is(err, rules.ErrReplayed) {
		t.Errorf("after an export: %v", err)
	}
	e, err := escrowv1.NewQueryClient(after.Conn()).Entry(context.Background(), &escrowv1.QueryEntryRequest{Issuer: after.Issuer.Address, Reference: "evt_1"})
	if err != nil || e.Entry.Recipient != bob.Address || e.Entry.Amount != 700 || e.Entry.At == 0 {
		t.Errorf("what the issuer did under it: %+v, %v", e, err)
	}
}

// TestCashOut destroys the holder's credit at once, and is owed until its issuer
// settles it, once.
func TestCashOut(t *testing.T) {
	w := newWorld(t)
	out := func(from ledgertest.Account, amount uint64, to string) error {
		return w.Send(from, &escrowv1.MsgCashOut{Holder: from.Address, Issuer: w.Issuer.Address, Amount: amount, Destination: to})
	}
	before, outstanding := w.credit(bob), w.outstanding()
	for name, c := range map[string]struct {
		got, want error
	}{
		"nothing":              {out(bob, 0, "customer-1"), rules.ErrZeroAmount},
		"nowhere":              {out(bob, 1, ""), rules.ErrDestination},
		"more than the issuer": {out(bob, outstanding+1, "customer-1"), rules.ErrOverburn},
		"of no issuer":         {w.Send(bob, &escrowv1.MsgCashOut{Holder: bob.Address, Issuer: anna.Address, Amount: 1, Destination: "x"}), rules.ErrNotIssuer},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
	if err := out(bob, before+1, "customer-1"); err == nil {
		t.Error("more than the holder has")
	}
	if err := errors.Join(out(bob, 300, "customer-1"), out(bob, 200, "customer-1")); err != nil {
		t.Fatal(err)
	}
	if before-w.credit(bob) != 500 || outstanding-w.outstanding() != 500 {
		t.Errorf("the holder gave %d, the issuer answers for %d less", before-w.credit(bob), outstanding-w.outstanding())
	}

	w = world{w.Restart(nil), t}
	r, err := escrowv1.NewQueryClient(w.Conn()).CashOuts(context.Background(), &escrowv1.QueryCashOutsRequest{Issuer: w.Issuer.Address})
	if err != nil || len(r.CashOuts) != 2 || r.CashOuts[0].Amount != 300 || r.CashOuts[0].Destination != "customer-1" {
		t.Fatalf("owed: %+v, %v", r, err)
	}
	first := r.CashOuts[0].Id
	settle := func(from ledgertest.Account, payment string) error {
		return w.Send(from, &escrowv1.MsgSettle{Issuer: from.Address, Id: first, Payment: payment})
	}
	if err := settle(bob, "transfer-1"); !errors.Is(err, rules.ErrNotOwed) {
		t.Errorf("settled by another: %v", err)
	}
	if err := settle(w.Issuer, ""); !errors.Is(err, rules.ErrReference) {
		t.Errorf("settled by nothing: %v", err)
	}
	if err := settle(w.Issuer, "transfer-1"); err != nil {
		t.Fatal(err)
	}
	if err := settle(w.Issuer, "transfer-1"); !errors.Is(err, rules.ErrNotOwed) {
		t.Errorf("settled twice: %v", err)
	}
	if err := out(bob, 100, "customer-2"); err != nil {
		t.Fatal(err)
	}
	r, err = escrowv1.NewQueryClient(w.Conn()).CashOuts(context.Background(), &escrowv1.QueryCashOutsRequest{Issuer: w.Issuer.Address})
	if err != nil || len(r.CashOuts) != 2 || r.CashOuts[1].Id <= r.CashOuts[0].Id || r.CashOuts[1].Amount != 100 {
		t.Errorf("owed after: %+v, %v", r, err)
	}
	first = r.CashOuts[0].Id
	if err := settle(w.Issuer, "transfer-1"); !errors.Is(err, rules.ErrReplayed) {
		t.Errorf("two cash-outs settled by one payment: %v", err)
	}
}
