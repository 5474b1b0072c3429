package pay

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// Errors of callers who pay for themselves.
var (
	// ErrUnknownGrant says that no request was paid with a grant here.
	ErrUnknownGrant = errors.New("no request was paid with this grant here")
	// ErrAnotherGrant says that a grant came with another signature than before.
	ErrAnotherGrant = errors.New("this grant came with another signature before")
)

// Callers are the grants of callers who pay for themselves. The gateway passes
// their tickets on and keeps no money of theirs: a provider checks each grant and
// each ticket as it does the gateway's own, and serves no further than they pay.
type Callers struct {
	store  Store
	now    func() time.Time
	mu     sync.Mutex
	grants map[receipt.Digest]*Caller
}

// idle is after how long without a request a caller's grant is forgotten.
const idle = 10 * time.Minute

// NewCallers starts with none.
func NewCallers(s Store, now func() time.Time) *Callers {
	return &Callers{store: s, now: now, grants: map[receipt.Digest]*Caller{}}
}

// Caller is one grant of somebody else's, and what is owed on it as seen here.
type Caller struct {
	callers *Callers
	signed  receipt.SignedGrant
	id      receipt.Digest

	mu      sync.Mutex
	meter   *inference.Meter
	ticket  Ticket // the highest that the caller has given
	running int
	changed chan struct{} // closed, and replaced, when something is new
	used    time.Time
}

// Open finds a grant that is in use, or takes a new one with the ticket it is at.
func (c *Callers) Open(g receipt.SignedGrant, at Ticket) (*Caller, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	known := c.find(g.ID())
	c.mu.Unlock()
	if known == nil {
		// A chain of hashes is checked outside the lock: a stranger chose its length.
		fresh, err := c.begin(g, at)
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		if known = c.find(fresh.id); known == nil {
			c.grants[fresh.id], known = fresh, fresh
		}
		c.mu.Unlock()
	}
	if sha256.Sum256(known.signed.Signature) != sha256.Sum256(g.Signature) {
		return nil, ErrAnotherGrant
	}
	return known, known.Reveal(at)
}

// find also forgets what nobody uses. The lock is held.
func (c *Callers) find(id receipt.Digest) *Caller {
	now := c.now()
	for other, g := range c.grants {
		g.mu.Lock()
		if g.running == 0 && now.Sub(g.used) > idle {
			delete(c.grants, other)
		}
		g.mu.Unlock()
	}
	return c.grants[id]
}

func (c *Callers) begin(g receipt.SignedGrant, at Ticket) (*Caller, error) {
	if at.Index > g.Tickets {
		return nil, fmt.Errorf("%w: %d of %d", receipt.ErrTicketIndex, at.Index, g.Tickets)
	}
	if at.Index > 0 {
		if err := receipt.VerifyTicket(g.Anchor, 0, at.Preimage, at.Index); err != nil {
			return nil, err
		}
	} else {
		at.Preimage = g.Anchor
	}
	meter, err := inference.Resume(g.Grant, inference.Books{Revealed: at.Index})
	if err != nil {
		return nil, err
	}
	return &Caller{
		callers: c, signed: g, id: g.ID(), meter: meter, ticket: at, changed: make(chan struct{}), used: c.now(),
	}, nil
}

// Grant finds a grant that is in use, or fails with [ErrUnknownGrant].
func (c *Callers) Grant(id receipt.Digest) (*Caller, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.find(id); g != nil {
		return g, nil
	}
	return nil, fmt.Errorf("grant %s: %w", id, ErrUnknownGrant)
}

// Signed is the grant itself.
func (c *Caller) Signed() receipt.SignedGrant { return c.signed }

// Reveal takes a ticket of the caller's; one that is not newer changes nothing.
func (c *Caller) Reveal(t Ticket) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.Index <= c.ticket.Index {
		return nil
	}
	if t.Index > c.signed.Tickets {
		return fmt.Errorf("%w: %d of %d", receipt.ErrTicketIndex, t.Index, c.signed.Tickets)
	}
	if err := receipt.VerifyTicket(c.ticket.Preimage, c.ticket.Index, t.Preimage, t.Index); err != nil {
		return err
	}
	if _, err := c.meter.Reveal(t.Index); err != nil {
		return err
	}
	c.ticket = t
	c.wake()
	return nil
}

// wake tells all who wait. The lock is held.
func (c *Caller) wake() {
	c.used = c.callers.now()
	close(c.changed)
	c.changed = make(chan struct{})
}

// Account is what a caller is told of its grant.
type Account struct {
	Owed     uint64 `json:"owed"`     // ucredit, by all requests seen here and what tickets paid before
	Revealed uint64 `json:"revealed"` // index of the highest ticket given
	Due      uint64 `json:"due"`      // index of the ticket to give now; not above Revealed if none is due
	Running  int    `json:"running"`  // requests
}

// account reads it. The lock is held.
func (c *Caller) account() Account {
	a := Account{Owed: c.meter.Owed(), Revealed: c.ticket.Index, Running: c.running}
	if index, due := c.meter.Due(1); due {
		a.Due = index
	}
	return a
}

// Await returns when a ticket is due, when nothing runs, or when the context ends.
func (c *Caller) Await(ctx context.Context) Account {
	for {
		c.mu.Lock()
		a, changed := c.account(), c.changed
		c.mu.Unlock()
		if a.Due > a.Revealed || a.Running == 0 {
			return a
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return a
		}
	}
}

