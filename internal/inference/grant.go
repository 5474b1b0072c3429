package inference

import (
	"errors"
	"fmt"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/receipt"
)

// ErrGrantForm says that a grant on the wire is not one at all.
var ErrGrantForm = errors.New("malformed grant")

// ErrTicketForm says that a ticket is not 32 bytes.
var ErrTicketForm = errors.New("malformed ticket: it must be 32 bytes")

// GrantToWire writes a grant in the form that streams and the ledger carry.
func GrantToWire(g receipt.Grant) escrowv1.Grant {
	return escrowv1.Grant{
		ChainId:     g.ChainID,
		Payer:       g.Payer,
		Provider:    g.Provider,
		ModelDigest: g.Model.String(),
		App:         g.App,
		TicketValue: g.TicketValue,
		Tickets:     g.Tickets,
		Expiry:      g.Expiry,
		Anchor:      g.Anchor[:],
		Right:       g.Right,
		Calls:       g.Calls,
	}
}

// GrantFromWire reads a grant. It checks form and the rules of
// [receipt.Grant.Validate], not the signature.
func GrantFromWire(w *escrowv1.Grant) (receipt.Grant, error) {
	model, err := receipt.ParseDigest(w.ModelDigest)
	if err != nil {
		return receipt.Grant{}, fmt.Errorf("%w: model digest: %v", ErrGrantForm, err)
	}
	if len(w.Anchor) != len(receipt.Digest{}) {
		return receipt.Grant{}, fmt.Errorf("%w: the anchor has %d bytes, not 32", ErrGrantForm, len(w.Anchor))
	}
	g := receipt.Grant{
		ChainID:     w.ChainId,
		Payer:       w.Payer,
		Provider:    w.Provider,
		Model:       model,
		App:         w.App,
		TicketValue: w.TicketValue,
		Tickets:     w.Tickets,
		Expiry:      w.Expiry,
		Anchor:      receipt.Digest(w.Anchor),
		Right:       w.Right,
		Calls:       w.Calls,
	}
	if err := g.Validate(); err != nil {
		return receipt.Grant{}, fmt.Errorf("%w: %w", ErrGrantForm, err)
	}
	return g, nil
}

// TicketFromWire reads a revealed ticket; a nil reveal is index 0 and has none.
func TicketFromWire(w *inferencev1.Reveal) (index uint64, ticket receipt.Digest, err error) {
	if w == nil || w.Index == 0 {
		return 0, receipt.Digest{}, nil
	}
	if len(w.Ticket) != len(ticket) {
		return 0, ticket, ErrTicketForm
	}
	return w.Index, receipt.Digest(w.Ticket), nil
}

// TicketToWire writes a ticket; index 0 has none, and gives nil.
func TicketToWire(index uint64, ticket receipt.Digest) *inferencev1.Reveal {
	if index == 0 {
		return nil
	}
	return &inferencev1.Reveal{Index: index, Ticket: ticket[:]}
}
