package node_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/ledger/node"
	"github.com/koinon/koinon/internal/mechanism/escrow"
)

func testConfig(home string) node.Config {
	return node.Config{Home: home, RPCAddr: "127.0.0.1:0", RESTAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", P2PAddr: "127.0.0.1:0", BlockTime: 50 * time.Millisecond}
}

func TestANodeStartsSettlesAndResumes(t *testing.T) {
	home := t.TempDir()
	key := initLedger(t, home)
	ctx := t.Context()
	n, err := node.Start(ctx, testConfig(home), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	c, err := client.Dial(ctx, n.GRPC, "")
	if err != nil {
		t.Fatal(err)
	}
	grantKey := make([]byte, 32)
	if _, err := c.Send(ctx, key, &escrowv1.MsgDeposit{Payer: key.Address(), Amount: 2_000_000, GrantKey: grantKey}); err != nil {
		t.Fatal(err)
	}
	// A refusal keeps its name over the network.
	_, err = c.Send(ctx, key, &escrowv1.MsgWithdraw{Payer: key.Address(), Amount: 3_000_000})
	if !errors.Is(err, escrow.ErrInsufficient) {
		t.Errorf("withdrawing too much: %v", err)
	}
	if koin, err := c.Balance(ctx, key.Address(), "ukoin"); err != nil || koin != payerKoin {
		t.Errorf("a buyer's transactions cost KOIN: %d left, %v", koin, err)
	}
	check(t, ctx, c, key.Address())
	height := n.Height()
	if err := errors.Join(c.Close(), n.Stop()); err != nil {
		t.Fatal(err)
	}

	n, err = node.Start(ctx, testConfig(home), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	if err := n.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if n.Height() < height {
		t.Errorf("resumed at %d, was at %d", n.Height(), height)
	}
	c, err = client.Dial(ctx, n.GRPC, "koinon-test")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	check(t, ctx, c, key.Address())
}

func check(t *testing.T, ctx context.Context, c *client.Client, payer string) {
	t.Helper()
	e, err := c.Escrow(ctx, payer)
	if err != nil || e.Available != 2_000_000 {
		t.Errorf("escrow %+v, %v", e, err)
	}
	books, err := c.Invariants(ctx)
	if err != nil || !books.Holds || books.ModuleBalance != 2_000_000 {
		t.Errorf("books %+v, %v", books, err)
	}
}

func TestExecutionSwitches(t *testing.T) {
	l := startLedger(t, func(c *node.Config) { c.OptimisticExecution, c.ParallelExecution = true, true })
	for range 3 {
		deposit := &escrowv1.MsgDeposit{Payer: l.payer.Address(), Amount: 10, GrantKey: make([]byte, 32)}
		if _, err := l.client.Send(t.Context(), l.payer, deposit, deposit); err != nil {
			t.Fatal(err)
		}
	}
	if e, err := l.client.Escrow(t.Context(), l.payer.Address()); err != nil || e.Available != 60 {
		t.Errorf("escrow %+v, %v", e, err)
	}
}
