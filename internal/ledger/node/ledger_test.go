package node_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/ledger/node"
	"github.com/koinon/koinon/internal/ledger/x/escrow"
)

// What the payer of a test's ledger begins with, in micro-units.
const (
	payerKoin   = 1_000_000
	payerCredit = 1_000_000_000
)

// ledger is a running node of one validator, and a client of it.
type ledger struct {
	node   *node.Node
	client *client.Client
	payer  client.Key
}

// initLedger prepares a home for a ledger on which one payer, who is the
// issuer and the validator's operator too, has money.
func initLedger(t testing.TB, home string) client.Key {
	t.Helper()
	consensusKey, _, err := node.Keys(home)
	if err != nil {
		t.Fatal(err)
	}
	payer, err := client.NewKey("payer")
	if err != nil {
		t.Fatal(err)
	}
	params := escrow.DefaultGenesis().Params
	params.FreeTxsPerWindow = 1_000_000 // tests send much
	genesis := app.GenesisConfig{
		Escrow:     &params,
		Accounts:   []app.Account{{Address: payer.Address(), Koin: payerKoin, Credit: payerCredit}},
		Validators: []app.Validator{{Operator: payer.Address(), ConsensusKey: consensusKey, Stake: 100_000_000, Moniker: "one"}},
		Issuer:     escrowv1.Issuer{Address: payer.Address(), Name: "test", Cap: payerCredit},
	}
	if err := node.Init(home, "koinon-test", genesis, time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	return payer
}

// startLedger runs a new ledger until the test ends.
func startLedger(t testing.TB, change ...func(*node.Config)) ledger {
	t.Helper()
	home := t.TempDir()
	l := ledger{payer: initLedger(t, home)}
	config := testConfig(home)
	for _, f := range change {
		f(&config)
	}
	// Not the test's context: the node outlives it by the time that Stop takes.
	ctx := context.WithoutCancel(t.Context())
	var err error
	if l.node, err = node.Start(ctx, config, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.node.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := l.node.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l.client, err = client.Dial(t.Context(), l.node.GRPC, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.client.Close() })
	return l
}
