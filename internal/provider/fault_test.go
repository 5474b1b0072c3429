package provider

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cosmos/gogoproto/proto"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/mechanism/escrow"
)

// TestKilledBetweenStoringAndActing ends the provider at each point between a
// write and what follows it, resumes from what was on disk, and checks that
// everything revealed is collected, once.
func TestKilledBetweenStoringAndActing(t *testing.T) {
	for _, point := range []string{"grant stored", "activation sent", "ticket stored", "receipt stored", "redemption sent"} {
		t.Run(point, func(t *testing.T) {
			w := newWorld(t, func(c *Config) { c.PaymentTimeout = 300 * time.Millisecond })
			w.funded("koinon1alice", 100_000)
			b := w.buyer("koinon1alice", 50, 1000, nil)
			if point != "grant stored" && point != "activation sent" {
				if _, err := b.ask("secret prompt", 60); err != nil {
					t.Fatal(err)
				}
			}
			hit := make(chan struct{})
			var once sync.Once
			doomed := w.provider
			w.reach(func(at string) {
				if at == point {
					once.Do(func() { close(hit) })
					<-doomed.base.Done()
				}
			})
			asked := make(chan error, 1)
			if point == "redemption sent" {
				go func() { doomed.redeemDue(context.Background(), true); asked <- nil }()
			} else {
				go func() { _, err := b.ask("secret question", 60); asked <- err }()
			}
			<-hit
			w.kill()
			// An answer waits for its grant and its receipt, and goes on meanwhile at the others.
			if err := <-asked; err == nil && (point == "grant stored" || point == "receipt stored") {
				t.Fatal("a provider that was killed finished the answer")
			}
			w.start()
			for range 3 {
				if _, err := b.ask("secret prompt", 60); err != nil {
					t.Fatalf("after the restart: %v", err)
				}
			}
			w.verify(b)
			w.halt()
			w.verify(b)
			if w.chain.paid != b.meter.Paid() {
				t.Fatalf("the ledger paid %d, %d were revealed", w.chain.paid, b.meter.Paid())
			}
			if n := w.chain.count("MsgActivate"); n != 1 {
				t.Fatalf("%d activations took effect", n)
			}
		})
	}
}

// TestKilledAtAnyMoment kills the provider again and again under load.
func TestKilledAtAnyMoment(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, func(c *Config) { c.PaymentTimeout = 300 * time.Millisecond; c.MaxDebt = 1 << 40 })
	w.funded("koinon1alice", 5_000_000)
	w.funded("koinon1bob", 5_000_000)
	buyers := []*buyer{w.buyer("koinon1alice", 50, 50_000, nil), w.buyer("koinon1bob", 7, 50_000, nil)}
	for range 10 {
		var load sync.WaitGroup
		for i := range 6 {
			b := buyers[i%2]
			calls := make([]*call, 4)
			for j := range calls {
				calls[j] = b.open("secret prompt", 30)
			}
			load.Go(func() {
				for _, c := range calls {
					err := c.read(-1)
					var refused *inference.Error
					if err != nil && !errors.As(err, &refused) {
						c.leave()
					}
				}
			})
		}
		time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond) // any moment: that is the point
		w.kill()
		load.Wait()
		w.start()
		w.verify(buyers...)
	}
	for _, b := range buyers {
		if _, err := b.ask("the last", 30); err != nil {
			t.Fatal(err)
		}
	}
	w.verify(buyers...)
	w.halt()
	w.verify(buyers...)
	if want := buyers[0].meter.Paid() + buyers[1].meter.Paid(); w.chain.paid != want {
		t.Fatalf("the ledger paid %d, %d were revealed", w.chain.paid, want)
	}
}

func TestLostRepliesOfTheLedger(t *testing.T) {
	w := newWorld(t, nil)
	w.funded("koinon1alice", 100_000)
	w.chain.set(func() { w.chain.loseReply = true })
	b := w.buyer("koinon1alice", 50, 1000, nil)
	if _, err := b.ask("hello", 150); err != nil { // above the initial exposure
		t.Fatal(err)
	}
	w.chain.set(func() { w.chain.loseReply = true })
	w.provider.redeemDue(context.Background(), true)
	w.provider.redeemDue(context.Background(), true)
	w.halt()
	w.verify(b)
	if w.chain.paid != b.meter.Paid() || w.chain.count("MsgActivate") != 1 {
		t.Fatalf("the ledger paid %d of %d", w.chain.paid, b.meter.Paid())
	}
}

