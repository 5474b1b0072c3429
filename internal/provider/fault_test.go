package provider

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cosmos/gogoproto/proto"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/receipt"
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

func TestFalseAndReplayedTickets(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.PaymentTimeout = 200 * time.Millisecond })
	w.funded("koinon1alice", 100_000)
	for name, forge := range map[string]func(*buyer) *inferencev1.Reveal{
		"replayed": func(b *buyer) *inferencev1.Reveal { return b.ticket() },
		"false": func(b *buyer) *inferencev1.Reveal {
			return &inferencev1.Reveal{Index: b.meter.Revealed() + 1, Ticket: make([]byte, 32)}
		},
		"an old one later": func(b *buyer) *inferencev1.Reveal {
			return &inferencev1.Reveal{Index: b.meter.Revealed() + 5, Ticket: b.ticket().Ticket}
		},
		"beyond the chain": func(*buyer) *inferencev1.Reveal { return &inferencev1.Reveal{Index: 5000, Ticket: make([]byte, 32)} },
		"short":            func(*buyer) *inferencev1.Reveal { return &inferencev1.Reveal{Index: 4, Ticket: make([]byte, 31)} },
	} {
		b := w.buyer("koinon1alice", 50, 100, nil)
		if _, err := b.ask("hello", 60); err != nil {
			t.Fatal(err)
		}
		before := w.provider.book(b.signed.ID()).revealed()
		c := b.open("hello", 400)
		c.pays = false
		if err := c.read(3); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := c.conn.Send(&inferencev1.ClientFrame{Frame: &inferencev1.ClientFrame_Reveal{Reveal: forge(b)}}); err != nil {
			t.Fatal(err)
		}
		err := c.read(-1)
		if !errors.Is(err, &inference.Error{Code: inference.CodePaymentRequired}) {
			t.Errorf("%s ticket: %v", name, err)
		}
		if got := w.provider.book(b.signed.ID()).revealed(); got != before {
			t.Errorf("%s ticket moved the books from %d to %d", name, before, got)
		}
	}
	w.verify()
}

// TestUnpaidStreamIsBounded proves that a gateway that does not pay gets its
// prompt and one ticket, and keeps no slot.
func TestUnpaidStreamIsBounded(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.PaymentTimeout = 100 * time.Millisecond
		c.MaxDebt = 50
		c.InitialExposure = 10_000
	})
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	total := 0
	var last error
	for range 20 {
		c := b.open("hello", 400)
		c.pays = false
		last = c.read(-1)
		if !errors.Is(last, &inference.Error{Code: inference.CodePaymentRequired}) {
			t.Fatalf("%v", last)
		}
		if cost := 5 + 2*len(c.tokens); len(c.tokens) > 0 && cost > 5+50 {
			t.Fatalf("one stream took %d unpaid", cost)
		}
		total += len(c.tokens) * 2
	}
	if total > 50 {
		t.Fatalf("twenty streams took %d for nothing", total)
	}
	if len(w.engine.slots) != 0 {
		t.Fatalf("%d slots are held", len(w.engine.slots))
	}
	fresh := w.buyer("koinon1alice", 50, 100, nil)
	if _, err := fresh.ask("hello", 5); !errors.Is(err, &inference.Error{Code: inference.CodePaymentRequired}) {
		t.Fatalf("a new grant wipes the debt: %v\n%s", err, w.log)
	}
	w.verify()
}

// TestLeavingUnpaidIsBounded proves the same for one that breaks each stream.
func TestLeavingUnpaidIsBounded(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.PaymentTimeout = 100 * time.Millisecond
		c.MaxDebt = 100
		c.InitialExposure = 10_000
	})
	w.funded("koinon1mallory", 100_000)
	total, refusals := 0, 0
	for range 4 {
		b := w.buyer("koinon1mallory", 50, 200, nil)
		for range 6 {
			c := b.open("hello", 400)
			c.pays = false
			err := c.read(15)
			if errors.Is(err, &inference.Error{Code: inference.CodePaymentRequired}) {
				refusals++
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			c.leave()
			total += 5 + 2*len(c.tokens)
			for len(w.provider.streams) > 0 { // until the provider has noticed
				time.Sleep(time.Millisecond)
			}
		}
	}
	if total > 100+55 || refusals == 0 {
		t.Fatalf("took %d for nothing, %d refusals", total, refusals)
	}
	w.verify()
}

func TestDisconnectPaysForWhatWasReceived(t *testing.T) {
	w := newWorld(t, nil)
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	if _, err := b.ask("hello", 5); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	w.engine.pace(func(ctx context.Context, i int) error {
		if i < 40 {
			return nil
		}
		<-ctx.Done()
		close(stopped)
		return ctx.Err()
	})
	c := b.open("hello", 400)
	if err := c.read(40); err != nil {
		t.Fatal(err)
	}
	c.leave()
	<-stopped
	w.engine.pace(nil)
	for range 3 { // and the books still meet
		if _, err := b.ask("hello", 100); err != nil {
			t.Fatal(err)
		}
	}
	w.verify(b)
	w.halt()
	owed := b.meter.Owed()
	if w.chain.paid < owed || w.chain.paid >= owed+50 {
		t.Fatalf("the ledger paid %d for %d received", w.chain.paid, owed)
	}
}

func TestCancelGetsAReceipt(t *testing.T) {
	w := newWorld(t, nil)
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	w.engine.pace(func(ctx context.Context, i int) error {
		if i < 10 {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	})
	c := b.open("hello", 400)
	if err := c.read(10); err != nil {
		t.Fatal(err)
	}
	if err := c.conn.Send(&inferencev1.ClientFrame{Frame: &inferencev1.ClientFrame_Cancel{Cancel: &inferencev1.Cancel{}}}); err != nil {
		t.Fatal(err)
	}
	if err := c.read(-1); err != nil {
		t.Fatal(err)
	}
	if c.receipt.FinishReason != "cancelled" || c.receipt.Cost != 5+20 {
		t.Fatalf("%+v", c.receipt)
	}
	w.verify(b)
}

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

func TestGrantIsClosedBeforeItExpires(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.ExpiryMargin = time.Second })
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, func(g *receipt.Grant) { g.Expiry = time.Now().Unix() + 3 })
	if _, err := b.ask("hello", 60); err != nil {
		t.Fatal(err)
	}
	id := b.signed.ID().Hex()
	w.chain.await(t, "the closing", func() bool { return w.chain.grants[id].Status == escrow.Closed })
	if w.chain.paid != b.meter.Paid() || w.chain.accounts["koinon1alice"].Locked != 0 {
		t.Fatalf("paid %d of %d, %d still locked", w.chain.paid, b.meter.Paid(), w.chain.accounts["koinon1alice"].Locked)
	}
	if _, err := b.ask("hello", 5); !errors.Is(err, &inference.Error{Code: inference.CodeGrantRefused}) {
		t.Fatalf("a closed grant is used: %v", err)
	}
	w.halt()
	w.start()
	if w.chain.count("MsgRedeem") != 1 {
		t.Fatalf("closed %d times", w.chain.count("MsgRedeem"))
	}
}

func TestRedeemsAboveAThreshold(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.RedeemAbove = 500; c.ExpiryMargin = 4 * time.Millisecond })
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	if _, err := b.ask("hello", 300); err != nil {
		t.Fatal(err)
	}
	w.chain.await(t, "a redemption", func() bool { return w.chain.paid > 500 })
	w.verify(b)
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
