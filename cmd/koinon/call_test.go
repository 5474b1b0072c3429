package main

import (
	"encoding/json"
	"testing"

	"github.com/koinon/koinon/internal/devnet"
	"github.com/koinon/koinon/receipt"
)

// Bob has an account and no key to the gateway: a deposit is all he needs.
func TestACallFromAWallet(t *testing.T) {
	b := newBench(t)
	var info devnet.Info
	home := b.TempDir()
	up := b.start("koinon up", home, &info, "up", "--providers", "1", "--block-time", "100ms",
		"--gateway-addr", anyPort, "--rpc-addr", anyPort, "--rest-addr", anyPort, "--grpc-addr", anyPort)
	b.run(home, "wallet", "deposit", "$1", "--from", "bob", "--yes")
	var got struct {
		Text    string
		Cost    uint64
		Receipt receipt.Receipt
	}
	out := b.run(home, "call", "In the beginning", "--pay-from", "bob", "--max-tokens", "40", "--json")
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if got.Text == "" || got.Cost == 0 || got.Receipt.Cost != got.Cost || got.Receipt.Verify() != nil {
		t.Errorf("%+v", got)
	}
	for _, a := range info.Accounts {
		if a.Name == "bob" && got.Receipt.Payer != a.Address {
			t.Errorf("%s paid, not Bob", got.Receipt.Payer)
		}
	}
	b.stop(up)
}
