package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/koinon/koinon/api"
	"github.com/koinon/koinon/internal/anthropic"
	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/openai"
	"github.com/koinon/koinon/internal/openai/responses"
	"github.com/koinon/koinon/internal/route"
	"github.com/koinon/koinon/internal/tracing"
	"github.com/koinon/koinon/receipt"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// keyed is a handler for requests of an API key.
type keyed func(http.ResponseWriter, *http.Request, store.Key) error

// Handler is the HTTP API.
func (g *Gateway) Handler() http.Handler {
	mux := http.NewServeMux()
	for route, handler := range g.routes() {
		mux.Handle(route, handler)
	}
	mux.Handle("/", g.endpoints().Unknown(mux))
	if g.pages == nil {
		return mux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "/" && r.URL.Path != "/v1" && !strings.HasPrefix(r.URL.Path, "/v1/") {
			g.pages.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// routes are all that the API has, as api/openapi.yaml describes them.
func (g *Gateway) routes() map[string]http.Handler {
	all := map[string]http.Handler{
		"GET /livez":        http.HandlerFunc(g.live),
		"GET /readyz":       http.HandlerFunc(g.ready),
		"GET /version":      http.HandlerFunc(g.showVersion),
		"GET /measured":     http.HandlerFunc(g.showMeasured),
		"GET /openapi.yaml": http.HandlerFunc(describe),
		"GET /metrics":      promhttp.HandlerFor(g.metrics.registry, promhttp.HandlerOpts{}),
	}
	endpoints := g.endpoints()
	for route, serve := range map[string]keyed{
		"POST /v1/chat/completions": g.repeatable(g.chat),
		"POST /v1/completions":      g.repeatable(g.completions),
		"POST /v1/responses":        g.repeatable(g.responses),
		"POST /v1/embeddings":       g.repeatable(g.embeddings),
		"GET /v1/models":            g.listModels,
		"GET /v1/models/{id...}":    g.getModel,
		"GET /v1/receipts":          g.listReceipts,
		"GET /v1/receipts/{id}":     g.getReceipt,
	} {
		all[route] = endpoints.Handler(route, g.authenticated(serve))
	}
	for route, serve := range map[string]keyed{
		"POST /v1/messages":              g.repeatable(g.messages),
		"POST /v1/messages/count_tokens": g.countTokens,
	} {
		all[route] = anthropic.Endpoints(endpoints).Handler(route, g.authenticated(serve))
	}
	const tickets = "POST /v1/payments/{id}/tickets"
	all[tickets] = endpoints.Handler(tickets, g.takeTicket)
	return all
}

// describe serves the API's description.
func describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(api.OpenAPI)
}

// live says that the gateway runs.
func (g *Gateway) live(w http.ResponseWriter, _ *http.Request) {
	_ = openai.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// endpoints are what all routes have in common.
func (g *Gateway) endpoints() openai.Endpoints {
	return openai.Endpoints{MaxBody: g.config.MaxBody, Log: g.log, Trace: tracing.Request, Begin: func(route string) func(int, time.Duration) {
		g.metrics.inFlight.Inc()
		return func(status int, took time.Duration) {
			g.metrics.inFlight.Dec()
			g.metrics.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
			g.metrics.seconds.WithLabelValues(route).Observe(took.Seconds())
		}
	}}
}

// chat serves POST /v1/chat/completions.
func (g *Gateway) chat(w http.ResponseWriter, r *http.Request, key store.Key) error {
	return openai.Chat(w, r, g.preparing(key))
}

// completions serves POST /v1/completions.
func (g *Gateway) completions(w http.ResponseWriter, r *http.Request, key store.Key) error {
	return openai.Completions(w, r, g.preparing(key))
}

// responses serves POST /v1/responses.
func (g *Gateway) responses(w http.ResponseWriter, r *http.Request, key store.Key) error {
	return responses.Serve(w, r, g.preparing(key))
}

// messages serves POST /v1/messages.
func (g *Gateway) messages(w http.ResponseWriter, r *http.Request, key store.Key) error {
	return anthropic.Messages(w, r, g.preparing(key))
}

// countTokens serves POST /v1/messages/count_tokens.
func (g *Gateway) countTokens(w http.ResponseWriter, r *http.Request, _ store.Key) error {
	return anthropic.CountTokens(w, r, g.count)
}

// repeatable lets clients send a request again without paying twice. Who asks
// only for the price has nothing to repeat; who pays with a grant is known by its
// signature, which nobody else has.
func (g *Gateway) repeatable(serve keyed) keyed {
	return func(w http.ResponseWriter, r *http.Request, key store.Key) error {
		owner := key.ID
		if s := strangerOf(r.Context()); s != nil {
			if s.caller == nil {
				return serve(w, r, key)
			}
			owner += "/" + receipt.Sum(s.caller.Signed().Signature).Hex()
		}
		return g.once.Serve(w, r, owner, func(w http.ResponseWriter, r *http.Request) error { return serve(w, r, key) })
	}
}

// Ready says what is missing before requests can be served; nil if nothing is.
func (g *Gateway) Ready(context.Context) error {
	if g.directory.current.Load() == nil {
		return errors.New("the ledger was not read yet")
	}
	if !g.funded.Load() {
		return fmt.Errorf("the escrow is not in order: send credit to %s", g.ledger.Payer())
	}
	return nil
}

// ready says whether requests can be served, and if not, what is missing.
func (g *Gateway) ready(w http.ResponseWriter, r *http.Request) {
	status := struct {
		Status    string `json:"status"`
		Ledger    bool   `json:"ledger"`    // was read
		Escrow    bool   `json:"escrow"`    // is in order
		Offers    int    `json:"offers"`    // on the ledger
		Providers int    `json:"providers"` // that can be reached and whose model's vocabulary is here
	}{Status: "waiting", Escrow: g.funded.Load()}
	if m := g.directory.current.Load(); m != nil {
		status.Ledger, status.Offers = true, m.offers()
		for _, v := range m.versions {
			if g.vocabularies.has(v.digest) {
				status.Providers += g.alive(v)
			}
		}
	}
	code := http.StatusServiceUnavailable
	if g.Ready(r.Context()) == nil {
		status.Status, code = "ok", http.StatusOK
	}
	_ = openai.WriteJSON(w, code, status)
}

// alive counts a version's providers that can be reached.
func (g *Gateway) alive(v *version) (n int) {
	now := g.now()
	for _, o := range v.offers {
		if o.lane.Reach() == route.Live && o.lane.Usable(now) {
			n++
		}
	}
	return n
}

func (g *Gateway) showVersion(w http.ResponseWriter, _ *http.Request) {
	_ = openai.WriteJSON(w, http.StatusOK, map[string]string{"name": "koinon", "version": g.version, "chain_id": g.config.ChainID})
}
