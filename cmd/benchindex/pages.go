package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"time"

	"github.com/koinon/koinon/internal/indexer"
	"github.com/koinon/koinon/internal/web"
)

// timing is what one page took of the server, in milliseconds.
type timing struct {
	Page   string  `json:"page"`
	Median float64 `json:"median_ms"`
	P95    float64 `json:"p95_ms"`
	Most   float64 `json:"most_ms"`
}

// timed asks so many times and sorts what it took; the first, which warms caches up,
// is not counted.
func timed(page string, rounds int, ask func(i int) error) (timing, error) {
	var took []time.Duration
	for i := range rounds + 1 {
		began := time.Now()
		if err := ask(i); err != nil {
			return timing{}, fmt.Errorf("%s: %w", page, err)
		}
		if i > 0 {
			took = append(took, time.Since(began))
		}
	}
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
	return timing{page, ms(took[len(took)/2]), ms(took[len(took)*95/100]), ms(took[len(took)-1])}, nil
}

// pages asks every page, from within the process: what a network adds is not the
// server's time.
func pages(ctx context.Context, x *indexer.Index, l madeUp, rounds int) (list []timing, err error) {
	site, err := web.New(web.Config{Index: x, ChainID: l.ChainID(), Log: slog.New(slog.DiscardHandler), Ended: ctx.Done()})
	if err != nil {
		return nil, err
	}
	handler := site.Handler()
	_, providers, last := l.phases()
	r := rand.New(rand.NewPCG(1, 2))
	provider := func() string { return address("provider", int(float64(l.providers)*r.Float64()*r.Float64())) }
	model := func() string {
		return "sha256:" + sum("model", int64(float64(l.models)*r.Float64()*r.Float64()*r.Float64()))
	}
	payer := func() string { _, _, who := l.parties(r.IntN(l.redemptions)); return who }
	height := func() int64 { return providers + 1 + r.Int64N(last-providers) }
	for _, p := range []struct {
		page string
		path func() string
	}{
		{"/", func() string { return "/" }},
		{"/models", func() string { return "/models" }},
		{"/models, far down", func() string { return "/models?after=" + model() }},
		{"/models/{digest}", func() string { return "/models/" + model() }},
		{"/providers", func() string { return "/providers" }},
		{"/providers, far down", func() string { return "/providers?after=" + provider() }},
		{"/providers?format=csv", func() string { return "/providers?format=csv" }},
		{"/providers/{address}", func() string { return "/providers/" + provider() }},
		{"/ledger", func() string { return "/ledger" }},
		{"/ledger/txs", func() string { return "/ledger/txs" }},
		{"/ledger/txs, far down", func() string { return fmt.Sprintf("/ledger/txs?before=%d.0", height()) }},
		{"/blocks/{height}", func() string { return fmt.Sprintf("/blocks/%d", height()) }},
		{"/txs/{hash}", func() string { return "/txs/" + upper("tx", height()<<16) }},
		{"/accounts/{address}, a provider's", func() string { return "/accounts/" + provider() }},
		{"/accounts/{address}, a payer's", func() string { return "/accounts/" + payer() }},
		{"/search, an address", func() string { return "/search?q=" + provider() }},
		{"/search, a name's beginning", func() string { return "/search?q=" + url.QueryEscape(fmt.Sprintf("machine %d", r.IntN(l.providers))) }},
		{"/search, a grant", func() string { return "/search?q=" + sum("grant", int64(r.IntN(l.redemptions))) }},
		{"/economy", func() string { return "/economy" }},
		{"/economy?format=json", func() string { return "/economy?format=json" }},
	} {
		t, err := timed(p.page, rounds, func(int) error {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, p.path(), nil))
			if w.Code != http.StatusOK && (w.Code < 300 || w.Code >= 400) {
				return fmt.Errorf("status %d", w.Code)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// throughput is how fast blocks come into the index.
type throughput struct {
	Txs    float64 `json:"transactions_per_second"`
	Events float64 `json:"events_per_second"`
	Count  int     `json:"transactions"`
}

// ready is a ledger whose last blocks are made up already, so that making them up is
// not measured.
type ready struct {
	madeUp
	from   int64
	blocks []indexer.Block
}

// Block implements [indexer.Ledger].
func (l ready) Block(ctx context.Context, height int64) (indexer.Block, error) {
	if height <= l.from {
		return l.madeUp.Block(ctx, height)
	}
	return l.blocks[height-l.from-1], nil
}

// atSize reads the last blocks into tables that are large already.
func atSize(ctx context.Context, x *indexer.Index, l madeUp) (t throughput, err error) {
	from, err := x.Height(ctx)
	if err != nil {
		return t, err
	}
	last, _ := l.Height(ctx)
	ahead := ready{madeUp: l, from: from}
	events := 0
	for height := from + 1; height <= last; height++ {
		b, err := l.Block(ctx, height)
		if err != nil {
			return t, err
		}
		ahead.blocks = append(ahead.blocks, b)
		for _, tx := range b.Txs {
			t.Count++
			events += len(tx.Events)
		}
	}
	began := time.Now()
	if err := x.CatchUp(ctx, ahead, nil); err != nil {
		return t, err
	}
	took := max(time.Since(began).Seconds(), 1e-9)
	t.Txs, t.Events = float64(t.Count)/took, float64(events)/took
	return t, nil
}
