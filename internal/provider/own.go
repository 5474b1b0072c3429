package provider

import (
	"slices"

	"github.com/koinon/koinon/receipt"
)

// owns says whether a payer is the owner's own, who pays nothing.
func (p *Provider) owns(payer string) bool { return slices.Contains(p.config.Own, payer) }

// priceFor is what a payer is charged.
func (p *Provider) priceFor(payer string) receipt.Price {
	if p.owns(payer) {
		return receipt.Price{}
	}
	return p.offered()
}

// unconfirmed are the grants whose activation the ledger has to answer: all that
// are pending but the owner's own, on which there is nothing to collect.
func (p *Provider) unconfirmed() []*book {
	return slices.DeleteFunc(p.inState(pending), func(b *book) bool { return p.owns(b.signed.Payer) })
}

// retireOwn closes the owner's own grants that expire, of which the ledger knows
// nothing.
func (p *Provider) retireOwn() error {
	for _, b := range p.inState(pending) {
		b.mu.Lock()
		over := p.ageing(b) && b.meter.Running() == 0
		b.mu.Unlock()
		if !over || !p.owns(b.signed.Payer) {
			continue
		}
		if err := b.move(closed, "expired"); err != nil {
			return err
		}
		p.forget(b)
	}
	return nil
}
