package gateway

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/koinon/koinon/internal/gateway/keys"
	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/receipt"
)

// syncWriter lets handlers of several goroutines log into one buffer.
type syncWriter struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (s *syncWriter) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(b)
}

func TestRestartKeepsEverything(t *testing.T) {
	p := newScripted(t, "p", testPrice, "0123456789")
	h := newHarness(t, p)
	for i := range 3 {
		if got := h.chat(hello + `,"max_tokens":10}`); got.status != 200 {
			t.Fatal(got.body)
		}
		if spent := h.spent(h.keyID); spent != uint64(111*(i+1)) {
			t.Errorf("charged %d after %d answers", spent, i+1)
		}
		h.restart(nil)
	}
	if n := len(p.owed()); n != 1 {
		t.Errorf("%d grants: the first was not resumed", n)
	}
	paid, owed := p.paid()
	if owed != 333 || paid < 333 || paid >= 433 {
		t.Errorf("paid %d for %d", paid, owed)
	}
}

func TestOneGatewayPerHome(t *testing.T) {
	h := newHarness(t)
	c := DefaultConfig()
	c.Home, c.ChainID = h.home, testChain
	if _, err := Open(context.Background(), c, Surroundings{Ledger: h.ledger}); !errors.Is(err, store.ErrInUse) {
		t.Errorf("a second gateway on one home: %v", err)
	}
	beside, err := OpenStore(context.Background(), h.home)
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	key, _, err := keys.Create(beside, keys.Terms{Name: "made beside", Budget: dollar}, h.gateway.now())
	if err != nil {
		t.Fatal(err)
	}
	if got := h.do("GET", "/v1/models", key, ""); got.status != 200 {
		t.Errorf("a key made by another process: %d", got.status)
	}
}

func TestPromptsAreNotLogged(t *testing.T) {
	p := newScripted(t, "p", testPrice, "a secret answer")
	h := newHarness(t, p)
	h.chat(`{"model":"bard","messages":[{"role":"user","content":"a secret question"}]}`)
	h.chat(`{"model":"bard","messages":[{"role":"user","content":"a secret question"}],"temperature":"hot"}`)
	p.set(func(p *scripted) { p.forge = func(r *receipt.Receipt) { r.PromptTokens++ } })
	h.chat(`{"model":"bard","messages":[{"role":"user","content":"a secret question"}]}`)
	h.server.Close()
	if strings.Contains(h.log.String(), "secret") || strings.Contains(h.log.String(), h.key) {
		t.Errorf("the log: %s", h.log)
	}
	if !strings.Contains(h.log.String(), "provider suspended") {
		t.Errorf("nothing was logged at all: %s", h.log)
	}
}

func TestHealth(t *testing.T) {
	h := newHarness(t, newScripted(t, "p", testPrice, "x"))
	h.chat(hello + "}")
	h.gateway.funded.Store(true)
	for path, want := range map[string]string{
		"/livez": `"ok"`, "/readyz": `"providers":1`, "/version": `"version":"test"`,
		"/metrics": `koinon_gateway_requests_total{route="POST /v1/chat/completions",status="200"} 1`,
	} {
		got := h.do("GET", path, "", "")
		if got.status != 200 || !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	h.gateway.funded.Store(false)
	if got := h.do("GET", "/readyz", "", ""); got.status != 503 {
		t.Errorf("ready without an escrow: %d", got.status)
	}
}

func TestConcurrencyLimit(t *testing.T) {
	p := newScripted(t, "p", testPrice, "x")
	release := make(chan struct{})
	p.pace = func(int) { <-release }
	h := newHarness(t, p)
	h.restart(func(c *Config) { c.MaxInFlight = 1 })
	done := make(chan reply)
	go func() { done <- h.chat(hello + "}") }()
	eventually(t, "the first is being served", func() bool { return p.count() == 1 })
	if got := h.chat(hello + "}"); got.status != 429 || field(t, got.body, "error.code") != "rate_limit_exceeded" || got.header.Get("Retry-After") == "" {
		t.Errorf("the second: %d %s", got.status, got.body)
	}
	close(release)
	if got := <-done; got.status != 200 {
		t.Errorf("the first: %d %s", got.status, got.body)
	}
}
