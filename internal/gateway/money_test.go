package gateway

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/koinon/koinon/receipt"
)

func TestBudgetRaces(t *testing.T) {
	p := newScripted(t, "p", testPrice, "0123456789")
	h := newHarness(t, p)
	const affordable = 5
	key, id := h.makeKey(111 * affordable)
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for range 40 {
		wg.Go(func() {
			got := h.do("POST", "/v1/chat/completions", key, hello+`,"max_tokens":10}`)
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
		})
	}
	wg.Wait()
	if spent := h.spent(id); statuses[200] == 0 || spent != uint64(statuses[200])*111 || spent > 111*affordable || statuses[200]+statuses[402] != 40 {
		t.Errorf("statuses %v, spent %d of %d", statuses, spent, 111*affordable)
	}
}

// TestConcurrentStreams runs many answers on one grant, whose books must add up.
func TestConcurrentStreams(t *testing.T) {
	p := newScripted(t, "p", testPrice, "0123456789")
	h := newHarness(t, p)
	const n = 60
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if got := h.chat(hello + `,"max_tokens":10,"stream":true}`); !strings.Contains(got.body, "[DONE]") {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	wg.Wait()
	const cost = 111 * n
	if spent := h.spent(h.keyID); spent != cost {
		t.Errorf("charged %d, want %d", spent, cost)
	}
	eventually(t, "the provider's books agree", func() bool { paid, owed := p.paid(); return owed == cost && paid >= cost && paid < cost+100 })
	if n := len(p.owed()); n != 1 {
		t.Errorf("%d grants for one provider", n)
	}
	chain := make([]receipt.Receipt, n)
	for _, stored := range h.receipts() {
		r, err := receipt.Decode(stored.Body)
		if err != nil || stored.Problem != "" {
			t.Fatal(err, stored.Problem)
		}
		chain[r.Sequence-1] = r
	}
	if err := receipt.VerifyChain(chain); err != nil {
		t.Error(err)
	}
}

// TestGrantsRenewWithoutAPause uses up many small grants.
func TestGrantsRenewWithoutAPause(t *testing.T) {
	p := newScripted(t, "p", testPrice, "0123456789")
	h := newHarness(t, p)
	h.restart(func(c *Config) { c.GrantCap = 1000; c.TicketValue = 10 })
	for range 30 {
		if got := h.chat(hello + `,"max_tokens":10}`); got.status != 200 {
			t.Fatal(got.body)
		}
	}
	if n := len(p.owed()); n < 4 || n > 8 {
		t.Errorf("%d grants for 3330 ucredit at 1000 each", n)
	}
	for _, owed := range p.owed() {
		if owed > 1000 {
			t.Errorf("a grant owes %d of 1000", owed)
		}
	}
	got := h.do("POST", "/v1/completions", h.key, `{"model":"bard","prompt":"x","max_tokens":127}`)
	if got.status != 400 || field(t, got.body, "error.param") != "max_tokens" {
		t.Errorf("a request beyond a whole grant: %d %s", got.status, got.body)
	}
}

func TestFunding(t *testing.T) {
	h := newHarness(t)
	c, key := h.gateway.config, h.gateway.signer.Public().(ed25519.PublicKey)
	for _, step := range []struct {
		name               string
		available, balance uint64
		foreign            bool
		want               uint64
	}{
		{"an empty escrow is filled", 0, 100 * dollar, true, 20 * dollar},
		{"a full one is left alone", 20 * dollar, 100 * dollar, false, 20 * dollar},
		{"so is one that is not low yet", 11 * dollar, 100 * dollar, false, 11 * dollar},
		{"a low one is filled up", 9 * dollar, 100 * dollar, false, 20 * dollar},
		{"as far as the balance goes", 0, dollar, false, dollar},
		{"without a balance nothing happens", 5 * dollar, 0, false, 5 * dollar},
		{"another's grant key is replaced", 30 * dollar, dollar, true, 30*dollar + 1},
	} {
		h.ledger.balance, h.ledger.escrow.Available, h.ledger.escrow.GrantKey = step.balance, step.available, key
		if step.foreign {
			h.ledger.escrow.GrantKey = nil
		}
		if err := fund(context.Background(), h.ledger, c, key, h.gateway.log); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		if h.ledger.escrow.Available != step.want || !bytes.Equal(h.ledger.escrow.GrantKey, key) {
			t.Errorf("%s: %d, want %d", step.name, h.ledger.escrow.Available, step.want)
		}
	}
}

func TestUnfunded(t *testing.T) {
	h := newHarness(t)
	h.ledger.balance = 0
	if err := fund(context.Background(), h.ledger, h.gateway.config, nil, h.gateway.log); !errors.Is(err, errUnfunded) {
		t.Errorf("nothing anywhere: %v", err)
	}
}
