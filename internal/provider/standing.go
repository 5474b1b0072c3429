package provider

import (
	"context"
	"time"

	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/inference"
)

// State is whether a provider serves.
type State string

// The states.
const (
	Starting State = "starting" // not yet on the ledger
	Serving  State = "serving"
	Paused   State = "paused"   // takes nothing new until it is resumed
	Draining State = "draining" // takes nothing new and stops when it is done
)

// farewell bounds how long the ledger may take to note that a provider stops.
const farewell = 10 * time.Second

// Pause makes the provider take no more requests and its offer be matched no
// more; those that run go on, and what they earn is redeemed. The reason is told
// to whoever asks. An empty reason resumes.
func (p *Provider) Pause(reason string) {
	p.mu.Lock()
	changed := (p.paused == "") != (reason == "")
	p.paused = reason
	p.mu.Unlock()
	if !changed {
		return
	}
	if reason != "" {
		p.log.Info("paused", "reason", reason)
	} else {
		p.log.Info("resumed")
	}
	signal(p.standing)
}

// Drain makes the provider take no more requests and [Provider.Run] return when
// those that run have ended and what they earned is redeemed.
func (p *Provider) Drain() {
	p.mu.Lock()
	p.draining = true
	p.mu.Unlock()
	select {
	case p.leaving <- struct{}{}:
	default:
	}
}

// State is whether the provider serves now, and why not.
func (p *Provider) State() (state State, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.draining:
		return Draining, ""
	case !p.ready:
		return Starting, ""
	case p.paused != "":
		return Paused, p.paused
	}
	return Serving, ""
}

// closedTo is why no request is taken now; nil if one is. The lock is held.
func (p *Provider) closedTo() *inference.Error {
	switch {
	case p.draining:
		return inference.Errorf(inference.CodeDraining, "this provider is stopping")
	case !p.ready:
		return inference.Errorf(inference.CodeBusy, "this provider is starting")
	case p.paused != "":
		return inference.Errorf(inference.CodeDraining, "this provider is paused")
	}
	return nil
}

// wanted is the status that the ledger should have.
func (p *Provider) wanted() providerv1.Status {
	if state, _ := p.State(); state == Paused || state == Draining {
		return providerv1.Status_STATUS_DRAINING
	}
	return providerv1.Status_STATUS_ACTIVE
}

// standingLoop tells the ledger of every pause and its end.
func (p *Provider) standingLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.standing:
		}
		if err := p.register(ctx); err != nil && ctx.Err() == nil {
			p.log.Error("the ledger does not know that this provider has paused or resumed", "error", err)
		}
	}
}

// bow tells the ledger that this provider takes no more, so that no gateway
// tries it. That the ledger cannot be told stops nothing.
func (p *Provider) bow(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	self := p.out.Ledger.Address()
	known, err := p.out.Ledger.Provider(ctx, self)
	// Even if it says so already: the end of a pause may be on its way.
	if err == nil && known.Status != providerv1.Status_STATUS_JAILED {
		err = p.out.Ledger.Send(ctx, &providerv1.MsgUpdate{
			Provider: self, Addrs: known.Addrs, Moniker: known.Moniker, Region: known.Region, Status: providerv1.Status_STATUS_DRAINING,
		})
	}
	if err != nil {
		p.log.Warn("the ledger could not be told that this provider stops", "error", err)
	}
}
