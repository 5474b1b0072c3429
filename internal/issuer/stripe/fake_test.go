package stripe_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
)

// card is the few endpoints of Stripe's API that an issuer uses.
type card struct {
	*httptest.Server
	mu      sync.Mutex
	opened  []map[string]string // Checkout Sessions' forms
	refunds []refund
	// lost says whether the answer to a refund is lost, although it was made.
	lost func() bool
}

type refund struct {
	ID       string            `json:"id"`
	Object   string            `json:"object"`
	Amount   int64             `json:"amount"`
	Intent   string            `json:"payment_intent"`
	Status   string            `json:"status"`
	Metadata map[string]string `json:"metadata"`
	key      string
}

func newCard(t *testing.T) *card {
	c := &card{lost: func() bool { return false }}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/checkout/sessions", c.open)
	mux.HandleFunc("GET /v1/refunds", c.list)
	mux.HandleFunc("POST /v1/refunds", c.refund)
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

func (c *card) open(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer sk_test" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	r.ParseForm()
	form := map[string]string{}
	for k := range r.PostForm {
		form[k] = r.PostForm.Get(k)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened = append(c.opened, form)
	id := fmt.Sprintf("cs_test_%d", len(c.opened))
	json.NewEncoder(w).Encode(map[string]any{"id": id, "object": "checkout.session", "url": "https://checkout.example/" + id})
}

func (c *card) list(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	data := []refund{}
	for _, made := range c.refunds {
		if made.Intent == r.URL.Query().Get("payment_intent") {
			data = append(data, made)
		}
	}
	json.NewEncoder(w).Encode(map[string]any{"object": "list", "url": "/v1/refunds", "has_more": false, "data": data})
}

func (c *card) refund(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	c.mu.Lock()
	defer c.mu.Unlock()
	key := r.Header.Get("Idempotency-Key")
	made := refund{}
	for _, old := range c.refunds {
		if old.key == key {
			made = old
		}
	}
	if made.ID == "" {
		amount, err := strconv.ParseInt(r.PostForm.Get("amount"), 10, 64)
		if err != nil {
			http.Error(w, "amount: "+err.Error(), http.StatusBadRequest)
			return
		}
		made = refund{
			ID: fmt.Sprintf("re_%d", len(c.refunds)+1), Object: "refund", Amount: amount, Intent: r.PostForm.Get("payment_intent"), Status: "succeeded",
			Metadata: map[string]string{"koinon_cash_out": r.PostForm.Get("metadata[koinon_cash_out]")}, key: key,
		}
		c.refunds = append(c.refunds, made)
	}
	if c.lost() {
		w.WriteHeader(http.StatusBadRequest) // not retried by the client library
		fmt.Fprint(w, `{"error":{"type":"invalid_request_error","message":"lost"}}`)
		return
	}
	json.NewEncoder(w).Encode(made)
}

// forget loses the idempotency keys, as Stripe does after a day.
func (c *card) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.refunds {
		c.refunds[i].key = ""
	}
}

// refunded is all that was paid back, in cents.
func (c *card) refunded() (sum int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.refunds {
		sum += r.Amount
	}
	return sum
}
