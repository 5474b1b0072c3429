package provider

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"testing"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/receipt"
)

// TestRealEngineOverRealStreams buys answers of the shipped model over libp2p,
// twice, and finds the same commitment, as class exact promises.
func TestRealEngineOverRealStreams(t *testing.T) {
	model, err := engine.Load("../../models/trivium/trivium.gguf")
	if err != nil {
		t.Fatal(err)
	}
	seller, buyerHost := host(t), host(t)
	w := newWorld(t, func(c *Config) { c.InitialExposure = 1_000 })
	w.halt()
	w.serves = Reference(engine.New(model, engine.Options{Slots: 2, Queue: 2, Threads: 2}))
	w.connect = func() transport {
		s, err := buyerHost.Open(context.Background(), seller.Peer(), inference.Protocol)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	w.start()
	seller.Handle(inference.Protocol, func(s p2p.Stream, _ ed25519.PublicKey) { w.provider.Handle(s) })

	w.funded("koinon1alice", 1_000_000)
	b := w.buyer("koinon1alice", 50, 10_000, nil)
	first, err := b.ask("It was in the spring that", 24)
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.ask("It was in the spring that", 24)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.tokens) == 0 || receipt.TokensDigest(first.tokens) != receipt.TokensDigest(second.tokens) ||
		first.receipt.Commitment != second.receipt.Commitment || first.receipt.Commitment.IsZero() {
		t.Fatalf("commitments %s and %s over %d and %d tokens", first.receipt.Commitment, second.receipt.Commitment, len(first.tokens), len(second.tokens))
	}
	third := b.open("It was in the spring that", 200) // and one that breaks
	if err := third.read(5); err != nil {
		t.Fatal(err)
	}
	third.leave()
	if _, err := b.ask("Call me", 8); err != nil {
		t.Fatal(err)
	}
	embeds(t, b, model)
	w.verify(b)
	w.halt()
	if w.chain.paid != b.meter.Paid() {
		t.Fatalf("the ledger paid %d of %d", w.chain.paid, b.meter.Paid())
	}
}

// embeds buys the vector of a text, and computes it again to the bit.
func embeds(t *testing.T, b *buyer, model *engine.Model) {
	t.Helper()
	const text = "It was in the spring that"
	c := b.embed(text)
	if err := c.read(-1); err != nil {
		t.Fatal(err)
	}
	want, err := model.Embed(model.Vocabulary.Prompt(text), model.Pooling, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.vectors) != 1 || c.receipt.OutputDigest != receipt.VectorsDigest([][]float32{want}) || receipt.VectorsDigest(c.vectors) != c.receipt.OutputDigest {
		t.Errorf("%d vectors, the receipt is over %s", len(c.vectors), c.receipt.OutputDigest)
	}
}

func host(t *testing.T) *p2p.Host {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h, err := p2p.New(p2p.Config{Key: key, Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}