// Start begins a request that the caller pays for.
func (c *Caller) Start(o Order) (*CallerStream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	metered, err := c.meter.Start(o.Prompt, o.Limit, o.Price)
	if err != nil {
		return nil, err
	}
	c.running++
	return &CallerStream{caller: c, metered: metered}, nil
}

// CallerStream passes on what a caller pays for one request. It does what
// [Stream] does, but that another has the tickets and the books.
type CallerStream struct {
	caller  *Caller
	metered *inference.Stream
	sent    uint64 // index of the last ticket that was passed on
	over    bool
}

// Grant is the caller's.
func (s *CallerStream) Grant() receipt.SignedGrant { return s.caller.signed }

// GrantID is its identity.
func (s *CallerStream) GrantID() receipt.Digest { return s.caller.id }

// Revealed is the highest ticket that the caller has given.
func (s *CallerStream) Revealed() (Ticket, error) {
	s.caller.mu.Lock()
	defer s.caller.mu.Unlock()
	s.sent = max(s.sent, s.caller.ticket.Index)
	return s.caller.ticket, nil
}

// Shown does nothing: what a caller has revealed, its own books say.
func (s *CallerStream) Shown(Ticket) error { return nil }

// Cached counts what the provider had of the prompt.
func (s *CallerStream) Cached(tokens uint64) error {
	s.caller.mu.Lock()
	defer s.caller.mu.Unlock()
	return s.metered.Cached(tokens)
}

// Free says, before the first token, that the provider charges nothing.
func (s *CallerStream) Free() error {
	s.caller.mu.Lock()
	defer s.caller.mu.Unlock()
	return s.metered.Free()
}

// Token counts one token that arrived.
func (s *CallerStream) Token() error {
	s.caller.mu.Lock()
	defer s.caller.mu.Unlock()
	err := s.metered.Token()
	s.caller.wake()
	return err
}

// Cost is what the request owes so far, in ucredit, to be paid by the caller.
func (s *CallerStream) Cost() uint64 {
	s.caller.mu.Lock()
	defer s.caller.mu.Unlock()
	return s.metered.Cost()
}

// Charge is the cost: a caller pays for all that it gets.
func (s *CallerStream) Charge() uint64 { return s.Cost() }

// Excuse does nothing: a caller's grant is for one provider, which no other races.
func (s *CallerStream) Excuse() {}

// Offered is closed when something is new, maybe a ticket.
func (s *CallerStream) Offered() <-chan struct{} {
	s.caller.mu.Lock()
	defer s.caller.mu.Unlock()
	return s.caller.changed
}

// Pay is the caller's ticket, if it has given one that was not passed on.
func (s *CallerStream) Pay() (ticket Ticket, due bool, err error) {
	s.caller.mu.Lock()
	defer s.caller.mu.Unlock()
	if s.caller.ticket.Index <= s.sent {
		return Ticket{}, false, nil
	}
	s.sent = s.caller.ticket.Index
	return s.caller.ticket, true, nil
}

// lastTicket is how long a caller has, after the end of an answer, to pay what is
// left of it.
const lastTicket = 3 * time.Second

// end ends the request, once.
func (s *CallerStream) end(finish func()) (first bool) {
	s.caller.mu.Lock()
	defer s.caller.mu.Unlock()
	if s.over {
		return false
	}
	s.over = true
	finish()
	s.caller.running--
	s.caller.wake()
	return true
}

// Finish ends the request after the provider's Done. [Due.Ready] waits a moment
// for the caller's last ticket.
func (s *CallerStream) Finish(r *store.Receipt) (Due, error) {
	if !s.end(s.metered.Finish) {
		return nothing{}, nil
	}
	return callerDue{s, s.caller.callers.store.Save(store.Progress{Receipt: r})}, nil
}

// callerDue is a receipt on its way to the disk, and the caller's last ticket on
// its way here.
type callerDue struct {
	stream *CallerStream
	saved  store.Pending
}

// Ready implements [Due].
func (d callerDue) Ready() (Ticket, bool, error) {
	if err := d.saved.Wait(); err != nil {
		return Ticket{}, false, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastTicket)
	defer cancel()
	c := d.stream.caller
	for ctx.Err() == nil {
		c.mu.Lock()
		a, changed := c.account(), c.changed
		c.mu.Unlock()
		if a.Due <= a.Revealed {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return d.stream.Pay()
}

// Break ends a request that came to no proper end.
func (s *CallerStream) Break(r *store.Receipt) error {
	if s.end(s.metered.Break) && r != nil {
		return s.caller.callers.store.Save(store.Progress{Receipt: r}).Wait()
	}
	return nil
}

// End is [CallerStream.Break] for a caller that has left.
func (s *CallerStream) End() (Ticket, bool, error) {
	s.end(s.metered.Break)
	return s.Pay()
}

// Pardon ends a request whose receipt is false. That no further ticket is
// revealed is for the caller to see to.
func (s *CallerStream) Pardon(r *store.Receipt, _ string) error { return s.Break(r) }

// Retire does nothing: the grant is the caller's.
func (s *CallerStream) Retire(string) error { return nil }
