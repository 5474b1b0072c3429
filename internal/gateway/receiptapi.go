package gateway

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/openai"
	"github.com/koinon/koinon/receipt"
)

// receiptView is a stored receipt as the API shows it. The receipt itself is as
// the provider signed it, so that anyone can verify its signature.
type receiptView struct {
	ID       string           `json:"id"`
	Object   string           `json:"object"` // "receipt"
	Request  string           `json:"request"`
	Valid    bool             `json:"valid"`             // the gateway found nothing wrong
	Problem  string           `json:"problem,omitempty"` // or this
	Received int64            `json:"received"`          // Unix time, milliseconds
	Receipt  *receipt.Receipt `json:"receipt"`           // null for garbage, which the database keeps as evidence
	// Transcript is there for the key that paid, where the gateway keeps them.
	Transcript *receipt.Transcript `json:"transcript,omitempty"`
	// Counts prove on the ledger that the receipt counts too many tokens.
	Counts *receipt.Counts `json:"over_counted,omitempty"`
}

func view(r store.Receipt) receiptView {
	v := receiptView{
		ID: r.ID.String(), Object: "receipt", Request: r.Request, Valid: r.Problem == "", Problem: r.Problem,
		Received: r.Received.UnixMilli(), Counts: r.Counts,
	}
	if signed, err := receipt.Decode(r.Body); err == nil {
		v.Receipt = &signed
	}
	return v
}

// shows says whether a receipt may be read with a key: its own, or any that a
// caller without a key paid for, who alone knows its name.
func (g *Gateway) shows(r store.Receipt, key store.Key) bool {
	return r.Key == key.ID || g.config.Public && strings.HasPrefix(r.Key, grantPrefix)
}

// getReceipt serves GET /v1/receipts/{id} to the key that paid. The id is
// written with or without "sha256:".
func (g *Gateway) getReceipt(w http.ResponseWriter, r *http.Request, key store.Key) error {
	text := r.PathValue("id")
	unknown := openai.NotFound("receipt_not_found", "id", "No receipt '%s' belongs to this API key.", text)
	id, err := receipt.ParseDigest(text)
	if err != nil {
		if id, err = receipt.ParseHex(text); err != nil {
			return unknown
		}
	}
	if err := g.store.Flush(); err != nil { // the answer may have ended this moment
		return err
	}
	found, err := g.store.Receipt(r.Context(), id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !g.shows(found, key) {
		return unknown
	}
	if err != nil {
		return err
	}
	shown := view(found)
	if found.Key == key.ID { // not to whoever knows a stranger's receipt
		shown.Transcript = found.Transcript
	}
	return openai.WriteJSON(w, http.StatusOK, shown)
}

// listReceipts serves GET /v1/receipts?limit=&before= with the key's own,
// newest first.
func (g *Gateway) listReceipts(w http.ResponseWriter, r *http.Request, key store.Key) error {
	limit, before := 20, int64(0)
	var err error
	if text := r.URL.Query().Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > 100 {
			return openai.Invalid("limit", "'limit' must be between 1 and 100.")
		}
	}
	if text := r.URL.Query().Get("before"); text != "" {
		if before, err = strconv.ParseInt(text, 10, 64); err != nil || before < 1 {
			return openai.Invalid("before", "'before' must be the cursor of an earlier page.")
		}
	}
	if err := g.store.Flush(); err != nil {
		return err
	}
	page, next, err := g.store.Receipts(r.Context(), key.ID, limit, before)
	if err != nil {
		return err
	}
	list := openai.List[receiptView]{Object: "list", Data: []receiptView{}, HasMore: next != 0}
	for _, one := range page {
		list.Data = append(list.Data, view(one))
	}
	if next != 0 {
		list.Next = strconv.FormatInt(next, 10)
	}
	return openai.WriteJSON(w, http.StatusOK, list)
}
