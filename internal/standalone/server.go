// Package standalone serves one model file over OpenAI's HTTP API from an engine
// in the same process: no ledger, no market, no payment. Beside OpenAI's
// endpoints it has what people who work on models need: tokens of a text, the
// text of tokens, and how likely a text is.
package standalone

import (
	"context"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/koinon/koinon/internal/anthropic"
	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/openai"
	"github.com/koinon/koinon/internal/openai/responses"
	"github.com/koinon/koinon/internal/reference"
	"github.com/koinon/koinon/receipt"
)

// Config says what to serve.
type Config struct {
	// Name is the model's in the API.
	Name string
	// Digest is the SHA-256 of the model's file; answers carry it.
	Digest receipt.Digest
	// APIKey, if not empty, must come with every request.
	APIKey string
	// MaxBody bounds a request's body, in bytes.
	MaxBody int64
	// Threads for what the engine does not schedule: scores and embeddings.
	Threads int
	Log     *slog.Logger
	// Version is the program's.
	Version string
}

// Server serves one engine.
type Server struct {
	config     Config
	engine     *engine.Engine
	vocabulary reference.Vocabulary
	created    time.Time
	whole      chan struct{} // one place: whoever computes a whole text at once
}

// New makes a server.
func New(c Config, e *engine.Engine) *Server {
	return &Server{
		config: c, engine: e, vocabulary: reference.Vocabulary{Vocabulary: e.Model().Vocabulary},
		created: time.Now(), whole: make(chan struct{}, 1),
	}
}

func (s *Server) endpoints() openai.Endpoints {
	return openai.Endpoints{MaxBody: s.config.MaxBody, Log: s.config.Log}
}

// How long running answers have at the end, and to notice that they are cut off.
const (
	grace  = 10 * time.Second
	settle = time.Second
)

// Serve answers requests until the context ends.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	return s.endpoints().Serve(ctx, listener, s.Handler(), grace, settle)
}

// Handler is the HTTP API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	endpoints := s.endpoints()
	for route, serve := range map[string]func(http.ResponseWriter, *http.Request) error{
		"POST /v1/chat/completions": func(w http.ResponseWriter, r *http.Request) error { return openai.Chat(w, r, s.prepare) },
		"POST /v1/completions":      func(w http.ResponseWriter, r *http.Request) error { return openai.Completions(w, r, s.prepare) },
		"POST /v1/responses":        func(w http.ResponseWriter, r *http.Request) error { return responses.Serve(w, r, s.prepare) },
		"POST /v1/embeddings":       s.embeddings,
		"GET /v1/models":            s.listModels,
		"GET /v1/models/{id...}":    s.getModel,
		"POST /tokenize":            s.tokenize,
		"POST /detokenize":          s.detokenize,
		"POST /score":               s.score,
	} {
		mux.Handle(route, endpoints.Handler(route, s.authorised(serve)))
	}
	for route, serve := range map[string]func(http.ResponseWriter, *http.Request) error{
		"POST /v1/messages": func(w http.ResponseWriter, r *http.Request) error { return anthropic.Messages(w, r, s.prepare) },
		"POST /v1/messages/count_tokens": func(w http.ResponseWriter, r *http.Request) error {
			return anthropic.CountTokens(w, r, s.count)
		},
	} {
		mux.Handle(route, anthropic.Endpoints(endpoints).Handler(route, s.authorised(serve)))
	}
	for _, route := range []string{"GET /livez", "GET /readyz"} {
		mux.HandleFunc(route, func(w http.ResponseWriter, _ *http.Request) {
			_ = openai.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
		})
	}
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		_ = openai.WriteJSON(w, http.StatusOK, map[string]string{"name": "koinon", "version": s.config.Version})
	})
	mux.Handle("/", endpoints.Unknown(mux))
	return mux
}

// authorised asks for the key, if there is one.
func (s *Server) authorised(serve func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	if s.config.APIKey == "" {
		return serve
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			given = anthropic.Key(r.Header)
		}
		if subtle.ConstantTimeCompare([]byte(strings.TrimSpace(given)), []byte(s.config.APIKey)) == 0 {
			e := openai.Unauthorized(given != "")
			e.Message = "This server asks for the API key that it was started with: send it as 'Authorization: Bearer KEY'."
			return e
		}
		return serve(w, r)
	}
}

// serves refuses a model that is not the one served: the answer of another is
// not what was asked for.
func (s *Server) serves(model string) error {
	if model == s.config.Name || model == s.config.Digest.String() || model == s.config.Name+"@"+s.config.Digest.String() {
		return nil
	}
	return openai.NotFound("model_not_found", "model", "The model '%s' does not exist here. This server has '%s'.", model, s.config.Name)
}

func (s *Server) describe() openai.Model {
	m := s.engine.Model()
	return openai.Model{
		ID: s.config.Name, Object: "model", Created: s.created.Unix(), OwnedBy: "local", ContextLength: uint32(m.ContextLength),
		Koinon: openai.ModelDetail{
			Name: s.config.Name, Digest: s.config.Digest.String(), Class: receipt.Exact, License: m.License,
			Architecture: m.Architecture, Parameters: m.Parameters, Quantization: m.Quantization,
			ContextLength: uint32(m.ContextLength), Providers: 1,
		},
	}
}

func (s *Server) listModels(w http.ResponseWriter, _ *http.Request) error {
	return openai.WriteJSON(w, http.StatusOK, openai.List[openai.Model]{Object: "list", Data: []openai.Model{s.describe()}})
}

func (s *Server) getModel(w http.ResponseWriter, r *http.Request) error {
	if err := s.serves(r.PathValue("id")); err != nil {
		return err
	}
	return openai.WriteJSON(w, http.StatusOK, s.describe())
}
