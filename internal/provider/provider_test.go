package provider

import (
	"errors"
	"sync"
	"testing"
	"time"

	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

func TestAnswerPaidAndSettled(t *testing.T) {
	w := newWorld(t, nil)
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	c, err := b.ask("secret prompt", 60)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.tokens) != 60 || c.receipt.Cost != 13+120 || c.receipt.FinishReason != "length" {
		t.Fatalf("%d tokens, receipt %+v", len(c.tokens), c.receipt)
	}
	if _, err := b.ask("secret again", 10); err != nil {
		t.Fatal(err)
	}
	w.verify(b)
	w.halt()
	if want := b.meter.Paid(); w.chain.paid != want || want != 200 { // 133 + 32, in tickets of 50
		t.Fatalf("the ledger paid %d, the buyer revealed %d", w.chain.paid, want)
	}
	if g := w.chain.grants[b.signed.ID().Hex()]; g.Receipts != 2 || g.ReceiptsRoot.IsZero() {
		t.Fatalf("redeemed with %d receipts, root %s", g.Receipts, g.ReceiptsRoot)
	}
	w.verify(b)
}

func TestRegistrationIsIdempotent(t *testing.T) {
	w := newWorld(t, nil)
	want := 3 // version, provider, offer
	if len(w.chain.sent) != want || w.chain.height != 1 {
		t.Fatalf("sent %v in %d transactions", w.chain.sent, w.chain.height)
	}
	w.halt()
	if got := w.chain.providers[seller].Status; got != providerv1.Status_STATUS_DRAINING {
		t.Fatalf("a provider that has stopped is %s", got)
	}
	w.start()
	if want += 2; len(w.chain.sent) != want || w.chain.providers[seller].Status != providerv1.Status_STATUS_ACTIVE {
		t.Fatalf("sent again: %v", w.chain.sent[3:])
	}
	w.halt()
	want++
	w.config.Bond, w.config.Price.Output, w.config.Moniker = 9, 3_000_000, "uno"
	w.start()
	if len(w.chain.sent) != want+3 || w.chain.providers[seller].Bond != 9 || w.chain.providers[seller].Moniker != "uno" ||
		w.chain.offers[w.model.Digest.String()].OutputPrice != 3_000_000 {
		t.Fatalf("sent %v", w.chain.sent[want:])
	}
}

// A pause shows on the ledger, refuses requests and loses none that runs; its end
// brings everything back. What is drained stops by itself, paid.
func TestPauseResumeDrain(t *testing.T) {
	w := newWorld(t, nil)
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	running := b.open("a long one", 60)
	if err := running.read(5); err != nil {
		t.Fatal(err)
	}
	status := func(want providerv1.Status) {
		t.Helper()
		w.chain.await(t, want.String(), func() bool { return w.chain.providers[seller].Status == want })
	}
	w.provider.Pause("lunch")
	status(providerv1.Status_STATUS_DRAINING)
	if _, err := b.ask("now", 5); !errors.Is(err, &inference.Error{Code: inference.CodeDraining}) {
		t.Errorf("while paused: %v", err)
	}
	if err := running.read(-1); err != nil || len(running.tokens) != 60 {
		t.Errorf("what ran: %d tokens, %v", len(running.tokens), err)
	}
	if a := w.provider.Activity(); a.State != Paused || a.Reason != "lunch" || a.Requests != 1 || a.CompletionTokens != 60 || a.Grants != 1 || a.Pending == 0 {
		t.Errorf("%+v", a)
	}
	w.provider.Pause("")
	status(providerv1.Status_STATUS_ACTIVE)
	if _, err := b.ask("again", 5); err != nil {
		t.Error(err)
	}
	w.provider.Drain()
	if err := <-w.ended; err != nil {
		t.Errorf("drained: %v", err)
	}
	if w.chain.paid != b.meter.Paid() || w.chain.providers[seller].Status != providerv1.Status_STATUS_DRAINING {
		t.Errorf("paid %d of %d, %s", w.chain.paid, b.meter.Paid(), w.chain.providers[seller].Status)
	}
	w.ended <- nil // for the test's end
}