func TestLedgerDownServesWithinExposure(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.ActivationTimeout = 100 * time.Millisecond })
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	w.chain.set(func() {
		w.chain.refuse = func(m proto.Message) error { return nil }
	})
	// The escrow was read; then nothing answers.
	w.reach(func(point string) {
		if point == "grant stored" {
			w.chain.set(func() { w.chain.down = true })
		}
	})
	c, err := b.ask("hello", 150)
	if !errors.Is(err, &inference.Error{Code: inference.CodeGrantRefused}) {
		t.Fatalf("%v", err)
	}
	if served := c.receipt.Cost; served == 0 || served > w.config.InitialExposure || uint64(len(c.tokens)) != c.receipt.CompletionTokens {
		t.Fatalf("served %d ucredit before activation, at most %d", served, w.config.InitialExposure)
	}
	w.chain.set(func() { w.chain.down = false })
	w.chain.await(t, "the activation", func() bool { return w.chain.count("MsgActivate") == 1 })
	if _, err := b.ask("hello", 150); err != nil {
		t.Fatalf("after the ledger is back: %v", err)
	}
	w.halt()
	w.verify(b)
	if w.chain.paid != b.meter.Paid() {
		t.Fatalf("the ledger paid %d of %d", w.chain.paid, b.meter.Paid())
	}
}

// Asked to stop before the ledger has taken the grant, a provider waits for it:
// what it served within the exposure is paid.
func TestStoppedBeforeItsGrantIsActive(t *testing.T) {
	w := newWorld(t, nil)
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	w.reach(func(point string) {
		if point == "grant stored" {
			w.chain.set(func() { w.chain.down = true })
		}
	})
	if _, err := b.ask("hello", 20); err != nil {
		t.Fatal(err)
	}
	w.stop()
	w.chain.set(func() { w.chain.down = false })
	w.halt()
	w.verify(b)
	if w.chain.paid != b.meter.Paid() || w.chain.paid == 0 {
		t.Fatalf("the ledger paid %d of %d", w.chain.paid, b.meter.Paid())
	}
}

func TestActivationRefusedMidAnswer(t *testing.T) {
	w := newWorld(t, nil)
	w.funded("koinon1alice", 100_000)
	proceed := make(chan struct{})
	w.chain.set(func() {
		w.chain.refuse = func(m proto.Message) error {
			if _, ok := m.(*escrowv1.MsgActivate); ok {
				<-proceed
				return escrow.ErrInsufficient // spent elsewhere meanwhile
			}
			return nil
		}
	})
	b := w.buyer("koinon1alice", 50, 1000, nil)
	c := b.open("hello", 200)
	if err := c.read(20); err != nil {
		t.Fatal(err)
	}
	close(proceed)
	if err := c.read(-1); !errors.Is(err, &inference.Error{Code: inference.CodeGrantRefused}) {
		t.Fatal(err)
	}
	if cost := uint64(5 + 2*len(c.tokens)); cost > w.config.InitialExposure {
		t.Fatalf("%d ucredit were served for nothing, at most %d may be", cost, w.config.InitialExposure)
	}
	if _, err := b.ask("hello", 5); !errors.Is(err, &inference.Error{Code: inference.CodeGrantRefused}) {
		t.Fatalf("a refused grant is taken again: %v", err)
	}
	// What was taken for nothing counts against the payer's next grant.
	w.chain.set(func() { w.chain.refuse = func(proto.Message) error { return escrow.ErrInsufficient } })
	again := w.buyer("koinon1alice", 50, 1000, nil)
	d, err := again.ask("hello", 200)
	if err == nil {
		t.Fatal("served to the end on a refused grant")
	}
	if total := 5 + 2*len(c.tokens) + 5 + 2*len(d.tokens); uint64(total) > w.config.InitialExposure+5 {
		t.Fatalf("one payer took %d for nothing on two grants", total)
	}
	w.verify()
}

func TestOneProcessOnly(t *testing.T) {
	w := newWorld(t, nil)
	if _, err := New(w.config, w.provider.out); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Fatalf("%v", err)
	}
}

func TestFailingDatabaseStopsTheProvider(t *testing.T) {
	w := newWorld(t, nil)
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	if _, err := b.ask("hello", 5); err != nil {
		t.Fatal(err)
	}
	w.provider.store.writing.Close()
	if _, err := b.ask("hello", 100); err == nil {
		t.Fatal("served although tickets cannot be stored")
	}
	if err := <-w.ended; !errors.Is(err, ErrStore) {
		t.Fatalf("Run: %v", err)
	}
	w.provider.Close()
	w.provider = nil
}

func TestKeyOfAnotherProviderIsHopeless(t *testing.T) {
	w := newWorld(t, nil)
	w.halt()
	w.key = payerKey("somebody else")
	p, err := New(w.config, Outside{Ledger: w.chain, Engine: w.engine, Model: w.model, Key: w.key,
		Addrs: func() []string { return nil }, Log: w.testLog()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Run(t.Context()); !errors.Is(err, errHopeless) || !strings.Contains(err.Error(), "another key") {
		t.Fatalf("%v", err)
	}
}
