package gateway

import (
	"context"
	"sync"
	"time"
)

// reach is what is known of whether a provider answers.
type reach int

const (
	unknown reach = iota // not probed yet: tried after those that are known to live
	live
	dead // not chosen until a probe succeeds
)

// peerState is what this gateway has seen of one provider.
type peerState struct {
	reach     reach
	inFlight  int
	latency   time.Duration // to the first token, decayed
	failures  uint          // in a row
	restUntil time.Time     // after failures
	suspended time.Time     // until when, after a false receipt
}

// peerBook is what this gateway has seen of all providers.
type peerBook struct {
	now   func() time.Time
	mu    sync.Mutex
	peers map[string]*peerState // by account address
}

func newPeerBook(now func() time.Time) *peerBook {
	return &peerBook{now: now, peers: map[string]*peerState{}}
}

// with calls f on a provider's state.
func (b *peerBook) with(provider string, f func(*peerState)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.peers[provider]
	if p == nil {
		p = &peerState{}
		b.peers[provider] = p
	}
	f(p)
}

// state is a copy of a provider's state.
func (b *peerBook) state(provider string) (s peerState) {
	b.with(provider, func(p *peerState) { s = *p })
	return s
}

// usable says whether a provider may be chosen at all.
func (s *peerState) usable(now time.Time) bool {
	return s.reach != dead && !now.Before(s.suspended)
}

// resting says whether it is better to try others first.
func (s *peerState) resting(now time.Time) bool {
	return s.reach != live || now.Before(s.restUntil)
}

// maxRest bounds how long failures in a row put a provider last.
const maxRest = 30 * time.Second

// failed notes a failure before the first token, or in the middle.
func (b *peerBook) failed(provider string) {
	b.with(provider, func(p *peerState) {
		p.restUntil = b.now().Add(min(maxRest, time.Second<<min(p.failures, 5)))
		p.failures++
	})
}

// answered notes a first token.
func (b *peerBook) answered(provider string, latency time.Duration) {
	b.with(provider, func(p *peerState) {
		p.reach, p.failures, p.restUntil = live, 0, time.Time{}
		if p.latency == 0 {
			p.latency = latency
		}
		p.latency += (latency - p.latency) / 8
	})
}

// lost notes that a provider could not be reached.
func (b *peerBook) lost(provider string) {
	b.with(provider, func(p *peerState) { p.reach = dead })
}

// probe checks at once every provider that offers anything, and returns how
// many of them live. Probes run side by side, each within the given time.
func (b *peerBook) probe(ctx context.Context, network Network, m *market, limit time.Duration) int {
	targets := map[string]Peer{}
	for _, v := range m.versions {
		for _, o := range v.offers {
			targets[o.provider] = o.peer
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
			_, err := network.Probe(ctx, peer)
			b.with(provider, func(p *peerState) {
				if err != nil {
					p.reach = dead
					return
				}
				if p.reach == dead { // it is back
					p.failures, p.restUntil = 0, time.Time{}
				}
				p.reach = live
			})
		})
	}
	wg.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	alive := 0
	for provider := range targets {
		if b.peers[provider].reach == live {
			alive++
		}
	}
	return alive
}
