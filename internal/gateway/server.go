package gateway

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/koinon/koinon/internal/gateway/keys"
	"github.com/koinon/koinon/internal/gateway/openai"
	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler is the HTTP API.
func (g *Gateway) Handler() http.Handler {
	mux := http.NewServeMux()
	for route, serve := range map[string]func(http.ResponseWriter, *http.Request, store.Key) error{
		"POST /v1/chat/completions": g.chat,
		"POST /v1/completions":      g.completions,
		"GET /v1/models":            g.listModels,
		"GET /v1/models/{id...}":    g.getModel,
		"GET /v1/receipts":          g.listReceipts,
		"GET /v1/receipts/{id}":     g.getReceipt,
	} {
		mux.Handle(route, g.observed(route, g.authenticated(serve)))
	}
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", g.ready)
	mux.HandleFunc("GET /version", g.showVersion)
	mux.Handle("GET /metrics", promhttp.HandlerFor(g.metrics.registry, promhttp.HandlerOpts{}))
	mux.Handle("/", g.observed("other", func(w http.ResponseWriter, r *http.Request) error {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			probe := r.Clone(r.Context())
			probe.Method = method
			if _, pattern := mux.Handler(probe); pattern != "/" {
				w.Header().Set("Allow", method)
				return openai.MethodNotAllowed(r.Method, r.URL.Path)
			}
		}
		return openai.NotFound("unknown_url", "", "Unknown request URL: %s %s.", r.Method, r.URL.Path)
	}))
	return mux
}

// requestID is the header and the log's name for one HTTP request.
const requestID = "X-Request-Id"

// observed gives a request its id, its limits, its metrics and its line in the
// log, and turns errors into OpenAI's bodies. Neither bodies nor keys are logged.
func (g *Gateway) observed(route string, serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		id := "req_" + rand.Text()
		out := &response{ResponseWriter: w}
		out.Header().Set(requestID, id)
		r.Body = http.MaxBytesReader(out, r.Body, g.config.MaxBody)
		g.metrics.inFlight.Inc()
		defer func() {
			if fault := recover(); fault != nil && fault != http.ErrAbortHandler {
				g.log.Error("a handler panicked", "request", id, "fault", fault, "stack", string(debug.Stack()))
				if out.status == 0 {
					openai.Internal(id).Write(out)
				}
			}
			took := time.Since(begun)
			g.metrics.inFlight.Dec()
			g.metrics.requests.WithLabelValues(route, strconv.Itoa(out.status)).Inc()
			g.metrics.seconds.WithLabelValues(route).Observe(took.Seconds())
			g.log.Info("request", "request", id, "route", route, "status", out.status, "took", took)
		}()
		if err := serve(out, r); err != nil {
			g.fail(out, r, id, err)
		}
	})
}

// statusClientGone is what the log says of a client that did not wait, as nginx
// does; nobody is there to read it.
const statusClientGone = 499

// fail writes an error's body, unless the response has begun.
func (g *Gateway) fail(w *response, r *http.Request, id string, err error) {
	if w.status != 0 {
		return
	}
	var known *openai.Error
	switch {
	case errors.Is(err, errClient) && r.Context().Err() != nil:
		w.status = statusClientGone
		return
	case !errors.As(err, &known):
		g.log.Error("a request failed", "request", id, "error", err)
		known = openai.Internal(id)
	}
	known.Write(w)
}

// authenticated calls a handler with the request's API key.
func (g *Gateway) authenticated(serve func(http.ResponseWriter, *http.Request, store.Key) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || text == "" {
			return openai.Unauthorized(false)
		}
		key, err := keys.Authenticate(r.Context(), g.store, strings.TrimSpace(text))
		if errors.Is(err, keys.ErrInvalid) {
			return openai.Unauthorized(true)
		}
		if err != nil {
			return err
		}
		if !g.concurrency.enter(key.ID) {
			return openai.RateLimit(time.Second, "Rate limit reached: this API key has %d requests in flight, the most it may have.", g.config.MaxInFlight)
		}
		defer g.concurrency.leave(key.ID)
		return serve(w, r, key)
	}
}

// readBody reads a body within the limit.
func (g *Gateway) readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, openai.TooLarge(large.Limit)
	case err != nil && r.Context().Err() != nil:
		return nil, errClient
	case err != nil:
		return nil, openai.Malformed("The request's body could not be read.")
	}
	return body, nil
}

// response remembers the status that was sent.
type response struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (r *response) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *response) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *response) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// writeJSON sends a whole answer.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := w.Write(append(body, '\n')); err != nil {
		return errors.Join(errClient, err)
	}
	return nil
}

// concurrency counts each key's requests in flight.
type concurrency struct {
	most int
	mu   sync.Mutex
	keys map[string]int
}

func newConcurrency(most int) *concurrency { return &concurrency{most: most, keys: map[string]int{}} }

func (c *concurrency) enter(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys[key] >= c.most {
		return false
	}
	c.keys[key]++
	return true
}

func (c *concurrency) leave(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys[key]--; c.keys[key] == 0 {
		delete(c.keys, key)
	}
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
	if status.Ledger && status.Escrow {
		status.Status, code = "ok", http.StatusOK
	}
	_ = writeJSON(w, code, status)
}

// alive counts a version's providers that can be reached.
func (g *Gateway) alive(v *version) (n int) {
	now := g.now()
	for _, o := range v.offers {
		if s := g.peers.state(o.provider); s.reach == live && s.usable(now) {
			n++
		}
	}
	return n
}

func (g *Gateway) showVersion(w http.ResponseWriter, _ *http.Request) {
	_ = writeJSON(w, http.StatusOK, map[string]string{"name": "koinon", "version": g.version, "chain_id": g.config.ChainID})
}
