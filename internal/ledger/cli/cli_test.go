package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/cli"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/ledger/node"
)

// bench is a ledger with two accounts, one of which has no KOIN, and the
// commands that speak to it.
type bench struct {
	client      *client.Client
	rich, buyer client.Key
	home        string
	target      cli.Target
}

func newBench(t *testing.T) *bench {
	t.Helper()
	home := t.TempDir()
	consensusKey, _, err := node.Keys(home)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{home: home}
	for name, key := range map[string]*client.Key{"rich": &b.rich, "buyer": &b.buyer} {
		if *key, err = client.NewKey(name); err != nil {
			t.Fatal(err)
		}
	}
	err = node.Init(home, "koinon-test", app.GenesisConfig{
		Accounts:   []app.Account{{Address: b.rich.Address(), Koin: 1_000_000}, {Address: b.buyer.Address(), Credit: 1_000_000}},
		Validators: []app.Validator{{Operator: b.rich.Address(), ConsensusKey: consensusKey, Stake: 100_000_000, Moniker: "one"}},
		Issuer:     escrowv1.Issuer{Address: b.rich.Address(), Name: "test", Cap: 1_000_000},
	}, time.Now().Add(-time.Second))
	if err != nil {
		t.Fatal(err)
	}
	const free = "127.0.0.1:0"
	config := node.Config{Home: home, RPCAddr: free, RESTAddr: free, GRPCAddr: free, P2PAddr: free, BlockTime: 50 * time.Millisecond}
	n, err := node.Start(context.WithoutCancel(t.Context()), config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := n.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.client, err = client.Dial(t.Context(), n.GRPC, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.client.Close() })
	b.target = cli.Target{RPC: n.RPC, ChainID: n.ChainID, Keys: []client.Key{b.rich, b.buyer}}
	return b
}

// run calls one command line and returns what it printed.
func (b *bench) run(t *testing.T, line string) (string, error) {
	t.Helper()
	root := &cobra.Command{Use: "koinon", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(cli.Commands(b.home, func(home string) (cli.Target, error) {
		if home != b.home {
			t.Errorf("asked for the ledger of %s", home)
		}
		return b.target, nil
	})...)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(strings.Fields(line))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

// eventually runs a command until its output, but for its white space, says
// what is wanted.
func (b *bench) eventually(t *testing.T, line, want string) {
	t.Helper()
	for start := time.Now(); ; {
		out, err := b.run(t, line)
		if err == nil && strings.Contains(strings.Join(strings.Fields(out), ""), want) {
			return
		}
		if time.Since(start) > 20*time.Second {
			t.Fatalf("%s: no %q in %q, %v", line, want, out, err)
		}
	}
}

func (b *bench) send(t *testing.T, line string) {
	t.Helper()
	out, err := b.run(t, line)
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	var answer struct {
		Code   int
		RawLog string `json:"raw_log"`
	}
	object := out[max(0, strings.Index(out, "{")):]
	if err := json.Unmarshal([]byte(object), &answer); err != nil || answer.Code != 0 {
		t.Fatalf("%s: %v, code %d: %s\n%s", line, err, answer.Code, answer.RawLog, out)
	}
}

func TestQueryAndTx(t *testing.T) {
	b := newBench(t)
	b.eventually(t, "query bank balance "+b.rich.Address()+" ukoin -o json", `"amount":"1000000"`)

	// Keys are found by name, gas is estimated and its price is paid.
	other, err := client.NewKey("other")
	if err != nil {
		t.Fatal(err)
	}
	b.send(t, "tx bank send rich "+other.Address()+" 4321ukoin -y")
	b.eventually(t, "q bank balance "+other.Address()+" ukoin -o json", `"amount":"4321"`)

	// A buyer without any KOIN deposits and withdraws.
	b.send(t, "tx escrow deposit 500000 --grant-key "+strings.Repeat("ab", 32)+" --from buyer -y")
	b.eventually(t, "query escrow escrow "+b.buyer.Address(), `available:"500000"`)
	b.send(t, "tx escrow withdraw 200000 --from buyer -y")
	b.eventually(t, "query escrow payouts --recipient "+b.buyer.Address(), `amount:"200000"`)
	b.eventually(t, "query escrow invariants -o json", `"holds":true`)
}

func TestFeesOfOnesOwnStand(t *testing.T) {
	b := newBench(t)
	b.send(t, "tx bank send rich "+b.buyer.Address()+" 1ukoin --gas 200000 --fees 777ukoin -y")
	b.eventually(t, "query bank balance "+b.rich.Address()+" ukoin -o json", `"amount":"999222"`)
	out, err := b.run(t, "tx bank send rich "+b.buyer.Address()+" 1ukoin --gas 200000 --fees 1ukoin -y")
	if err != nil || !strings.Contains(out, "200000 gas costs 200ukoin") {
		t.Errorf("too small a fee: %q, %v", out, err)
	}
}

func TestHelpNeedsNoLedger(t *testing.T) {
	b := &bench{home: t.TempDir()}
	for _, line := range []string{"tx", "tx escrow", "tx escrow deposit --help", "query provider --help"} {
		if out, err := b.run(t, line); err != nil || !strings.Contains(out, "koinon "+strings.TrimSuffix(line, " --help")) {
			t.Errorf("%s: %q, %v", line, out, err)
		}
	}
	if _, err := b.run(t, "tx escrow nonsense"); err == nil {
		t.Error("an unknown command is no error")
	}
}
