package node_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/koinon/koinon/internal/ledger/client"
)

// A wallet that knows nothing of koinon sends KOIN: CosmJS, in both of the ways
// in which wallets sign.
func TestCosmJSSends(t *testing.T) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("npm is absent: the CosmJS bank send is not tested here")
	}
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("testdata", "cosmjs"))); err != nil {
		t.Fatal(err)
	}
	install := exec.CommandContext(t.Context(), npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = folder
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}

	l := startLedger(t)
	recipient, err := client.NewKey("recipient")
	if err != nil {
		t.Fatal(err)
	}
	send := exec.CommandContext(t.Context(), "node", "send.mjs", "http://"+l.node.RPC, l.payer.Mnemonic, recipient.Address(), "1234")
	send.Dir = folder
	send.Stderr = os.Stderr
	out, err := send.Output()
	if err != nil {
		t.Fatalf("node send.mjs: %v\n%s", err, out)
	}
	var answers map[string]struct {
		Code    int
		Log     string
		Balance string
	}
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	for mode, balance := range map[string]string{"direct": "1234", "amino": "2468"} {
		if a := answers[mode]; a.Code != 0 || a.Balance != balance {
			t.Errorf("signed %s: code %d (%s), the recipient has %q ukoin, not %s", mode, a.Code, a.Log, a.Balance, balance)
		}
	}
	if got, err := l.client.Balance(t.Context(), recipient.Address(), "ukoin"); err != nil || got != 2468 {
		t.Errorf("over gRPC the recipient has %d ukoin, %v", got, err)
	}
}