// The owner's own payer pays nothing, locks nothing, and has its receipts; its
// grant is closed when it expires. Others pay as before.
func TestOwnUseIsFree(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Own = []string{"koinon1owner"} })
	w.funded("koinon1owner", 1) // a key, and nothing to speak of
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1owner", 50, 1000, nil)
	for sequence := range uint64(2) {
		c, err := b.ask("my own prompt", 60)
		if err != nil {
			t.Fatal(err)
		}
		if r := c.receipt; !c.accepted.Free || len(c.tokens) != 60 || r.Cost != 0 || r.Price != (receipt.Price{}) || r.Owed != 0 || r.Sequence != sequence+1 {
			t.Errorf("%d tokens, free %v, receipt %+v", len(c.tokens), c.accepted.Free, r)
		}
	}
	other := w.buyer("koinon1alice", 50, 1000, nil)
	if c, err := other.ask("a prompt", 10); err != nil || c.accepted.Free || c.receipt.Cost == 0 {
		t.Errorf("another payer: %+v, %v", c.accepted, err)
	}
	w.halt()
	w.start() // as if nothing had been
	if _, err := b.ask("again", 5); err != nil {
		t.Error(err)
	}
	if n := w.chain.count("MsgActivate"); n != 1 || w.chain.paid != other.meter.Paid() {
		t.Errorf("%d activations, %d paid", n, w.chain.paid)
	}
	p := w.provider
	now := p.now
	p.now = func() time.Time { return now().Add(24 * time.Hour) }
	if err := p.retireOwn(); err != nil || p.book(b.signed.ID()) != nil {
		t.Errorf("the expired grant is still there: %v", err)
	}
	p.now = now
}

func TestManyStreamsOnOneGrant(t *testing.T) {
	w := newWorld(t, nil)
	w.funded("koinon1alice", 1_000_000)
	b := w.buyer("koinon1alice", 20, 10_000, nil)
	if _, err := b.ask("warm", 5); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 4 {
				if _, err := b.ask("a prompt of some length", 40); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	w.verify(b)
	book := w.provider.book(b.signed.ID())
	book.mu.Lock()
	if book.meter.Owed() != b.meter.Owed() || book.receipted != b.meter.Owed() {
		t.Errorf("provider says %d owed and %d in receipts, gateway %d", book.meter.Owed(), book.receipted, b.meter.Owed())
	}
	book.mu.Unlock()
	w.halt()
	if w.chain.paid != b.meter.Paid() {
		t.Fatalf("the ledger paid %d of %d", w.chain.paid, b.meter.Paid())
	}
}

func TestGrantRefusals(t *testing.T) {
	w := newWorld(t, nil)
	w.funded("koinon1alice", 10_000)
	other := receipt.Sum([]byte("another model"))
	for name, c := range map[string]struct {
		payer   string
		tickets uint64
		adjust  func(*receipt.Grant)
		code    inference.Code
	}{
		"another chain":    {"koinon1alice", 100, func(g *receipt.Grant) { g.ChainID = "cosmoshub-4" }, inference.CodeGrantRefused},
		"another provider": {"koinon1alice", 100, func(g *receipt.Grant) { g.Provider = "koinon1other" }, inference.CodeGrantRefused},
		"another model":    {"koinon1alice", 100, func(g *receipt.Grant) { g.Model = other }, inference.CodeGrantRefused},
		"expires soon":     {"koinon1alice", 100, func(g *receipt.Grant) { g.Expiry -= 3500 }, inference.CodeGrantRefused},
		"expires late":     {"koinon1alice", 100, func(g *receipt.Grant) { g.Expiry += 30 * 86400 }, inference.CodeGrantRefused},
		"dear tickets":     {"koinon1alice", 2, func(g *receipt.Grant) { g.TicketValue = 50_000 }, inference.CodeGrantRefused},
		"too small":        {"koinon1alice", 19, nil, inference.CodeGrantRefused},
		"too large":        {"koinon1alice", 201, nil, inference.CodeGrantRefused},
		"no escrow":        {"koinon1bob", 100, nil, inference.CodeGrantRefused},
		"cheap tickets":    {"koinon1alice", 5_000, func(g *receipt.Grant) { g.TicketValue = 1 }, inference.CodeGrantRefused},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.buyer(c.payer, 50, c.tickets, nil)
			if c.adjust != nil {
				g := b.signed.Grant
				c.adjust(&g)
				b.signed = g.Sign(payerKey(c.payer))
			}
			if _, err := b.ask("hello", 5); !errors.Is(err, &inference.Error{Code: c.code}) {
				t.Fatalf("%v, want %s", err, c.code)
			}
		})
	}
	t.Run("forged signature", func(t *testing.T) {
		b := w.buyer("koinon1alice", 50, 100, nil)
		b.signed.Signature[3] ^= 1
		if _, err := b.ask("hello", 5); !errors.Is(err, &inference.Error{Code: inference.CodeGrantRefused}) {
			t.Fatal(err)
		}
	})
	w.verify()
}

