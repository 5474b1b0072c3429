package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/receipt"
)

// redeemBatch is how many grants one transaction redeems at most; the ledger
// takes 128, and a node's limit on a block's gas is not to be met.
const redeemBatch = 64

// claim is one redemption to send.
type claim struct {
	book  *book
	index uint64
	shown escrowv1.Redemption
}

// redeemLoop redeems what is due, a few times in each of the periods that
// matter.
func (p *Provider) redeemLoop(ctx context.Context) {
	every := min(p.config.RedeemEvery, p.config.ExpiryMargin) / 4
	ticker := time.NewTicker(max(every, 50*time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-p.redeem:
		}
		p.redeemDue(ctx, false)
		if err := p.retireOwn(); err != nil {
			p.log.Error("an expired grant could not be closed", "error", err)
		}
	}
}

// ageing says whether a grant is so near its expiry that it takes nothing new.
func (p *Provider) ageing(b *book) bool {
	return p.now().Add(p.config.ExpiryMargin).Unix() >= b.signed.Expiry
}

// due says whether a grant should be redeemed now, and closed with it: it expires
// soon, or has made its calls. The book's lock is held.
func (p *Provider) due(b *book, all bool) (redeem, closing bool) {
	fresh := b.unredeemed()
	closing = (p.ageing(b) || b.spent()) && b.meter.Running() == 0
	since := p.now().Sub(b.tried)
	switch {
	case closing && !p.ageing(b):
		return all || since >= p.config.RedeemEvery, true
	case closing:
		return since >= p.config.ExpiryMargin/8, true
	case fresh == 0:
		return false, false
	case all:
		return true, false
	case p.ageing(b), fresh > p.config.RedeemAbove:
		return since >= p.config.ExpiryMargin/4, false
	}
	return since >= p.config.RedeemEvery, false
}

// redeemDue redeems the grants that are due, or all that hold anything.
// Failures are logged and tried again in the next round.
func (p *Provider) redeemDue(ctx context.Context, all bool) {
	var claims []claim
	var held uint64
	for _, b := range p.inState(active) {
		b.mu.Lock()
		redeem, closing := p.due(b, all)
		held += b.unredeemed()
		b.mu.Unlock()
		if !redeem {
			continue
		}
		c, err := p.claim(ctx, b, closing)
		if err != nil {
			p.log.Error("a redemption could not be prepared", "grant", b.id.Hex(), "error", err)
			continue
		}
		claims = append(claims, c)
	}
	p.metrics.unredeemed.Set(float64(held))
	for chunk := range slices.Chunk(claims, redeemBatch) {
		if err := p.redeemTogether(ctx, chunk); err != nil {
			p.log.Warn("redemption failed, trying again later", "grants", len(chunk), "error", err)
		}
	}
}

// claim prepares a redemption of the highest ticket, with the root over the
// grant's receipts.
func (p *Provider) claim(ctx context.Context, b *book, closing bool) (claim, error) {
	hashes, err := p.store.receiptHashes(ctx, b.id)
	if err != nil {
		return claim{}, err
	}
	root := receipt.MerkleRoot(hashes)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tried = p.now()
	index, ticket := b.index, b.ticket
	return claim{b, index, escrowv1.Redemption{
		Id: b.id.Hex(), Index: index, Ticket: ticket[:],
		ReceiptsRoot: root[:], Receipts: uint64(len(hashes)), Close: closing,
	}}, nil
}

// redeemTogether redeems in one transaction. The ledger judges each claim on
// its own; what it refuses is compared with what it has.
func (p *Provider) redeemTogether(ctx context.Context, claims []claim) error {
	msg := &escrowv1.MsgRedeem{Provider: p.out.Ledger.Address()}
	for _, c := range claims {
		msg.Redemptions = append(msg.Redemptions, c.shown)
	}
	refusals, err := p.out.Ledger.Redeem(ctx, msg)
	p.metrics.ledger.WithLabelValues("redeem", result(err)).Inc()
	p.reached("redemption sent")
	if err != nil && !errors.Is(err, ErrRefused) {
		return err
	}
	var all []error
	for i, c := range claims {
		refusal := err // of the batch: then every claim in it was refused
		if err == nil {
			refusal = refusals[i]
		}
		if refusal == nil {
			all = append(all, p.redeemed(c))
			continue
		}
		p.log.Warn("the ledger refused a redemption", "grant", c.book.id.Hex(), "error", refusal)
		all = append(all, p.compare(ctx, c.book))
	}
	return errors.Join(all...)
}

// redeemed records a redemption that is in a block.
func (p *Provider) redeemed(c claim) error {
	b := c.book
	b.mu.Lock()
	amount := (c.index - min(b.redeemed, c.index)) * b.signed.TicketValue
	b.mu.Unlock()
	if err := b.collected(c.index); err != nil {
		return err
	}
	p.metrics.redeemed.Add(float64(amount))
	p.tally.collected(amount)
	p.log.Info("redeemed", "grant", b.id.Hex(), "ucredit", amount, "ticket", c.index, "closed", c.shown.Close)
	if c.shown.Close || c.index == b.signed.Tickets {
		if err := b.move(closed, "redeemed"); err != nil {
			return err
		}
		p.forget(b)
	}
	return nil
}

// reconcile brings every grant that a former process left open to what the
// ledger has, so that nothing is collected, or counted, twice.
func (p *Provider) reconcile(ctx context.Context) error {
	for _, b := range append(p.inState(pending), p.inState(active)...) {
		if err := p.retry(ctx, "comparing grants with the ledger", func() error { return p.compare(ctx, b) }); err != nil {
			return err
		}
	}
	return nil
}

// compare brings one grant to what the ledger has.
func (p *Provider) compare(ctx context.Context, b *book) error {
	known, err := p.out.Ledger.Grant(ctx, b.id.Hex())
	b.mu.Lock()
	was := b.state
	b.mu.Unlock()
	switch {
	case errors.Is(err, ErrNotFound) && was == pending && p.now().Unix() < b.signed.Expiry:
		return nil // its activation is sent, or sent again, by the loop
	case errors.Is(err, ErrNotFound):
		return p.lapsed(b)
	case err != nil:
		return fmt.Errorf("reading grant %s: %w", b.id.Hex(), err)
	}
	if len(known.LastTicket) == len(receipt.Digest{}) {
		// The ledger may have a ticket that a crash took from the database.
		count, err := b.reveal(known.Redeemed, receipt.Digest(known.LastTicket))
		if err == nil {
			err = count()
		}
		if err != nil {
			return fmt.Errorf("the ledger's ticket of grant %s: %w", b.id.Hex(), err)
		}
	}
	if err := b.collected(known.Redeemed); err != nil {
		return err
	}
	if known.Status == escrowv1.GrantStatus_GRANT_STATUS_ACTIVE {
		if was == pending {
			return p.activated(b)
		}
		return nil
	}
	return p.lapsed(b)
}

// lapsed closes a grant on which nothing more can be collected, and says what
// is lost, if anything.
func (p *Provider) lapsed(b *book) error {
	b.mu.Lock()
	lost := b.unredeemed()
	b.mu.Unlock()
	if lost > 0 {
		p.log.Error("a grant closed before its last tickets were redeemed", "grant", b.id.Hex(), "ucredit", lost)
	}
	if err := b.move(closed, "closed on the ledger"); err != nil {
		return err
	}
	p.forget(b)
	return nil
}
