package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/koinon/koinon/internal/heartbeat"
	"github.com/koinon/koinon/internal/route"
	"github.com/koinon/koinon/receipt"
)

// peerBook holds what this gateway has seen of all providers, and of their
// serving of each model version. What it hands out is safe for concurrent use
// and stays the same from one reading of the ledger to the next.
type peerBook struct {
	mu        sync.Mutex
	providers map[string]*route.Provider // by account address
	lanes     map[laneKey]*route.Lane
	firsts    map[receipt.Digest]*route.Waits // for first tokens, by model version
}

type laneKey struct {
	provider string
	model    receipt.Digest
}

func newPeerBook() *peerBook {
	return &peerBook{providers: map[string]*route.Provider{}, lanes: map[laneKey]*route.Lane{}, firsts: map[receipt.Digest]*route.Waits{}}
}

// provider is what is known of one.
func (b *peerBook) provider(address string) *route.Provider {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.known(address)
}

func (b *peerBook) known(address string) *route.Provider {
	p := b.providers[address]
	if p == nil {
		p = &route.Provider{Address: address}
		b.providers[address] = p
	}
	return p
}

// lane is what is known of a provider's serving of a model version.
func (b *peerBook) lane(address string, model receipt.Digest) *route.Lane {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := laneKey{address, model}
	l := b.lanes[key]
	if l == nil {
		l = route.NewLane(b.known(address))
		b.lanes[key] = l
	}
	return l
}

// waits are those for a version's first tokens.
func (b *peerBook) waits(model receipt.Digest) *route.Waits {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.firsts[model]
	if w == nil {
		w = &route.Waits{}
		b.firsts[model] = w
	}
	return w
}

// keep forgets the lanes of offers that are gone.
func (b *peerBook) keep(m *market) {
	current := make(map[*route.Lane]bool, len(b.lanes))
	for _, v := range m.versions {
		for i := range v.offers {
			current[v.offers[i].lane] = true
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, l := range b.lanes {
		if !current[l] && l.InFlight() == 0 {
			delete(b.lanes, key)
		}
	}
}

// probe checks at once every provider that offers anything, and returns how
// many of them live. Probes run side by side, each within the given time.
func (b *peerBook) probe(ctx context.Context, network Network, m *market, limit time.Duration, now time.Time) int {
	all, targets := map[*route.Provider]bool{}, map[*route.Provider]Peer{}
	for _, v := range m.versions {
		for i := range v.offers {
			p := v.offers[i].lane.Provider
			all[p] = true
			// Who was reached before, and has just said that it lives, does.
			if r := p.Heard(now); p.Reach() != route.Live || r == nil || now.UnixNano()-r.At > int64(2*heartbeat.Every) {
				targets[p] = v.offers[i].peer
			}
		}
	}
	var wg sync.WaitGroup
	gate := make(chan struct{}, 16)
	for provider, peer := range targets {
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			if _, err := network.Probe(ctx, peer); err != nil {
				provider.SetReach(route.Dead)
			} else {
				provider.SetReach(route.Live)
			}
		})
	}
	wg.Wait()
	alive := 0
	for provider := range all {
		if provider.Reach() == route.Live {
			alive++
		}
	}
	return alive
}
