package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/koinon/koinon/internal/indexer"
)

// Person is an account of a network for trying things out, whose words everybody
// on its machine may have.
type Person struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	Mnemonic string `json:"mnemonic"`
}

// wallet is where people hold, send and vote. Keys are in the browser or in its
// extension: this server has none, and takes transactions that are signed.
func (s *Site) wallet(r *http.Request) (page, error) {
	ctx, l := r.Context(), s.config.Ledger
	sales, err := l.Sales(ctx, "")
	if err != nil {
		return page{}, err
	}
	plans, err := l.Plans(ctx, "")
	if err != nil {
		return page{}, err
	}
	ballots, err := l.Ballots(ctx, "")
	if err != nil {
		return page{}, err
	}
	proposals, err := l.Proposals(ctx)
	data := struct {
		Sales              []Sale
		Plans              []Plan
		Ballots, Proposals []Ballot
		People             string // JSON
		ChainID, RPC, REST string
	}{ChainID: s.config.ChainID, RPC: s.config.RPC, REST: s.config.REST, Plans: plans, People: "[]"}
	for _, sale := range sales {
		if sale.Status == "open" {
			data.Sales = append(data.Sales, sale)
		}
	}
	data.Ballots, data.Proposals = open(ballots), open(proposals)
	if s.config.People != nil && local(r) {
		text, err := json.Marshal(s.config.People)
		if err != nil {
			return page{}, err
		}
		data.People = string(text)
	}
	return page{Title: "Wallet", Section: "wallet", Template: "wallet", Data: data}, err
}

// open are the ballots that take votes.
func open(list []Ballot) (taking []Ballot) {
	for _, b := range list {
		if b.Open {
			taking = append(taking, b)
		}
	}
	return taking
}

// Bounds of what a browser may ask of the node behind the pages.
const (
	maxTx     = 64 << 10 // bytes of a transaction
	maxAsking = 16       // requests at once
)

// asked serves one of the wallet's questions to the ledger, a few at a time.
func (s *Site) asked(answer func(*http.Request, []byte) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		say := func(status int, body any) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(body) // who asked may have left
		}
		refuse := func(status int, why string) { say(status, map[string]string{"error": why}) }
		select {
		case s.asking <- struct{}{}:
			defer func() { <-s.asking }()
		default:
			refuse(http.StatusServiceUnavailable, "too many ask at once: try again in a moment")
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxTx))
		if err != nil {
			refuse(http.StatusRequestEntityTooLarge, "a transaction has at most 64 KiB")
			return
		}
		found, err := answer(r, body)
		var refusal Refusal
		switch {
		case errors.As(err, &refusal):
			say(http.StatusOK, map[string]string{"refusal": refusal.Says})
		case err != nil:
			s.config.Log.Warn("the ledger could not be asked", "path", r.URL.Path, "error", err)
			refuse(http.StatusBadGateway, "the ledger does not answer now: try again in a moment")
		default:
			say(http.StatusOK, found)
		}
	})
}

func (s *Site) askAccount(r *http.Request, _ []byte) (any, error) {
	return s.config.Ledger.Account(r.Context(), r.PathValue("address"))
}

func (s *Site) askCost(r *http.Request, tx []byte) (any, error) {
	return s.config.Ledger.Simulate(r.Context(), tx)
}

func (s *Site) send(r *http.Request, tx []byte) (any, error) {
	hash, err := s.config.Ledger.Send(r.Context(), tx)
	return map[string]string{"hash": hash}, err
}

// askTx tells whether the index has a transaction yet: a height of 0 says that it
// has not.
func (s *Site) askTx(r *http.Request, _ []byte) (any, error) {
	t, err := s.config.Index.Tx(r.Context(), r.PathValue("hash"))
	if errors.Is(err, indexer.ErrNotFound) {
		err = nil
	}
	return struct {
		Height int64  `json:"height"`
		Says   string `json:"refused,omitempty"`
	}{t.Height, t.Refusal}, err
}
