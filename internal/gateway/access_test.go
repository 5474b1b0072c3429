package gateway

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/koinon/koinon/internal/gateway/keys"
)

// keyOf makes a key on terms of its own.
func (h *harness) keyOf(terms keys.Terms) string {
	text, _, err := keys.Create(h.gateway.Store(), terms, time.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	return text
}

func TestAKeyAsksItsOwnModelsAlone(t *testing.T) {
	h := newHarness(t, newScripted(t, "one", testPrice, "hello"))
	if got := h.do("POST", "/v1/chat/completions", h.keyOf(keys.Terms{Budget: dollar, Models: []string{"homer", "bard"}}), hello+"}"); got.status != http.StatusOK {
		t.Fatalf("%+v", got)
	}
	got := h.do("POST", "/v1/chat/completions", h.keyOf(keys.Terms{Budget: dollar, Models: []string{"homer", "virgil@2"}}), hello+"}")
	if got.status != http.StatusForbidden || !strings.Contains(got.body, "homer, virgil@2") || field(t, got.body, "error.code") != "model_not_allowed" {
		t.Errorf("%+v", got)
	}
}

func TestAKeysRate(t *testing.T) {
	h := newHarness(t, newScripted(t, "one", testPrice, "hello"))
	key := h.keyOf(keys.Terms{Budget: dollar, Rate: 2, RatePer: time.Hour})
	for i := range 2 {
		got := h.do("POST", "/v1/chat/completions", key, hello+"}")
		if want := []string{"1", "0"}[i]; got.status != http.StatusOK || got.header.Get("X-Ratelimit-Remaining-Requests") != want {
			t.Fatalf("request %d: %+v", i, got)
		}
	}
	got := h.do("POST", "/v1/chat/completions", key, hello+"}")
	if got.status != http.StatusTooManyRequests || got.header.Get("X-Ratelimit-Limit-Requests") != "2" {
		t.Fatalf("%+v", got)
	}
	if wait := got.header.Get("Retry-After"); wait != "1800" && wait != "1799" {
		t.Errorf("a request may come every half hour, Retry-After is %s s", wait)
	}
	if got := h.do("GET", "/v1/models", key, ""); got.status != http.StatusOK {
		t.Errorf("a list is not an answer: %+v", got)
	}
}

func TestAnEmptyKeyIsToldWhereToTopUp(t *testing.T) {
	h := newHarness(t, newScripted(t, "one", testPrice, "hello"))
	h.restart(func(c *Config) { c.TopUp = "https://pay.example/?key={key}" })
	text, key, err := keys.Create(h.gateway.Store(), keys.Terms{Budget: 1, Period: 30 * 24 * time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	got := h.do("POST", "/v1/chat/completions", text, hello+"}")
	link := "https://pay.example/?key=" + key.ID
	if got.status != http.StatusPaymentRequired || field(t, got.body, "error.top_up") != link || !strings.Contains(got.body, "anew at") {
		t.Errorf("%+v", got)
	}
	if err := keys.TopUp(h.gateway.Store(), key.ID, dollar); err != nil {
		t.Fatal(err)
	}
	if got := h.do("POST", "/v1/chat/completions", text, hello+"}"); got.status != http.StatusOK {
		t.Errorf("topped up: %+v", got)
	}
}
