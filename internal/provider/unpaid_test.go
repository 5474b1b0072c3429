package provider

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/receipt"
)

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
		if name != "replayed" && !strings.Contains(w.log.String(), "ticket refused") || !strings.Contains(w.log.String(), "request ended early") {
			t.Errorf("%s ticket: nothing of it is in the log", name)
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
	for !strings.Contains(w.log.String(), "the gateway left before the end") {
		time.Sleep(time.Millisecond)
	}
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
