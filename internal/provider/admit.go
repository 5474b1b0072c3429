package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// admit finds the book of a grant, or opens one after checking everything that
// the ledger will check when the grant is activated. A new grant is on disk
// before admit returns, and its activation is under way.
func (p *Provider) admit(ctx context.Context, signed receipt.SignedGrant, from caller) (*book, error) {
	id := signed.ID()
	if b := p.book(id); b != nil {
		return b, p.usable(b, signed)
	}
	if err := errors.Join(p.allowed(), p.checkTerms(signed)); err != nil {
		return nil, err
	}
	found, err, _ := p.admits.Do(string(id[:]), func() (any, error) {
		if b := p.book(id); b != nil {
			return b, nil
		}
		return p.openBook(p.base, id, signed, from)
	})
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	b := found.(*book)
	return b, p.usable(b, signed)
}

func (p *Provider) book(id receipt.Digest) *book {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.books[id]
}

// usable says whether a known grant takes another request.
func (p *Provider) usable(b *book, signed receipt.SignedGrant) error {
	if !bytes.Equal(b.signed.Signature, signed.Signature) {
		return refuse("the signature is not the one this grant came with")
	}
	if p.ageing(b) {
		return refuse("it expires within %s: open a new grant", p.config.ExpiryMargin)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until != 0 && p.now().Unix() >= b.until {
		return inference.Errorf(inference.CodeAccessDenied, "the right %q ended at %s", b.signed.Right, time.Unix(b.until, 0).UTC().Format(time.RFC3339))
	}
	if b.state == refused || b.state == closed {
		return refuse("it is %s: %s", b.state, b.reason)
	}
	if debt := b.meter.Debt(); debt > p.config.MaxDebt {
		return inference.Errorf(inference.CodePaymentRequired, "%d ucredit of broken streams are unpaid on this grant", debt)
	}
	return nil
}

func refuse(format string, args ...any) error {
	return inference.Errorf(inference.CodeGrantRefused, "grant refused: "+format, args...)
}

// checkTerms checks what needs no look at the ledger.
func (p *Provider) checkTerms(g receipt.SignedGrant) error {
	limit, err := g.Cap()
	if err != nil {
		return refuse("%v", err)
	}
	left := g.Expiry - p.now().Unix()
	switch {
	case g.ChainID != p.out.Ledger.ChainID():
		return refuse("it is for chain %s, this is %s", g.ChainID, p.out.Ledger.ChainID())
	case g.Provider != p.out.Ledger.Address():
		return refuse("it is for another provider")
	case g.Model != p.out.Model.Digest:
		return refuse("it is for another model version")
	case g.TicketValue > p.config.MaxTicketValue:
		return refuse("a ticket of %d ucredit risks too much: at most %d", g.TicketValue, p.config.MaxTicketValue)
	case limit < p.config.MinGrant:
		return refuse("its cap of %d ucredit is not worth a transaction: at least %d", limit, p.config.MinGrant)
	case limit > maxAmount:
		return refuse("its cap is absurd")
	case g.Tickets > p.params.MaxTickets:
		return refuse("it has %d tickets, the ledger allows %d", g.Tickets, p.params.MaxTickets)
	case left < 2*int64(p.config.ExpiryMargin.Seconds()):
		return refuse("it expires in %d s, too soon to be worth a transaction", left)
	case left > p.params.MaxGrantSeconds:
		return refuse("it expires in %d s, the ledger allows %d", left, p.params.MaxGrantSeconds)
	}
	return nil
}

// openBook asks the ledger whether the payer's escrow can back the grant, and
// stores it.
func (p *Provider) openBook(ctx context.Context, id receipt.Digest, signed receipt.SignedGrant, from caller) (*book, error) {
	select {
	case p.lookups <- struct{}{}:
		defer func() { <-p.lookups }()
	default:
		return nil, inference.Errorf(inference.CodeBusy, "too many new grants at once")
	}
	if old, known, err := p.store.grant(ctx, id); err != nil {
		return nil, err
	} else if known {
		return nil, refuse("it is %s: %s", old.state, old.reason)
	}
	debt, err := p.store.debt(ctx, signed.Payer, p.now().Add(-MaxDebtAge))
	if err != nil {
		return nil, err
	}
	if debt > p.config.MaxDebt {
		return nil, inference.Errorf(inference.CodePaymentRequired, "this payer's broken streams left %d ucredit unpaid", debt)
	}
	lookup, cancel := context.WithTimeout(ctx, p.config.OpenTimeout)
	defer cancel()
	escrow, err := p.out.Ledger.Escrow(lookup, signed.Payer)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, refuse("its payer has no escrow: deposit credit first")
	case err != nil:
		p.log.Warn("a new grant could not be checked", "error", err)
		return nil, inference.Errorf(inference.CodeBusy, "the ledger does not answer")
	}
	if err := signed.Verify(escrow.GrantKey); err != nil {
		return nil, refuse("%v", err)
	}
	asked := signed.Grant
	asked.Calls += p.promised(signed)
	until, err := p.out.Ledger.Admission(lookup, asked)
	switch {
	case errors.Is(err, ErrRefused):
		return nil, inference.Errorf(inference.CodeAccessDenied, "%v", err)
	case err != nil:
		p.log.Warn("a new grant's right could not be checked", "error", err)
		return nil, inference.Errorf(inference.CodeBusy, "the ledger does not answer")
	}
	record := record{signed: signed, state: pending, created: p.now().Unix(), ticket: signed.Anchor, places: ahead, until: until}
	b, err := newBook(record, p.store)
	if err != nil {
		return nil, refuse("%v", err)
	}
	b.owner = &from.owner
	b.tried = p.now() // the first redemption is a period away
	if err := p.reserve(b, escrow.Available); err != nil {
		return nil, err
	}
	stored := <-p.store.addGrant(id, record)
	p.reached("grant stored")
	if err := p.enterBook(b, stored); err != nil {
		return nil, fmt.Errorf("storing a grant: %w", err)
	}
	p.log.Info("new grant", "grant", id.Hex(), "payer", signed.Payer, "tickets", signed.Tickets, "ticket_value", signed.TicketValue)
	signal(p.activate)
	return b, nil
}

