package app_test

import (
	"context"
	"errors"
	"testing"
	"time"

	poolv1 "github.com/koinon/koinon/api/koinon/pool/v1"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/pool"
	rules "github.com/koinon/koinon/internal/mechanism/pool"
)

var poolOwner, trader = ledgertest.NewAccount("owner"), ledgertest.NewAccount("trader")

func swap(side poolv1.Side, in, least uint64) *poolv1.MsgSwap {
	return &poolv1.MsgSwap{Trader: trader.Address, Denom: "ukoin", Side: side, In: in, Least: least}
}

func quote(t *testing.T, l *ledgertest.Ledger) poolv1.Quote {
	t.Helper()
	r, err := poolv1.NewQueryClient(l.Conn()).Pool(context.Background(), &poolv1.QueryPoolRequest{Denom: "ukoin"})
	if err != nil {
		t.Fatal(err)
	}
	return r.Quote
}

// TestAPoolServesItsOwners: fees grow what they have, whatever is exported in
// between, and others read a price that one block cannot move.
func TestAPoolServesItsOwners(t *testing.T) {
	l := ledgertest.New(t, []ledgertest.Account{poolOwner, trader}, nil)
	if err := l.Send(trader, swap(poolv1.Side_SIDE_CREDIT, 1_000, 0)); !errors.Is(err, rules.ErrEmpty) {
		t.Errorf("a pool that is not: %v", err)
	}
	l.Must(poolOwner, &poolv1.MsgAdd{Owner: poolOwner.Address, Denom: "ukoin", Credit: 100_000_000, Asset: 200_000_000})
	l.Block(time.Hour)
	before := l.Balance(trader.Address, "ukoin")
	l.Must(trader, swap(poolv1.Side_SIDE_CREDIT, 1_000_000, 1_900_000))
	if got := l.Balance(trader.Address, "ukoin") - before; got > 2_000_000 {
		t.Errorf("%d ukoin came out", got)
	}
	if err := l.Send(trader, swap(poolv1.Side_SIDE_CREDIT, 20_000_000, 0)); !errors.Is(err, rules.ErrMove) {
		t.Errorf("a swap that moves the price by half: %v", err)
	}
	if err := l.Send(trader, swap(poolv1.Side_SIDE_CREDIT, 1_000_000, 2_000_000)); !errors.Is(err, rules.ErrLimit) {
		t.Errorf("less than the least: %v", err)
	}
	q := quote(t, l)
	if q.Average < rules.Scale/2 || q.Average > rules.Scale/2+rules.Scale/1_000 || q.AverageSeconds < 3_600 || q.Spot < rules.Scale/2+rules.Scale/200 {
		t.Errorf("%+v", q)
	}
	l = l.Restart(nil)
	for range 10 {
		l.Must(trader, swap(poolv1.Side_SIDE_CREDIT, 1_000_000, 0))
		l.Must(trader, swap(poolv1.Side_SIDE_ASSET, 1_900_000, 0))
	}
	if average, seconds, err := l.App.Pool.Average(l.Context(), "ukoin"); err != nil || average == 0 || seconds < 3_600 {
		t.Errorf("for other modules: %d over %d seconds, %v", average, seconds, err)
	}
	stakes, err := poolv1.NewQueryClient(l.Conn()).Stakes(context.Background(), &poolv1.QueryStakesRequest{Owner: poolOwner.Address})
	if err != nil || len(stakes.Stakes) != 1 {
		t.Fatalf("%+v, %v", stakes, err)
	}
	credit := l.Balance(poolOwner.Address, "ucredit")
	l.Must(poolOwner, &poolv1.MsgRemove{Owner: poolOwner.Address, Denom: "ukoin", Parts: stakes.Stakes[0].Parts})
	if got := l.Balance(poolOwner.Address, "ucredit") - credit; got < 100_000_000 {
		t.Errorf("100,000,000 ucredit became %d", got)
	}
	for _, c := range []struct {
		msg  *poolv1.MsgAdd
		want error
	}{
		{&poolv1.MsgAdd{Owner: trader.Address, Denom: "ucredit", Credit: 1e6, Asset: 1e6}, pool.ErrDenom},
		{&poolv1.MsgAdd{Owner: trader.Address, Denom: "ukoin", Credit: 1e6, Asset: 1e7, LeastParts: 1e9}, rules.ErrLimit},
	} {
		if err := l.Send(trader, c.msg); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.msg, err, c.want)
		}
	}
	if err := l.Handle(&poolv1.MsgUpdateParams{Authority: trader.Address}); !errors.Is(err, pool.ErrAuthority) {
		t.Errorf("parameters of nobody's: %v", err)
	}
}
