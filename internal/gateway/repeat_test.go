package gateway

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/receipt"
)

// repeat sends a request with an idempotency key.
func (h *harness) repeat(ctx context.Context, path, apiKey, key, body string) reply {
	request, err := http.NewRequestWithContext(ctx, "POST", h.server.URL+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+apiKey)
	request.Header.Set("Idempotency-Key", key)
	return h.send(request)
}

// A request that is sent again gets the same answer and is paid once: whole or
// streamed, and after a restart of the gateway.
func TestARepeatedRequestPaysOnce(t *testing.T) {
	for path, body := range map[string]string{
		"/v1/chat/completions": hello + `}`,
		"/v1/completions":      `{"model":"bard","prompt":"Once","stream":true}`,
		"/v1/responses":        `{"model":"bard","input":"hello","stream":true}`,
		"/v1/messages":         `{"model":"bard","max_tokens":50,"messages":[{"role":"user","content":"x"}]}`,
	} {
		t.Run(path, func(t *testing.T) {
			p := newScripted(t, "p", testPrice, "To be, or not to be")
			h := newHarness(t, p)
			first := h.repeat(t.Context(), path, h.key, "a", body)
			if first.status != 200 || first.header.Get("Idempotent-Replayed") != "" {
				t.Fatalf("%d %s", first.status, first.body)
			}
			spent := h.spent(h.keyID)
			for range 2 {
				again := h.repeat(t.Context(), path, h.key, "a", body)
				if again.status != 200 || again.body != first.body || again.header.Get("Idempotent-Replayed") != "true" {
					t.Errorf("again: %d %s, first %s", again.status, again.body, first.body)
				}
				for _, field := range []string{"Content-Type", "Koinon-Model", "Koinon-Provider", "Koinon-Receipt"} {
					if again.header.Get(field) != first.header.Get(field) || first.header.Get(field) == "" {
						t.Errorf("%s was %q, and is %q", field, first.header.Get(field), again.header.Get(field))
					}
				}
				h.restart(nil)
			}
			if p.count() != 1 || h.spent(h.keyID) != spent {
				t.Errorf("the provider served %d times, and %d was spent, then %d", p.count(), spent, h.spent(h.keyID))
			}
			if other := h.repeat(t.Context(), path, h.key, "a", strings.Replace(body, "bard", "bard@2", 1)); other.status != 422 || !strings.Contains(other.body, "used for another request") {
				t.Errorf("another request with the key: %d %s", other.status, other.body)
			}
			theirs, _ := h.makeKey(dollar)
			if other := h.repeat(t.Context(), path, theirs, "a", body); other.status != 200 || p.count() != 2 {
				t.Errorf("the key of another API key: %d %s", other.status, other.body)
			}
		})
	}
}

// While the first still runs, whoever asks again waits for it; and it runs on if
// its client leaves.
func TestARepeatedRequestWaitsForTheFirst(t *testing.T) {
	p := newScripted(t, "p", testPrice, "To be")
	reached, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p.pace = func(token int) {
		if token == 2 {
			once.Do(func() { close(reached) })
			<-release
		}
	}
	h := newHarness(t, p)
	impatient, leave := context.WithCancel(t.Context())
	left := make(chan struct{})
	go func() {
		defer close(left)
		request, _ := http.NewRequestWithContext(impatient, "POST", h.server.URL+"/v1/chat/completions", strings.NewReader(hello+`,"stream":true}`))
		request.Header.Set("Authorization", "Bearer "+h.key)
		request.Header.Set("Idempotency-Key", "a")
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
		}
	}()
	<-reached
	leave()
	<-left
	answers := make(chan reply, 3)
	for range cap(answers) {
		go func() { answers <- h.repeat(t.Context(), "/v1/chat/completions", h.key, "a", hello+`,"stream":true}`) }()
	}
	if other := h.repeat(t.Context(), "/v1/chat/completions", h.key, "a", hello+`}`); other.status != 422 {
		t.Errorf("another request meanwhile: %d %s", other.status, other.body)
	}
	close(release)
	for range cap(answers) {
		if got := <-answers; got.status != 200 || !strings.Contains(got.body, "[DONE]") || got.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	if p.count() != 1 {
		t.Errorf("the provider served %d times", p.count())
	}
}

// What was refused before anything was paid may come again; what broke in the
// middle may not, nor what was lost with the gateway.
func TestWhatMayBeRepeated(t *testing.T) {
	p := newScripted(t, "p", testPrice, "To be, or not to be")
	h := newHarness(t, p)
	const path = "/v1/chat/completions"
	p.set(func(p *scripted) { p.down = true })
	if got := h.repeat(t.Context(), path, h.key, "down", hello+`}`); got.status != 503 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	p.set(func(p *scripted) { p.down = false })
	h.gateway.Probe(t.Context())
	eventually(t, "the provider is back", func() bool {
		return h.repeat(t.Context(), path, h.key, "down", hello+`}`).status == 200
	})

	p.set(func(p *scripted) { p.script = func(s *serving) error { s.generate(3); return s.stream.Reset() } })
	broken := h.repeat(t.Context(), path, h.key, "broken", hello+`}`)
	p.set(func(p *scripted) { p.script = nil })
	served := p.count()
	again := h.repeat(t.Context(), path, h.key, "broken", hello+`}`)
	if broken.status != 502 || again.status != 502 || again.body != broken.body || p.count() != served {
		t.Errorf("broken: %d %s, again %d %s", broken.status, broken.body, again.status, again.body)
	}

	// The gateway dies while it answers: nobody takes back what the claim says.
	claim := store.Claim{Key: h.keyID, Name: "lost", Request: receipt.Sum([]byte("POST " + path + "\n" + hello + "}"))}
	_, err := h.gateway.Store().Claim(claim, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	h.restart(nil)
	if got := h.repeat(t.Context(), path, h.key, "lost", hello+`}`); got.status != 409 || field(t, got.body, "error.code") != "idempotency_answer_lost" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := h.repeat(t.Context(), path, h.key, strings.Repeat("x", 256), hello+`}`); got.status != 400 {
		t.Errorf("a key of 256 bytes: %d %s", got.status, got.body)
	}
}
