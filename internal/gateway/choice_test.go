package gateway

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

func TestControlsChooseTheProvider(t *testing.T) {
	cheap := newScripted(t, "cheap", testPrice, "cheap")
	dear := newScripted(t, "dear", times(testPrice, 3), "dear")
	h := newHarness(t, cheap, dear)
	for _, c := range []struct{ object, want string }{
		{`{}`, "cheap"},
		{`{"only":["koinon1dear"]}`, "dear"},
		{`{"ignore":["koinon1cheap"]}`, "dear"},
		{`{"order":["koinon1dear"]}`, "dear"},
		{`{"max_price":{"prompt":1,"completion":10}}`, "cheap"},
		{`{"quantizations":["int8"],"verification":"exact","sort":"price"}`, "cheap"},
	} {
		r := h.chat(hello + `,"provider":` + c.object + `}`)
		if got := field(t, r.body, "choices.0.message.content"); r.status != http.StatusOK || got != c.want {
			t.Errorf("%s: %d %s", c.object, r.status, r.body)
		}
	}
}

func TestTheControlThatExcludesAllIsNamed(t *testing.T) {
	h := newHarness(t, newScripted(t, "a", testPrice, "a"), newScripted(t, "b", times(testPrice, 2), "b"))
	for _, c := range []struct{ object, param, says string }{
		{`{"max_price":{"completion":0.5}}`, "provider.max_price", "of 2 that offer it, 'provider.max_price' permits 0"},
		{`{"min_audit_score":0.5}`, "provider.min_audit_score", "permits 0"},
		{`{"region":"DE","only":["koinon1a"]}`, "provider.region", "permits 0"},
		{`{"only":["koinon1a"],"ignore":["koinon1a"]}`, "provider.only", "'provider.only' permits 1, 'provider.ignore' permits 1"},
		{`{"verification":"statistical"}`, "provider.verification", "permits no version"},
		{`{"quantizations":["bf16"]}`, "provider.quantizations", "Q8_0"},
	} {
		r := h.chat(hello + `,"provider":` + c.object + `}`)
		if r.status != http.StatusNotFound || field(t, r.body, "error.param") != c.param || !strings.Contains(r.body, c.says) {
			t.Errorf("%s: %d %s", c.object, r.status, r.body)
		}
	}
}

func TestFailoverKeepsToTheOrder(t *testing.T) {
	a, b := newScripted(t, "a", testPrice, "a"), newScripted(t, "b", testPrice, "b")
	a.script = func(*serving) error { return inference.Errorf(inference.CodeInternal, "broken") }
	h := newHarness(t, a, b)
	if r := h.chat(hello + `,"provider":{"order":["koinon1a"],"allow_fallbacks":false}}`); r.status != http.StatusServiceUnavailable {
		t.Errorf("without fallbacks: %d %s", r.status, r.body)
	}
	if r := h.chat(hello + `,"provider":{"order":["koinon1a"]}}`); r.status != http.StatusOK || field(t, r.body, "choices.0.message.content") != "b" {
		t.Errorf("with fallbacks: %d %s", r.status, r.body)
	}
}

// What is said with a refusal follows from what the provider's answers took.
func TestRetryAfterIsMeasured(t *testing.T) {
	p := newScripted(t, "a", testPrice, "a")
	h := newHarness(t, p)
	v := h.gateway.directory.current.Load().find("bard")
	lane := v.offers[0].lane
	lane.Answered(time.Now(), time.Second)
	lane.Finished(time.Now(), 10, 39*time.Second, 40*time.Second)
	p.set(func(p *scripted) {
		p.script = func(*serving) error { return inference.Errorf(inference.CodeBusy, "full") }
	})
	for range 64 { // as many as it has slots
		lane.Begin(time.Now())
	}
	r := h.chat(hello + `}`)
	if r.status != http.StatusServiceUnavailable || field(t, r.body, "error.code") != "overloaded" {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if got := r.header.Get("Retry-After"); got != "1" { // 40 s in 64 slots: one is free within a second
		t.Errorf("Retry-After is %s", got)
	}
	for range 128 {
		lane.Begin(time.Now())
	}
	if got := h.chat(hello + `}`).header.Get("Retry-After"); got != "81" { // 129 ahead in 64 slots of 40 s each
		t.Errorf("Retry-After is %s", got)
	}
}

func times(p receipt.Price, n uint64) receipt.Price {
	return receipt.Price{Input: p.Input * n, CachedInput: p.CachedInput * n, Output: p.Output * n}
}
