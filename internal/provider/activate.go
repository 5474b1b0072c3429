package provider

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cosmos/gogoproto/proto"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/inference"
)

// batch is how many grants one transaction activates at most.
const batch = 16

// activateLoop sends the activation of every pending grant until the ledger has
// answered for each.
func (p *Provider) activateLoop(ctx context.Context) {
	var wait time.Duration // while the ledger is in trouble, the pace to keep to
	for {
		switch {
		case wait > 0:
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
		case len(p.unconfirmed()) == 0:
			select {
			case <-ctx.Done():
			case <-p.activate:
			}
		}
		if ctx.Err() != nil {
			return
		}
		if p.activatePending(ctx) {
			wait = 0
		} else {
			wait = min(max(2*wait, 250*time.Millisecond), 15*time.Second)
		}
	}
}

// inState lists the books in a state, the first to expire first.
func (p *Provider) inState(s state) []*book {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*book
	for _, b := range p.books {
		b.mu.Lock()
		if b.state == s {
			out = append(out, b)
		}
		b.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b *book) int {
		return cmp.Or(cmp.Compare(a.signed.Expiry, b.signed.Expiry), slices.Compare(a.id[:], b.id[:]))
	})
	return out
}

// activatePending sends one round; false means that the ledger did not answer.
func (p *Provider) activatePending(ctx context.Context) bool {
	waiting := p.unconfirmed()
	for chunk := range slices.Chunk(waiting, batch) {
		if err := p.activateTogether(ctx, chunk); err != nil {
			p.log.Warn("activation failed, grants stay within their exposure", "grants", len(chunk), "error", err)
			return false
		}
	}
	return true
}

// activateTogether activates grants in one transaction; if the ledger refuses
// it, each in its own. An error means that the outcome of some is not known.
func (p *Provider) activateTogether(ctx context.Context, books []*book) error {
	msgs := make([]proto.Message, len(books))
	for i, b := range books {
		msgs[i] = &escrowv1.MsgActivate{
			Provider:  p.out.Ledger.Address(),
			Grant:     inference.GrantToWire(b.signed.Grant),
			Signature: b.signed.Signature,
		}
	}
	err := p.out.Ledger.Send(ctx, msgs...)
	p.metrics.ledger.WithLabelValues("activate", result(err)).Inc()
	p.reached("activation sent")
	if err == nil {
		for _, b := range books {
			if err := p.activated(b); err != nil {
				return err
			}
		}
		return nil
	}
	if !errors.Is(err, ErrRefused) {
		return err
	}
	if len(books) == 1 {
		return p.refusedActivation(ctx, books[0], err)
	}
	for _, b := range books {
		if err := p.activateTogether(ctx, []*book{b}); err != nil {
			return err
		}
	}
	return nil
}

// activated records that the ledger has locked a grant's cap.
func (p *Provider) activated(b *book) error {
	if err := b.move(active, ""); err != nil {
		return err
	}
	b.mu.Lock()
	served := b.provisional
	b.provisional = 0
	b.mu.Unlock()
	p.exposure.give(b.signed.Payer, served)
	p.log.Info("grant active", "grant", b.id.Hex(), "payer", b.signed.Payer)
	return nil
}

// refusedActivation asks the ledger what it has: the grant may have been
// activated in a moment that this process does not remember.
func (p *Provider) refusedActivation(ctx context.Context, b *book, refusal error) error {
	known, err := p.out.Ledger.Grant(ctx, b.id.Hex())
	switch {
	case errors.Is(err, ErrNotFound):
		p.log.Warn("grant refused by the ledger", "grant", b.id.Hex(), "payer", b.signed.Payer, "error", refusal)
		if err := b.move(refused, refusal.Error()); err != nil {
			return err
		}
		p.forget(b)
		return nil
	case err != nil:
		return err
	case known.Status == escrowv1.GrantStatus_GRANT_STATUS_ACTIVE:
		return p.activated(b)
	}
	if err := b.move(closed, "closed on the ledger"); err != nil {
		return err
	}
	p.forget(b)
	return nil
}

// forget drops a book that is over; streams that still hold it end by its
// state.
func (p *Provider) forget(b *book) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.books, b.id)
}
