package pay

import (
	"sync"
	"time"

	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// grant is one open grant and its books.
type grant struct {
	id     receipt.Digest
	signed receipt.SignedGrant
	seed   [32]byte

	mu      sync.Mutex
	meter   *inference.Meter
	chain   *receipt.Chain // made on first use: it costs a hash for each ticket
	durable uint64         // highest index that is on disk, and may be revealed
	retired bool
	used    bool   // by this process
	calls   uint64 // begun by this process
	streams map[*Stream]struct{}
}

// resume opens a stored grant's books.
func resume(g store.Grant) (*grant, error) {
	meter, err := inference.Resume(g.Grant, g.Books)
	if err != nil {
		return nil, err
	}
	return &grant{
		id: g.ID(), signed: g.SignedGrant, seed: g.Seed, meter: meter,
		durable: g.Books.Revealed, used: g.Books != inference.Books{}, streams: map[*Stream]struct{}{},
	}, nil
}

// margin is how long before its expiry a grant takes no more requests: an
// answer has to end, and its provider to redeem it.
func margin(lifetime time.Duration) time.Duration { return lifetime / 10 }

// ageing says whether the grant's successor should be made.
func (g *grant) ageing(now time.Time, lifetime time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.meter.Room() < g.meter.Cap()/4 || time.Unix(g.signed.Expiry, 0).Sub(now) < lifetime/4
}

// ended says whether the grant can take no more requests.
func (g *grant) ended(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.retired || now.Unix() >= g.signed.Expiry
}

// rest is what the grant can still pay, in ucredit.
func (g *grant) rest() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.meter.Cap() - g.meter.Paid()
}

// left is how many calls a grant for a number of them has to make.
func (g *grant) left() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.retired {
		return 0
	}
	return g.signed.Calls - min(g.calls, g.signed.Calls)
}

// start begins a stream, or fails with [inference.ErrCap].
func (g *grant) start(w *Wallet, o Order) (*Stream, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.signed.Right != o.Right || g.signed.Calls > 0 && g.calls >= g.signed.Calls {
		return nil, inference.ErrCap
	}
	if time.Unix(g.signed.Expiry, 0).Sub(w.now()) < margin(w.config.Lifetime) {
		return nil, inference.ErrCap
	}
	metered, err := g.meter.Start(o.Prompt, o.Limit, o.Price)
	if err != nil {
		return nil, err
	}
	s := &Stream{wallet: w, grant: g, metered: metered, key: o.Key, resumed: o.Resumed, fresh: !g.used}
	g.used = true
	g.calls++
	g.streams[s] = struct{}{}
	return s, nil
}

// progress is what the store has to know now. The lock is held.
func (g *grant) progress() store.Progress {
	p := store.Progress{Grant: g.id, Books: g.meter.Books()}
	for s := range g.streams {
		if c := s.charge(); c.Amount > 0 {
			p.Charges = append(p.Charges, c)
		}
	}
	return p
}

// reveal returns a ticket that is on disk. The lock is held.
func (g *grant) reveal(index uint64) (Ticket, error) {
	if index == 0 {
		return Ticket{}, nil
	}
	if g.chain == nil {
		g.chain = receipt.NewChain(g.seed, g.signed.Tickets)
	}
	preimage, err := g.chain.Ticket(index)
	return Ticket{index, preimage}, err
}
