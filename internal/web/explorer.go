package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/koinon/koinon/internal/indexer"
	"github.com/koinon/koinon/internal/indexer/phrase"
)

// line is a transaction as a person reads it.
type line struct {
	indexer.TxRow
	Says []phrase.Sentence // what its messages ask for
	Did  []phrase.Sentence // what its events tell
}

// lines reads transactions out. Where a block acted by itself, its events say what.
func (s *Site) lines(r *http.Request, txs []indexer.TxRow) []line {
	names := s.names(r)
	list := make([]line, len(txs))
	for i, t := range txs {
		list[i].TxRow = t
		for _, m := range t.Messages {
			sentence, _ := phrase.Of(m.Kind, m.Body, names)
			list[i].Says = append(list[i].Says, sentence)
		}
		for _, e := range t.Events {
			if sentence, ok := phrase.Of(e.Kind, e.Body, names); ok {
				list[i].Did = append(list[i].Did, sentence)
			}
		}
		if t.Position < 0 {
			list[i].Says = list[i].Did
		}
	}
	return list
}

// cursor reads where a list goes on: before=HEIGHT.POSITION.
func cursor(r *http.Request) indexer.Page {
	height, position, _ := strings.Cut(r.URL.Query().Get("before"), ".")
	h, err := strconv.ParseInt(height, 10, 64)
	if err != nil || h < 1 {
		return indexer.Page{Limit: rows(r)}
	}
	p, err := strconv.ParseInt(position, 10, 64)
	if err != nil {
		p = 0
	}
	return indexer.Page{Before: indexer.Cursor{Height: h, Position: p}, Limit: rows(r)}
}

// perPage is how many rows a table has, and perFile how many it has as a file.
const (
	perPage = 50
	perFile = 250
)

// rows is how many rows a table has for whoever asks.
func rows(r *http.Request) int {
	if r.URL.Query().Has("format") {
		return perFile
	}
	return perPage
}

// older is the address of a list's next page; empty at its end.
func older(r *http.Request, txs []indexer.TxRow) string {
	if len(txs) < rows(r) {
		return ""
	}
	last := txs[len(txs)-1].Cursor()
	return r.URL.Path + "?before=" + strconv.FormatInt(last.Height, 10) + "." + strconv.FormatInt(last.Position, 10)
}

// ledger shows the latest blocks and transactions.
func (s *Site) ledger(r *http.Request) (page, error) {
	ctx := r.Context()
	totals, err := s.config.Index.Totals(ctx, s.now().Add(-24*time.Hour).Unix())
	if err != nil {
		return page{}, err
	}
	blocks, err := s.config.Index.Blocks(ctx, indexer.Page{Limit: 12})
	if err != nil {
		return page{}, err
	}
	txs, err := s.config.Index.Txs(ctx, indexer.Page{Limit: 20})
	return page{Title: "Ledger", Section: "ledger", Template: "ledger", Rows: txs, Data: struct {
		Totals indexer.Totals
		Blocks []indexer.BlockRow
		Lines  []line
		Now    time.Time
	}{totals, blocks, s.lines(r, txs), s.now()}}, err
}

// txList is a page of transactions.
type txList struct {
	Lines []line
	Older string
	Now   time.Time
}

func (s *Site) transactions(r *http.Request) (page, error) {
	txs, err := s.config.Index.Txs(r.Context(), cursor(r))
	return page{Title: "Transactions", Section: "ledger", Template: "transactions", Rows: txs, Data: txList{s.lines(r, txs), older(r, txs), s.now()}}, err
}