func TestRequestRefusals(t *testing.T) {
	w := newWorld(t, nil)
	w.funded("koinon1alice", 100_000)
	b := w.buyer("koinon1alice", 50, 1000, nil)
	ask := func(r inference.Request) error {
		c := &call{b: b, raw: w.dial()}
		c.conn = inference.NewGatewayConn(c.raw)
		body, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		c.sendOpen(body)
		f, err := c.conn.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if f.GetError() == nil {
			t.Fatalf("served: %v", f)
		}
		return inference.ErrorFromWire(f.GetError())
	}
	base := inference.Request{Model: w.model.Digest, Prompt: "hello", MaxTokens: 5, TopP: 1}
	long := base
	long.MaxTokens = 508
	elsewhere := base
	elsewhere.Model = receipt.Digest{1}
	cheap := base
	cheap.MaxPrice = &inference.MaxPrice{Input: 1_000_000, Output: 1_999_999}
	for _, c := range []struct {
		request inference.Request
		code    inference.Code
	}{{long, inference.CodeContextLength}, {elsewhere, inference.CodeModelNotFound}, {cheap, inference.CodePaymentRequired}} {
		if err := ask(c.request); !errors.Is(err, &inference.Error{Code: c.code}) {
			t.Errorf("%v, want %s", err, c.code)
		}
	}
	if _, err := b.ask("hello", 5); err != nil {
		t.Fatalf("after refusals: %v", err)
	}
	w.verify(b)
}

// TestDiscount serves a prompt again: what the same payer had sent before costs
// less, and nobody learns or gains from what another has sent.
func TestDiscount(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Price.CachedInput = 100_000 })
	w.funded("koinon1alice", 10_000)
	w.funded("koinon1bob", 10_000)
	alice, bob := w.buyer("koinon1alice", 20, 500, nil), w.buyer("koinon1bob", 20, 500, nil)
	for _, c := range []struct {
		buyer        *buyer
		prompt       string
		cached, cost uint64
	}{
		{alice, "twenty characters...", 0, 20 + 6},
		{alice, "twenty characters...", 20, 2 + 6},
		{bob, "twenty characters...", 0, 20 + 6},
		{alice, "twenty others", 7, 1 + 6 + 6}, // 0.7 of the cached part, rounded up with the rest
	} {
		call, err := c.buyer.ask(c.prompt, 3)
		if err != nil {
			t.Fatal(err)
		}
		if r := call.receipt; r.CachedTokens != c.cached || r.Cost != c.cost || call.metered.Cost() != c.cost {
			t.Errorf("%q: %d cached for %d ucredit, want %d for %d", c.prompt, r.CachedTokens, r.Cost, c.cached, c.cost)
		}
	}
	w.verify(alice, bob)
}

// TestEmbeddings pays for vectors by their texts' tokens, and gets a receipt over
// their bytes.
func TestEmbeddings(t *testing.T) {
	w := newWorld(t, nil)
	w.funded("koinon1alice", 10_000)
	b := w.buyer("koinon1alice", 20, 500, nil)
	for round := range uint64(3) { // the first is served before the grant is active
		c := b.embed("four", "and ten...")
		if err := c.read(-1); err != nil {
			t.Fatal(err)
		}
		r := c.receipt
		if r.Cost != 14 || r.Owed != 14*(round+1) || r.CompletionTokens != 0 || r.OutputDigest != receipt.VectorsDigest(c.vectors) ||
			r.Commitment != receipt.MerkleRoot([]receipt.Digest{receipt.VectorLeaf(0, c.vectors[0]), receipt.VectorLeaf(1, c.vectors[1])}) {
			t.Errorf("%+v over %v", r, c.vectors)
		}
	}
	w.verify(b)
}
