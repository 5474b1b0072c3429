package gateway

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// An answer whose provider disappears is finished by another, from where it was:
// the client sees one text, and pays for each token once.
func TestAnotherGoesOn(t *testing.T) {
	p, z := newScripted(t, "p", testPrice, "To be, or not to be"), newScripted(t, "z", times(testPrice, 2), "To be, or not to be")
	sent := 0
	for _, c := range []struct {
		name   string
		script func(*serving) error
		named  bool
	}{
		{"without a word", func(s *serving) error {
			out, err := s.generate(5)
			if sent = len(out); err == nil {
				err = s.stream.Reset()
			}
			return err
		}, false},
		{"with a receipt for its part", func(s *serving) error {
			out, err := s.generate(5)
			if err != nil {
				return err
			}
			sent = len(out)
			said := inference.Errorf(inference.CodeInternal, "out of memory")
			s.account.mu.Lock()
			said.Receipt = s.receipt(out, "error")
			s.account.mu.Unlock()
			return said
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.set(func(p *scripted) { p.script = c.script })
			h := newHarness(t, p, z)
			before := h.spent(h.keyID)
			r := h.chat(warm + `}`)
			if r.status != http.StatusOK || field(t, r.body, "choices.0.message.content") != "To be, or not to be" {
				t.Fatalf("%d %s", r.status, r.body)
			}
			if got := field(t, r.body, "usage.completion_tokens"); got != 19.0 {
				t.Errorf("%v tokens are counted", got)
			}
			had := field(t, r.body, "koinon.earlier.0.tokens").(float64)
			if field(t, r.body, "koinon.provider") != "koinon1z" || field(t, r.body, "koinon.earlier.0.provider") != "koinon1p" || int(had) > sent {
				t.Errorf("provenance: %s", r.body)
			}
			if id := field(t, r.body, "koinon.earlier.0.receipt"); (id != nil) != c.named {
				t.Errorf("the first part's receipt is %v", id)
			}
			if want := 1; len(h.receipts()) != want && !c.named || c.named && len(h.receipts()) != 2 {
				t.Errorf("%d receipts are kept", len(h.receipts()))
			}
			// The prompt and the first tokens at p's price, the others at z's, and
			// nothing for what z had to read again.
			want := 11 + 10*uint64(had) + 20*(19-uint64(had))
			if got := h.spent(h.keyID) - before; got != want || field(t, r.body, "koinon.cost") != float64(want) {
				t.Errorf("charged %d, and %v is said; want %d", got, field(t, r.body, "koinon.cost"), want)
			}
			last := z.requests[len(z.requests)-1]
			lot, err := receipt.DrawLot(p.key, p.lastGrant())
			drawn := lot.Seed(p.lastRequest().Nonce)
			if err != nil || last.Seed != drawn.Value || !last.Nonce.IsZero() || p.lastRequest().Nonce.IsZero() {
				t.Errorf("z goes on with the seed %d, what p drew is %d: %v", last.Seed, drawn.Value, err)
			}
			if !slices.Equal(last.Resume, bytesOf("To be, or not to be")[:int(had)]) || last.MaxTokens != 512-11-uint32(had) {
				t.Errorf("z was asked to resume %v, up to %d", last.Resume, last.MaxTokens)
			}
		})
	}
}

// TestNobodyChoosesTheSeed has providers accept with what is no proof, or not say
// that they accept: the next one answers, and they are paid nothing.
func TestNobodyChoosesTheSeed(t *testing.T) {
	for name, lie := range map[string]func(*serving) error{
		"of another grant": func(s *serving) error { s.account.grant.Expiry++; return s.accept() },
		"of another nonce, in the receipt": func(s *serving) error {
			s.p.set(func(p *scripted) { p.forge = func(r *receipt.Receipt) { r.Seed.Value++ } })
			return s.honest()
		},
		"none": func(s *serving) error { s.request.Nonce = receipt.Digest{}; return s.accept() },
		"no acceptance": func(s *serving) error {
			for range 2 {
				if err := s.token('x', 0); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, z := newScripted(t, "p", testPrice, "rigged"), newScripted(t, "z", times(testPrice, 2), "fair")
			p.script = func(s *serving) error {
				if err := lie(s); err != nil {
					return err
				}
				<-s.left
				return errLeft
			}
			h := newHarness(t, p, z)
			r := h.chat(warm + `}`)
			if name == "of another nonce, in the receipt" {
				if r.status != http.StatusBadGateway {
					t.Errorf("%d %s", r.status, r.body)
				}
				return
			}
			if field(t, r.body, "choices.0.message.content") != "fair" {
				t.Errorf("%d %s", r.status, r.body)
			}
			if tickets, owed := p.paid(); tickets != 0 || owed != 0 {
				t.Errorf("the liar has %d tickets and is owed %d", tickets, owed)
			}
		})
	}
}

// What came with a false receipt is not gone on with.
func TestNobodyGoesOnWithALie(t *testing.T) {
	p, z := newScripted(t, "p", testPrice, "To be"), newScripted(t, "z", times(testPrice, 2), "To be")
	p.script = func(s *serving) error {
		out, err := s.generate(3)
		if err != nil {
			return err
		}
		said := inference.Errorf(inference.CodeInternal, "out of memory")
		s.account.mu.Lock()
		said.Receipt = s.receipt(append(out, 'x'), "error")
		s.account.mu.Unlock()
		return said
	}
	h := newHarness(t, p, z)
	if r := h.chat(hello + `}`); r.status != http.StatusBadGateway || z.count() != 0 {
		t.Errorf("%d %s; z was asked %d times", r.status, r.body, z.count())
	}
}

func TestHedging(t *testing.T) {
	p, z := newScripted(t, "p", testPrice, "first"), newScripted(t, "z", times(testPrice, 2), "second")
	h := newHarness(t, p, z)
	h.restart(func(c *Config) { c.Hedge = true })
	waits := h.gateway.peers.waits(testModel)
	for range 30 {
		waits.Note(200 * time.Millisecond)
	}
	if r := h.chat(hello + `}`); field(t, r.body, "choices.0.message.content") != "first" {
		t.Fatalf("%d %s", r.status, r.body)
	}
	p.set(func(p *scripted) {
		p.script = func(s *serving) error {
			if err := s.accept(); err != nil {
				return err
			}
			<-s.left // it is cancelled
			return errLeft
		}
	})
	before := h.spent(h.keyID)
	r := h.chat(hello + `}`)
	if r.status != http.StatusOK || field(t, r.body, "choices.0.message.content") != "second" || strings.Contains(r.body, "first") {
		t.Errorf("%d %s", r.status, r.body)
	}
	if got := h.spent(h.keyID) - before; got != 22+6*20 {
		t.Errorf("charged %d for an answer of %d", got, 22+6*20)
	}
	if _, owed := p.paid(); owed != 11+5*10 {
		t.Errorf("the slow one, which sent nothing, is owed %d more", owed-11-5*10)
	}
}
