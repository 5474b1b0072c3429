package provider

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

func TestGarbageEndsOnlyItsStream(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.OpenTimeout = 200 * time.Millisecond })
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		raw := w.dial()
		junk := make([]byte, random.IntN(400))
		for i := range junk {
			junk[i] = byte(random.Uint32())
		}
		raw.Write(junk)
		raw.CloseWrite()
	}
	silent := w.dial() // says nothing, holds on
	second := b.open("hello", 100)
	if err := second.read(1); err != nil {
		t.Fatal(err)
	}
	second.sendOpen(second.body)
	if err := second.read(-1); !errors.Is(err, &inference.Error{Code: inference.CodeInvalidRequest}) {
		t.Fatalf("a second open: %v", err)
	}
	if _, err := b.ask("hello", 60); err != nil {
		t.Fatal(err)
	}
	silent.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := silent.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a silent stream was not ended: %v", err)
	}
	w.verify(b)
}

func TestEnginePanicEndsOnlyItsStream(t *testing.T) {
	w := newWorld(t, nil)
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	w.engine.pace(func(_ context.Context, i int) error {
		if i == 5 {
			panic("out of cheese")
		}
		return nil
	})
	c := b.open("hello", 60)
	if err := c.read(-1); err == nil {
		t.Fatal("an answer after a panic")
	}
	c.leave()
	w.engine.pace(nil)
	if _, err := b.ask("hello", 60); err != nil {
		t.Fatal(err)
	}
	w.verify(b)
}

func TestGatewayThatDoesNotRead(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.WriteTimeout, c.PaymentTimeout = 100*time.Millisecond, 100*time.Millisecond
		c.Price = receipt.Price{} // free, so that only reading limits
		c.MaxDebt = 1
	})
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	c := b.open("hello", 500)
	defer c.leave()
	// 500 small frames fit the kernel's buffers; the end is never acknowledged.
	deadline := time.Now().Add(10 * time.Second)
	for len(w.provider.streams) > 0 || len(w.engine.slots) > 0 {
		if time.Now().After(deadline) {
			t.Fatal("a gateway that does not read holds its stream")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestSlotsAreBounded(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxStreams = 9 })
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	if _, err := b.ask("hello", 5); err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{})
	w.engine.pace(func(context.Context, int) error { <-gate; return nil })
	var calls []*call
	for range 8 {
		calls = append(calls, b.open("hello", 5))
	}
	for _, c := range calls { // all accepted, so all hold a slot or are about to
		for c.accepted == nil {
			f, err := c.conn.Receive()
			if err != nil {
				t.Fatal(err)
			}
			c.accepted = f.GetAccepted()
		}
	}
	for len(w.engine.slots) < 8 {
		time.Sleep(time.Millisecond)
	}
	if _, err := b.ask("hello", 5); !errors.Is(err, &inference.Error{Code: inference.CodeBusy}) {
		t.Fatalf("the ninth of eight slots: %v", err)
	}
	close(gate)
	for _, c := range calls {
		if err := c.read(-1); err != nil {
			t.Fatal(err)
		}
	}
	w.verify(b)
}

func TestDrainFinishesWhatRuns(t *testing.T) {
	w := newWorld(t, nil)
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	gate := make(chan struct{})
	w.engine.pace(func(ctx context.Context, i int) error {
		if i == 5 {
			select {
			case <-gate:
			case <-ctx.Done():
			}
		}
		return ctx.Err()
	})
	c := b.open("hello", 60)
	if err := c.read(5); err != nil {
		t.Fatal(err)
	}
	w.stop()
	for {
		d := b.open("hello", 4) // short of the gate
		err := d.read(1)
		if errors.Is(err, &inference.Error{Code: inference.CodeDraining}) {
			break
		}
		if errors.Is(err, &inference.Error{Code: inference.CodeBusy}) {
			continue // those that left are not all gone yet
		}
		if err != nil {
			t.Fatal(err)
		}
		d.leave()
	}
	close(gate)
	if err := c.read(-1); err != nil {
		t.Fatal(err)
	}
	w.halt()
	if w.chain.paid != b.meter.Paid() || w.chain.paid == 0 {
		t.Fatalf("the ledger paid %d of %d", w.chain.paid, b.meter.Paid())
	}
}