// promised is how many calls other grants under the same right may make that the
// ledger does not know of yet; none for a grant that may make any number.
func (p *Provider) promised(signed receipt.SignedGrant) (calls uint64) {
	if signed.Calls == 0 {
		return 0
	}
	for _, b := range p.inState(pending) {
		if b.signed.Payer == signed.Payer && b.signed.Right == signed.Right {
			calls += b.signed.Calls
		}
	}
	return calls
}

// reserve holds a book's place if the payer's available credit covers it beside
// its other grants that this provider has yet to activate.
func (p *Provider) reserve(b *book, available uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	need := b.meter.Cap()
	for _, books := range []map[receipt.Digest]*book{p.books, p.opening} {
		for _, other := range books {
			if other.signed.Payer != b.signed.Payer {
				continue
			}
			other.mu.Lock()
			if other.state == pending {
				need += other.meter.Cap()
			}
			other.mu.Unlock()
			if need > maxAmount {
				return refuse("the payer's grants add up to an absurd amount")
			}
		}
	}
	if need > available && !p.owns(b.signed.Payer) {
		return refuse("the payer's escrow has %d ucredit available, %d are needed: deposit more", available, need)
	}
	p.opening[b.id] = b
	return nil
}

// enterBook ends a book's opening. Until its grant is on disk nobody may serve on
// it or activate it: what a killed process had locked would be lost to the payer.
func (p *Provider) enterBook(b *book, stored error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.opening, b.id)
	if stored == nil {
		p.books[b.id] = b
	}
	return stored
}

// signal wakes a loop; one wake-up waits if it is busy.
func signal(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
