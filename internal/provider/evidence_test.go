package provider

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/koinon/koinon/receipt"
)

// What is kept of answers shows no prompt to whoever copies the database, is
// bounded, and goes when nobody can accuse any more.
func TestEvidenceIsSealedAndForgotten(t *testing.T) {
	w := newWorld(t, nil)
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	var receipts []receipt.Receipt
	for range 3 {
		c, err := b.ask("secret prompt", 20)
		if err != nil {
			t.Fatal(err)
		}
		receipts = append(receipts, c.receipt)
	}
	p, ctx := w.provider, t.Context()
	for _, r := range receipts {
		e, err := p.Evidence(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Verify(r); err != nil {
			t.Error(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(p.config.Home, "provider.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no database: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte("secret prompt")) {
			t.Errorf("%s shows the prompt", filepath.Base(file))
		}
	}
	other := receipts[0]
	other.Request = receipt.Sum([]byte("another"))
	if _, err := p.Evidence(ctx, other); !errors.Is(err, ErrNoEvidence) {
		t.Errorf("of another's answer: %v", err)
	}

	if err := p.forgetEvidence(ctx, time.Hour, 1<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Evidence(ctx, receipts[0]); err != nil {
		t.Errorf("forgotten too early: %v", err)
	}
	const lessThanAny = 100
	if err := p.forgetEvidence(ctx, time.Hour, lessThanAny); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Evidence(ctx, receipts[0]); !errors.Is(err, ErrNoEvidence) {
		t.Errorf("beyond max_evidence: %v", err)
	}
	c, err := b.ask("secret prompt", 20)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.forgetEvidence(ctx, -time.Hour, 1<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Evidence(ctx, c.receipt); !errors.Is(err, ErrNoEvidence) {
		t.Errorf("older than keep_evidence: %v", err)
	}
}
