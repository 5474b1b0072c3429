package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/koinon/koinon/internal/devnet"
	"github.com/koinon/koinon/models/trivium"
	"github.com/koinon/koinon/receipt"
)

// scriptAnswer is an answer as OpenAI's client for JavaScript saw it, with the
// receipt that it names.
type scriptAnswer struct {
	Text   string
	Chunks int
	Usage  struct {
		Prompt     uint64 `json:"prompt_tokens"`
		Completion uint64 `json:"completion_tokens"`
		Total      uint64 `json:"total_tokens"`
	}
	Koinon  settlement
	Receipt receipt.Receipt
}

// check holds an answer's usage and cost against its receipt.
func (a scriptAnswer) check(t *testing.T) {
	t.Helper()
	r := a.Receipt
	if err := r.Verify(); err != nil {
		t.Errorf("the receipt: %v", err)
	}
	if a.Text == "" || a.Usage.Completion == 0 || a.Usage.Total != a.Usage.Prompt+a.Usage.Completion ||
		r.PromptTokens != a.Usage.Prompt || r.CompletionTokens != a.Usage.Completion {
		t.Errorf("%q with the usage %+v, the receipt has %d and %d tokens", a.Text, a.Usage, r.PromptTokens, r.CompletionTokens)
	}
	if a.Koinon.Cost == 0 || r.Cost != a.Koinon.Cost || r.Provider != a.Koinon.Provider || "sha256:"+receiptID(r) != a.Koinon.Receipt {
		t.Errorf("the answer says %+v; receipt %s is by %s over %d ucredit", a.Koinon, receiptID(r), r.Provider, r.Cost)
	}
}

// OpenAI's own client for JavaScript lists the models of a running network, has
// it answer at once and streaming, and is charged what the receipts say.
func TestOpenAIForJavaScript(t *testing.T) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("SKIPPED: npm is not installed, so OpenAI's client for JavaScript is not tested")
	}
	b := newBench(t)
	folder := t.TempDir()
	packages := filepath.Join("..", "..", "internal", "gateway", "testdata", "node")
	for name, from := range map[string]string{"package.json": packages, "package-lock.json": packages, "openai.mjs": "testdata"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	install := exec.CommandContext(b.ctx, npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = folder
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}

	var info devnet.Info
	up := b.startUp(&info)
	script := exec.CommandContext(b.ctx, "node", "openai.mjs")
	script.Dir = folder
	script.Env = append(os.Environ(), "OPENAI_BASE_URL="+info.Gateway, "OPENAI_API_KEY="+info.APIKey)
	var log bytes.Buffer
	script.Stderr = &log
	out, err := script.Output()
	if err != nil {
		t.Fatalf("node openai.mjs: %v\n%s", err, log.String())
	}
	var got struct {
		Models                    []string
		Whole, Streamed, Response scriptAnswer
		Repeated                  bool
		Vectors                   []int
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if !slices.Contains(got.Models, trivium.Name) {
		t.Errorf("models %v", got.Models)
	}
	got.Whole.check(t)
	got.Streamed.check(t)
	got.Response.check(t)
	if !got.Repeated {
		t.Error("a repeated request got another answer")
	}
	if len(got.Vectors) != 2 || got.Vectors[0] < 64 || got.Vectors[1] != got.Vectors[0] {
		t.Errorf("vectors of the lengths %d", got.Vectors)
	}
	if got.Streamed.Text != got.Whole.Text || got.Streamed.Usage != got.Whole.Usage || got.Streamed.Chunks < 5 {
		t.Errorf("streamed %+v\nat once  %+v", got.Streamed, got.Whole)
	}
	if err := receipt.VerifyChain([]receipt.Receipt{got.Whole.Receipt, got.Streamed.Receipt}); err != nil {
		t.Errorf("the receipts are no chain: %v", err)
	}
	b.stop(up)
}
