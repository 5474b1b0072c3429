package provider

import (
	"context"
	"time"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// ceilingEvery bounds how often the ledger is asked what shareholders allow.
const ceilingEvery = 10 * time.Second

// followCeiling keeps the offer within what the model's shareholders allow, or
// sells nothing while it is above.
func (p *Provider) followCeiling(ctx context.Context) {
	tick := time.NewTicker(ceilingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		changed, err := p.heed(ctx)
		if err == nil && changed {
			err = p.register(ctx)
		}
		if err != nil && ctx.Err() == nil {
			p.log.Error("the offer could not be brought within what shareholders allow", "error", err)
		}
	}
}

// heed learns the highest price that shareholders allow, and says whether what is
// offered has changed with it.
func (p *Provider) heed(ctx context.Context) (changed bool, err error) {
	most, err := p.out.Ledger.Ceiling(ctx, p.out.Model.Name)
	if err != nil {
		return false, err
	}
	within, dear := lowered(p.config.Price, most)
	p.mu.Lock()
	defer p.mu.Unlock()
	was, wasDear := p.price, p.dear
	p.price, p.dear = p.config.Price, dear && !p.config.FollowCeiling
	if p.config.FollowCeiling {
		p.price = within
	}
	log := p.log.With("model", p.out.Model.Name, "highest_input", ceiling(most.Input), "highest_output", ceiling(most.Output),
		"input", credit.Dollars(p.price.Input), "output", credit.Dollars(p.price.Output))
	switch {
	case p.dear && !wasDear:
		log.Warn("shareholders allow no price as high as this provider's: nothing is sold until it is lowered, by hand or with follow_ceiling")
	case !p.dear && wasDear:
		log.Info("shareholders allow this provider's price again")
	case p.price != was && was != (receipt.Price{}):
		log.Warn("the price follows what shareholders allow")
	}
	return p.price != was, nil
}

// ceiling is a highest price as logs have it.
func ceiling(ucredit uint64) string {
	if ucredit == 0 {
		return "any"
	}
	return credit.Dollars(ucredit)
}

// lowered is a price that is nowhere above another, of which zero is any, and says
// whether it was.
func lowered(price, most receipt.Price) (within receipt.Price, was bool) {
	within = price
	if most.Input > 0 {
		within.Input = min(price.Input, most.Input)
	}
	if most.Output > 0 {
		within.Output = min(price.Output, most.Output)
	}
	within.CachedInput = min(within.CachedInput, within.Input)
	return within, within != price
}

// offered is the price that this provider asks now.
func (p *Provider) offered() receipt.Price {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.price
}

// allowed refuses new grants while the ledger would not activate them.
func (p *Provider) allowed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dear {
		return inference.Errorf(inference.CodeGrantRefused, "the model's shareholders allow no price as high as this provider's")
	}
	return nil
}
