// Package web is the pages that a node shows: a playground, what is offered, by
// whom, what the ledger did and what it comes to. It reads the index and the
// public API, so that anybody's own pages could show the same.
package web

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/koinon/koinon/internal/indexer"
)

//go:embed templates/*.html assets
var files embed.FS

// Config is what the pages are about.
type Config struct {
	Index *indexer.Index
	// Ledger is asked for what the index does not have; nil for pages of an index
	// alone.
	Ledger Ledger
	// Key, unless empty, is an API key for the playground of whoever opens a page
	// on this machine itself. Nobody else is shown it.
	Key string
	// People, unless nil, are accounts that whoever opens a page on this machine
	// itself may use, of a network that is there for trying things out.
	People []Person
	// RPC and REST are a node's public URLs, which wallets in a browser's extension
	// need; they are not offered without.
	RPC, REST string
	// Hosted, unless empty, is a file of what hosted APIs cost, for comparison: lines
	// of a name and dollars for a million tokens of prompts and of answers.
	Hosted string
	// Names are names for accounts beside those that providers give themselves.
	Names map[string]string
	// Own, unless nil, is the provider whose owner's pages these are; only a browser
	// on the same machine is shown it.
	Own func(context.Context) (Own, error)
	// Alone says that no gateway's API is beside the pages, which then have no
	// playground.
	Alone bool
	// Version is the program's.
	Version string
	// ChainID names the ledger.
	ChainID string
	// Ended is closed when the server stops, which ends what streams.
	Ended <-chan struct{}
	Log   *slog.Logger
}

// Site serves the pages.
type Site struct {
	config Config
	pages  *pages
	manual *manual
	asking chan struct{} // holds one for each request that the ledger is asked for

	issuers issuers
	now     func() time.Time
}

// New prepares the pages.
func New(c Config) (*Site, error) {
	p, err := parse()
	if err != nil {
		return nil, err
	}
	m, err := readManual()
	if err != nil {
		return nil, err
	}
	if c.Ledger == nil {
		c.Ledger = silent{}
	}
	return &Site{config: c, pages: p, manual: m, asking: make(chan struct{}, maxAsking), now: time.Now}, nil
}

// Handler serves the pages at every path that they have.
func (s *Site) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, show := range map[string]pager{
		"GET /{$}":                 s.front,
		"GET /models":              s.models,
		"GET /models/{digest}":     s.model,
		"GET /providers":           s.providers,
		"GET /providers/{address}": s.provider,
		"GET /ledger":              s.ledger,
		"GET /ledger/txs":          s.transactions,
		"GET /ledger/validators":   s.validators,
		"GET /ledger/proposals":    s.proposals,
		"GET /ledger/modules":      s.modules,
		"GET /blocks/{height}":     s.block,
		"GET /txs/{hash}":          s.transaction,
		"GET /accounts/{address}":  s.account,
		"GET /search":              s.search,
		"GET /economy":             s.economy,
		"GET /wallet":              s.wallet,
		"GET /own":                 s.own,
		"GET /docs/{path...}":      s.docs,
		"GET /":                    s.unknown,
	} {
		mux.Handle(path, s.page(show))
	}
	mux.HandleFunc("GET /events", s.events)
	mux.Handle("GET /wallet/accounts/{address}", s.asked(s.askAccount))
	mux.Handle("GET /wallet/txs/{hash}", s.asked(s.askTx))
	mux.Handle("POST /wallet/simulate", s.asked(s.askCost))
	mux.Handle("POST /wallet/send", s.asked(s.send))
	assets, err := fs.Sub(files, "assets")
	if err != nil {
		panic(err) // the embedded folder has a fixed name
	}
	mux.Handle("GET /assets/", http.StripPrefix("/assets/", cached(http.FileServerFS(assets))))
	return guarded(mux)
}

// policy lets pages load and reach nothing but this server.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// cached lets browsers keep assets, whose addresses change with their content.
func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		next.ServeHTTP(w, r)
	})
}

// page is one page's content.
type page struct {
	Title    string
	Section  string // of the navigation
	Template string
	Data     any
	// Rows is what the page's table holds, for CSV and JSON: a slice of structs.
	Rows any
}

// pager makes a page.
type pager func(*http.Request) (page, error)

// errGone answers a request for something that is not there.
var errGone = errors.New("there is no such page")

// page serves a page as HTML or, with ?format=csv or json, its table.
func (s *Site) page(show pager) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		r = r.WithContext(ctx)
		p, err := show(r)
		status := http.StatusOK
		switch {
		case errors.Is(err, indexer.ErrNotFound), errors.Is(err, errGone):
			status = http.StatusNotFound
			p = page{Title: "Not found", Template: "message", Data: message{"Nothing here has this name.", "It may be too new, or misspelt. Search finds blocks, transactions, addresses, models, receipts and grants."}}
		case err != nil:
			s.config.Log.Warn("a page could not be made", "path", r.URL.Path, "error", err)
			status = http.StatusInternalServerError
			p = page{Title: "Trouble", Template: "message", Data: message{"The index could not be read.", "The node's log says why. Try again in a moment."}}
		}
		if format := r.URL.Query().Get("format"); format != "" && p.Rows != nil && err == nil {
			export(w, format, p)
			return
		}
		if err := s.pages.write(w, r, status, s.around(r, p)); err != nil {
			s.config.Log.Warn("a page could not be written", "path", r.URL.Path, "error", err)
		}
	})
}

// message is a page with a sentence alone.
type message struct{ Says, Then string }

func (s *Site) unknown(*http.Request) (page, error) { return page{}, errGone }

// local says whether whoever asks sits at this machine and typed its name, so
// that no other site's script can be behind the request.
func local(r *http.Request) bool {
	host := r.Host
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	from := r.RemoteAddr
	loop := strings.HasPrefix(from, "127.") || strings.HasPrefix(from, "[::1]:")
	return loop && (host == "localhost" || host == "127.0.0.1" || host == "[::1]") && r.Header.Get("X-Forwarded-For") == ""
}
