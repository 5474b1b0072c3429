package gateway

import (
	"context"
	"crypto/ed25519"
	"time"
)

// watch keeps the picture of the market and of who can be reached current.
func (g *Gateway) watch(ctx context.Context) {
	poll := time.NewTimer(0)
	defer poll.Stop()
	var probed time.Time
	offers := -1
	for {
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
		}
		if g.Refresh(ctx) == nil {
			m := g.directory.current.Load()
			// New offers are probed at once, the rest now and then.
			if count := m.offers(); count != offers || time.Since(probed) >= g.config.Probe {
				offers, probed = count, time.Now()
				g.Probe(ctx)
			}
		}
		poll.Reset(g.config.Poll)
	}
}

// offers counts them.
func (m *market) offers() (n int) {
	for _, v := range m.versions {
		n += len(v.offers)
	}
	return n
}

// Refresh reads the ledger once. [Gateway.Serve] does so all the time.
func (g *Gateway) Refresh(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := g.directory.poll(limited); err != nil {
		if ctx.Err() == nil {
			g.metrics.pollErrors.Inc()
			g.log.Warn("the ledger cannot be read; serving by what it said last", "error", err)
		}
		return err
	}
	g.metrics.polled.Set(float64(g.now().Unix()))
	if e, err := g.ledger.Escrow(limited); err == nil {
		g.metrics.escrow.WithLabelValues("available").Set(float64(e.Available))
		g.metrics.escrow.WithLabelValues("locked").Set(float64(e.Locked))
	}
	return nil
}

// Probe checks once which providers can be reached, and fetches the
// vocabularies of the models they offer. [Gateway.Serve] does so all the time.
func (g *Gateway) Probe(ctx context.Context) {
	m := g.directory.current.Load()
	if m == nil {
		return
	}
	limit := min(g.config.Probe, 5*time.Second)
	g.metrics.live.Set(float64(g.peers.probe(ctx, g.network, m, limit, g.now())))
	for _, v := range m.versions {
		if len(v.offers) > 0 {
			g.vocabularies.start(v)
		}
	}
}

// keepFunded fills up the escrow at the start and whenever it runs low.
func (g *Gateway) keepFunded(ctx context.Context) {
	const often, seldom = 5 * time.Second, time.Minute
	for {
		wait := seldom
		limited, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := fund(limited, g.ledger, g.config, g.signer.Public().(ed25519.PublicKey), g.log)
		cancel()
		if err != nil && ctx.Err() == nil {
			wait = often
			g.log.Warn("the escrow could not be filled up; trying again", "error", err)
		}
		g.funded.Store(err == nil)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}
