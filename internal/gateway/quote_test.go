package gateway

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

func TestWithoutAKeyThePriceIsNamed(t *testing.T) {
	one := newScripted(t, "one", testPrice, "hello")
	h := newHarness(t, one)
	if got := h.do("POST", "/v1/chat/completions", "", hello+"}"); got.status != http.StatusUnauthorized {
		t.Fatalf("a gateway that is not public: %+v", got)
	}
	h.restart(func(c *Config) { c.Public = true })
	got := h.do("POST", "/v1/chat/completions", "", hello+`,"max_tokens":5}`)
	if got.status != http.StatusPaymentRequired || field(t, got.body, "x402Version") != 1.0 {
		t.Fatalf("%+v", got)
	}
	// 11 tokens of prompt at 1 ucredit, 5 of answer at 10.
	for path, want := range map[string]any{
		"accepts.0.scheme": "koinon-grant", "accepts.0.maxAmountRequired": "61", "accepts.0.payTo": one.address,
		"accepts.0.extra.prompt_tokens": 11.0, "accepts.0.extra.max_completion_tokens": 5.0,
	} {
		if value := field(t, got.body, path); value != want {
			t.Errorf("%s is %v, not %v", path, value, want)
		}
	}
	if got := h.do("POST", "/v1/chat/completions", "sk-koinon-wrong", hello+"}"); got.status != http.StatusUnauthorized {
		t.Errorf("a wrong key is no stranger: %+v", got)
	}
	if got := h.do("POST", "/v1/payments/"+strings.Repeat("0", 64)+"/tickets", "", `{"index":0}`); got.status != http.StatusNotFound {
		t.Errorf("tickets of an unknown grant: %+v", got)
	}
	if got := h.do("GET", "/v1/receipts/"+strings.Repeat("0", 64), "", ""); got.status != http.StatusNotFound {
		t.Errorf("an unknown receipt: %+v", got)
	}
}

// FuzzPayment feeds whatever a stranger may put into the header.
func FuzzPayment(f *testing.F) {
	f.Add([]byte(`{"x402Version":1,"scheme":"koinon-grant","network":"c","payload":{"chain_id":"c","tickets":5,"ticket":{"index":2}}}`))
	f.Add([]byte(`[]`))
	g := &Gateway{config: Config{ChainID: "c"}}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := g.readPayment(base64.StdEncoding.EncodeToString(body))
		if err == nil && (p.Network != "c" || p.Payload.ChainID != "c" || p.Scheme != scheme) {
			t.Errorf("accepted %+v", p)
		}
	})
}