func (s *Site) block(r *http.Request) (page, error) {
	height, err := strconv.ParseInt(r.PathValue("height"), 10, 64)
	if err != nil {
		return page{}, errGone
	}
	b, err := s.config.Index.BlockAt(r.Context(), height)
	if err != nil {
		return page{}, err
	}
	from, err := strconv.ParseInt(r.URL.Query().Get("from"), 10, 64)
	if err != nil {
		from = -1
	}
	txs, err := s.config.Index.TxsIn(r.Context(), height, from, rows(r)+1)
	next := ""
	if len(txs) > rows(r) {
		next = withQuery(r.URL.Path, []string{"from", strconv.FormatInt(txs[rows(r)].Position, 10)})
		txs = txs[:rows(r)]
	}
	return page{Title: "Block " + strconv.FormatInt(height, 10), Section: "ledger", Template: "block", Rows: txs, Data: struct {
		Block indexer.BlockRow
		Lines []line
		Next  string
		Now   time.Time
	}{b, s.lines(r, txs), next, s.now()}}, err
}

func (s *Site) transaction(r *http.Request) (page, error) {
	t, err := s.config.Index.Tx(r.Context(), r.PathValue("hash"))
	if err != nil {
		return page{}, err
	}
	raw, err := json.MarshalIndent(struct {
		Messages, Events []indexer.Step
	}{t.Messages, t.Events}, "", "  ")
	return page{Title: "Transaction " + t.Hash[:min(8, len(t.Hash))], Section: "ledger", Template: "transaction", Rows: []indexer.TxRow{t}, Data: struct {
		Line line
		Raw  string
		Now  time.Time
	}{s.lines(r, []indexer.TxRow{t})[0], string(raw), s.now()}}, err
}

// account shows what an address has, and what it, or any other subject, had a
// part in.
func (s *Site) account(r *http.Request) (page, error) {
	subject := r.PathValue("address")
	txs, err := s.config.Index.TxsOf(r.Context(), subject, cursor(r))
	if err != nil {
		return page{}, err
	}
	var has Account
	if strings.HasPrefix(subject, "koinon1") {
		var refusal Refusal
		if has, err = s.config.Ledger.Account(r.Context(), subject); err != nil && !errors.As(err, &refusal) {
			return page{}, err
		}
	}
	if len(txs) == 0 && !has.Exists && r.URL.Query().Get("before") == "" {
		return page{}, errGone
	}
	title := s.names(r)(subject)
	if title == "" {
		title = phrase.Short(subject)
	}
	return page{Title: title, Section: "ledger", Template: "account", Rows: txs, Data: struct {
		txList
		Subject string
		Has     Account
	}{txList{s.lines(r, txs), older(r, txs), s.now()}, subject, has}}, nil
}

// hit is something found, with its page.
type hit struct {
	indexer.Hit
	Link string `json:"link"`
}

func (s *Site) search(r *http.Request) (page, error) {
	query := r.URL.Query().Get("q")
	found, err := s.config.Index.Search(r.Context(), query)
	hits := make([]hit, len(found))
	for i, h := range found {
		folder := map[string]string{"block": "/blocks/", "transaction": "/txs/", "model": "/models/", "provider": "/providers/"}[h.Kind]
		if folder == "" {
			folder = "/accounts/"
		}
		hits[i] = hit{h, folder + url.PathEscape(h.ID)}
	}
	return page{Title: "Search", Section: "ledger", Template: "search", Rows: hits, Data: struct {
		Query string
		Hits  []hit
	}{query, hits}}, err
}

// validators shows who makes blocks.
func (s *Site) validators(r *http.Request) (page, error) {
	list, err := s.config.Ledger.Validators(r.Context())
	var total uint64
	for _, v := range list {
		total += v.Stake
	}
	return page{Title: "Validators", Section: "ledger", Template: "validators", Rows: list, Data: struct {
		Validators []Validator
		Total      uint64
	}{list, total}}, err
}

// proposals shows what governance votes on, with the vote so far.
func (s *Site) proposals(r *http.Request) (page, error) {
	list, err := s.config.Ledger.Proposals(r.Context())
	return page{Title: "Proposals", Section: "ledger", Template: "proposals", Rows: list, Data: list}, err
}

// modules shows what governs the parts of the ledger.
func (s *Site) modules(r *http.Request) (page, error) {
	list, err := s.config.Ledger.Modules(r.Context())
	return page{Title: "Modules", Section: "ledger", Template: "modules", Rows: list, Data: list}, err
}
