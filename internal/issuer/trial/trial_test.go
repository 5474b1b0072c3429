package trial

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/issuer"
	"github.com/koinon/koinon/internal/mechanism/escrow"
)

// ledger takes each reference once.
type ledger struct {
	issuer.Ledger
	entries map[string]escrowv1.Entry
	minted  uint64
}

func (l *ledger) Check(string) error { return nil }

func (l *ledger) Mint(_ context.Context, recipient string, amount uint64, reference string) error {
	if _, known := l.entries[reference]; known {
		return escrow.ErrReplayed
	}
	l.entries[reference] = escrowv1.Entry{Recipient: recipient, Amount: amount}
	l.minted += amount
	return nil
}

func (l *ledger) Entry(_ context.Context, reference string) (escrowv1.Entry, bool, error) {
	e, known := l.entries[reference]
	return e, known, nil
}

func TestOneTrialForEachIdentity(t *testing.T) {
	l := &ledger{entries: map[string]escrowv1.Entry{}}
	secret, err := Secret(filepath.Join(t.TempDir(), "a", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	c := Campaign{Name: "spring", Secret: secret, Amount: 500}
	for i, step := range []struct {
		campaign            Campaign
		identity, recipient string
		granted             bool
		err                 error
	}{
		{c, "ada@example.org", "ada", true, nil},
		{c, "ada@example.org", "ada", false, nil},        // sent again
		{c, " Ada@Example.org ", "eve", false, ErrTried}, // the same person
		{c, "bob@example.org", "ada", true, nil},         // two people may share an account
		{c, " ", "ada", false, ErrIdentity},              // nobody
		{Campaign{"autumn", secret, 500}, "ada@example.org", "ada", true, nil},
		{Campaign{"spring", secret, 900}, "ada@example.org", "ada", false, ErrTried}, // another amount
	} {
		granted, err := step.campaign.Grant(context.Background(), l, step.identity, step.recipient)
		if granted != step.granted || !errors.Is(err, step.err) {
			t.Errorf("step %d: %t, %v", i, granted, err)
		}
	}
	if l.minted != 1500 {
		t.Errorf("minted %d", l.minted)
	}
	for reference := range l.entries {
		if strings.Contains(reference, "ada@") || len(reference) > 128 {
			t.Errorf("the reference %s tells who it was, or is too long", reference)
		}
	}
	again, err := Secret(filepath.Join(t.TempDir(), "other"))
	if err != nil {
		t.Fatal(err)
	}
	if a, _ := (Campaign{Name: "spring", Secret: again}).Reference("ada@example.org"); l.entries[a].Amount != 0 {
		t.Error("the reference does not depend on the secret")
	}
}
