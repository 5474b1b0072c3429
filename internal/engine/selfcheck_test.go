package engine

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/koinon/koinon/internal/tensor"
)

// A machine that is sound reproduces the published vectors with all that it has.
func TestSelfCheck(t *testing.T) {
	data, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var published vectors
	if err := json.Unmarshal(data, &published); err != nil {
		t.Fatal(err)
	}
	m, err := Load("../../" + shipped)
	if err != nil {
		t.Fatal(err)
	}
	before := tensor.Kernel()
	for _, p := range published.Models[0].Prompts {
		got, err := m.SelfCheck(p.Tokens, []int{1, 3})
		if err != nil || got != p.Logits {
			t.Errorf("%q: %s, not %s, %v", p.Text, got, p.Logits, err)
		}
	}
	if tensor.Kernel() != before {
		t.Errorf("afterwards the kernels are %s, before they were %s", tensor.Kernel(), before)
	}
	if _, err := tensor.Use("abacus"); err == nil {
		t.Error("a kernel that is none was taken")
	}
}
