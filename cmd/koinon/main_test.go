package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/koinon/koinon/internal/devnet"
	"github.com/koinon/koinon/internal/ledger/node"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"koinon": main, "cheat": cheat})
}

// TestScripts runs testdata/*.txtar: what a user types, and what comes back.
func TestScripts(t *testing.T) {
	vectors, err := os.ReadFile(filepath.Join("..", "..", "spec", "vectors", "receipt", "v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	var published struct {
		Receipt json.RawMessage `json:"receipt"`
	}
	if err := json.Unmarshal(vectors, &published); err != nil {
		t.Fatal(err)
	}
	trivium, err := filepath.Abs(filepath.Join("..", "..", "models", "trivium", "trivium.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	records, err := filepath.Abs(filepath.Join("..", "..", "spec", "vectors", "proof"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("TRIVIUM", trivium)
			e.Setenv("RECORDS", records)
			if err := writeModelFolder(filepath.Join(e.WorkDir, "folder")); err != nil {
				return err
			}
			if err := writeSplit(trivium, filepath.Join(e.WorkDir, "split")); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "receipt.json"), published.Receipt, 0o644)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ledger": startLedger, "network": startNetwork, "serving": awaitServing, "eventually": eventually, "assistant": assistant, "keep": keep,
		},
	})
}

// startLedger is the script command `ledger HOME`: it founds a ledger there and
// runs its node until the script ends. The founder's key is HOME/founder.json, GRPC
// becomes the ledger's address.
func startLedger(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ledger HOME")
	}
	home := ts.MkAbs(args[0])
	c := newLedger{home: home, chainID: "koinon-script-1", koin: 1_000, credit: 1_000, vote: time.Hour, wait: time.Second, pin: 2 * time.Second}
	if _, _, err := c.found(time.Now()); err != nil {
		ts.Fatalf("a new ledger: %v", err)
	}
	config := node.DefaultConfig()
	config.Home, config.BlockTime = home, 50*time.Millisecond
	config.RPCAddr, config.RESTAddr, config.GRPCAddr, config.P2PAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n, err := node.Start(ctx, config, slog.New(slog.DiscardHandler))
	if err != nil {
		ts.Fatalf("the node: %v", err)
	}
	ts.Defer(func() { ts.Check(n.Stop()) })
	info, err := nodeInfo(n, home)
	ts.Check(err)
	ts.Check(devnet.WriteInfo(home, info))
	ts.Check(n.Ready(ctx))
	ts.Setenv("GRPC", n.GRPC)
}

// TestWrongUsage: what is wrong with a command line ends with the code for that.
func TestWrongUsage(t *testing.T) {
	for _, line := range []string{"gateway surplus", "nonsense", "receipt show", "up --nonsense", "engine serve",
		"provide x.gguf --schedule nights", "provide x.gguf --region Germany", "provide x.gguf --price cheap", "signal list --kind song",
		"wallet balance koinon1xyz"} {
		if code := run(t.Context(), strings.Fields(line)); code != exitUsage {
			t.Errorf("koinon %s ends with %d", line, code)
		}
	}
}

// awaitServing is the script command `serving STORE`: it waits until koinon model
// push serves that store, and sets PEER to its address and VERSION, if it pushes a
// file, to the version's digest.
func awaitServing(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serving STORE")
	}
	path := filepath.Join(ts.MkAbs(args[0]), servingFile)
	for until := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		data, err := os.ReadFile(path)
		if err != nil {
			if time.Now().After(until) {
				ts.Fatalf("nothing is served: %v", err)
			}
			continue
		}
		var p pushed
		ts.Check(json.Unmarshal(data, &p))
		ts.Setenv("PEER", p.Peers[0])
		if p.Version != "" {
			ts.Setenv("VERSION", p.Version)
		}
		return
	}
}
