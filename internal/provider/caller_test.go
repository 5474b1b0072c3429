package provider

import (
	"errors"
	"testing"

	"github.com/koinon/koinon/internal/inference"
)

// again is a buyer as a later process has it: with the tickets that were revealed.
func (b *buyer) again(from caller) *buyer {
	b.w.t.Helper()
	m, err := inference.Resume(b.signed.Grant, inference.Books{Revealed: b.meter.Revealed()})
	if err != nil {
		b.w.t.Fatal(err)
	}
	return &buyer{w: b.w, signed: b.signed, chain: b.chain, meter: m, from: from}
}

// A gateway that was killed leaves a stream behind that nobody reads, and which would
// take what the grant lets run unpaid from the answers of its next run.
func TestALaterRunEndsTheStreamsOfTheEarlier(t *testing.T) {
	w := newWorld(t, nil)
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	b.from = caller{"alice", 1}
	lost := b.open("hello", 400)
	lost.pays = false
	if err := lost.read(1); err != nil {
		t.Fatal(err)
	}
	next := b.again(caller{"alice", 2})
	for range 3 {
		if _, err := next.ask("hello", 100); err != nil {
			t.Fatalf("after the gateway was killed: %v", err)
		}
	}
}

// A stranger's grant has no owner, and nobody becomes it.
func TestAGrantWithoutOwnerIsNotTaken(t *testing.T) {
	w := newWorld(t, nil)
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	if _, err := b.ask("hello", 100); err != nil {
		t.Fatal(err)
	}
	thief := b.again(caller{"mallory", 1})
	thief.meter, _ = inference.NewMeter(b.signed.Grant) // has no ticket
	if _, err := thief.ask("hello", 100); !errors.Is(err, &inference.Error{Code: inference.CodeGrantRefused}) {
		t.Errorf("who says to be its owner: %v", err)
	}
	if _, err := b.ask("hello", 100); err != nil {
		t.Errorf("who showed it first: %v", err)
	}
}

// Whoever reads a grant on the ledger cannot leave its payer with debts.
func TestAGrantIsForWhoShowedItFirst(t *testing.T) {
	w := newWorld(t, nil)
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	b.from = caller{"alice", 1}
	if _, err := b.ask("hello", 100); err != nil {
		t.Fatal(err)
	}
	moved := b.again(caller{"a gateway that Alice asks after the first", 7})
	if _, err := moved.ask("hello", 100); err != nil {
		t.Errorf("who knows the highest ticket: %v", err)
	}
	for _, from := range []caller{{}, {"mallory", 1}} {
		thief := b.again(from)
		thief.meter, _ = inference.NewMeter(b.signed.Grant) // has no ticket
		if _, err := thief.ask("hello", 100); !errors.Is(err, &inference.Error{Code: inference.CodeGrantRefused}) {
			t.Errorf("%+v: %v", from, err)
		}
	}
}
