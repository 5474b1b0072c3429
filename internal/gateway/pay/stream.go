package pay

import (
	"fmt"

	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// Ticket is a revealed ticket; index 0 is none.
type Ticket struct {
	Index    uint64
	Preimage receipt.Digest
}

// Stream pays for one running request. Its methods may be called by several
// goroutines; it ends with [Stream.Finish] or [Stream.Break].
type Stream struct {
	wallet  *Wallet
	grant   *grant
	metered *inference.Stream
	key     string
	fresh   bool
	charged uint64 // ucredit, in progress that was handed to the store
	resumed bool   // see [Order]
	excused bool
	over    bool
}

// Grant is the grant that pays.
func (s *Stream) Grant() receipt.SignedGrant { return s.grant.signed }

// GrantID is its identity.
func (s *Stream) GrantID() receipt.Digest { return s.grant.id }

// Fresh says that no request used the grant before this one.
func (s *Stream) Fresh() bool { return s.fresh }

// Revealed is the highest ticket that may be shown, for the opening of the
// stream: a provider that lost its last moments catches up with it.
func (s *Stream) Revealed() (Ticket, error) {
	s.grant.mu.Lock()
	defer s.grant.mu.Unlock()
	return s.grant.reveal(s.grant.durable)
}

// Shown takes the highest ticket that the provider has. One above all that are known
// here was revealed before the machine lost power: the books go on from it. Nobody
// else can make it, so that it proves itself. [inference.ErrCap] says that the grant
// does not cover the request any more.
func (s *Stream) Shown(t Ticket) error {
	g := s.grant
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.meter.Revealed()
	if t.Index <= before {
		return nil
	}
	own, err := g.reveal(t.Index)
	if err != nil {
		return err
	}
	if own != t {
		return fmt.Errorf("%w: ticket %d was never revealed", receipt.ErrTicketChain, t.Index)
	}
	err = g.meter.CatchUp(t.Index)
	g.durable = max(g.durable, t.Index)
	s.wallet.log.Warn("tickets were lost with the power, and their keys are not charged",
		"grant", g.id, "provider", g.signed.Provider, "from", before, "to", t.Index)
	s.wallet.store.Save(g.progress()) // that it fails, the next one's result says
	return err
}

// Cached says how many of the prompt's tokens are charged as cached, before the
// first token.
func (s *Stream) Cached(tokens uint64) error {
	s.grant.mu.Lock()
	defer s.grant.mu.Unlock()
	return s.metered.Cached(tokens)
}

// Free says, before the first token, that the provider charges nothing.
func (s *Stream) Free() error {
	s.grant.mu.Lock()
	defer s.grant.mu.Unlock()
	return s.metered.Free()
}

// Token counts one token that arrived.
func (s *Stream) Token() error {
	s.grant.mu.Lock()
	defer s.grant.mu.Unlock()
	return s.metered.Token()
}

// Cost is what the request owes so far, in ucredit.
func (s *Stream) Cost() uint64 {
	s.grant.mu.Lock()
	defer s.grant.mu.Unlock()
	return s.metered.Cost()
}

// Offered is nil: whatever may be paid is known here at once.
func (s *Stream) Offered() <-chan struct{} { return nil }

// Pay makes the next ticket ready to be revealed, if one is due. It returns
// after the ticket is on disk, together with what the keys have to pay for it.
func (s *Stream) Pay() (ticket Ticket, due bool, err error) {
	g := s.grant
	g.mu.Lock()
	index, due := g.meter.Due(s.wallet.config.RevealEvery)
	if !due {
		g.mu.Unlock()
		return Ticket{}, false, nil
	}
	next, err := s.commit(index, nil)
	if err != nil {
		return Ticket{}, false, err
	}
	return next.Ready()
}

// Finish ends the request after the provider's Done, and takes its receipt on to
// be stored. The ticket that [Due.Ready] gives pays what is left; revealing it, or
// else closing the stream, tells the provider that its receipt has arrived.
func (s *Stream) Finish(r *store.Receipt) (Due, error) {
	return s.end(r, func() { s.metered.Finish() }, true)
}

// Break ends a request that came to no proper end. What arrived stays owed, and
// is paid with the grant's next ticket. The receipt, if there is one, is stored.
func (s *Stream) Break(r *store.Receipt) error {
	due, err := s.end(r, func() { s.metered.Break() }, false)
	if err == nil {
		_, _, err = due.Ready()
	}
	return err
}

// End is [Stream.Break] with a ticket for what arrived, if no other stream of
// the grant will pay for it: a client that leaves has still received that much.
func (s *Stream) End() (Ticket, bool, error) {
	due, err := s.end(nil, func() { s.metered.Break() }, true)
	if err != nil {
		return Ticket{}, false, err
	}
	return due.Ready()
}

// Pardon ends a request whose answer is worth nothing, such as one whose
// receipt is false: what arrived stays in the books, and no further request
// uses the grant, so that no further ticket of it is revealed.
func (s *Stream) Pardon(r *store.Receipt, reason string) error {
	if err := s.Retire(reason); err != nil {
		return err
	}
	return s.Break(r)
}

func (s *Stream) end(r *store.Receipt, end func(), pay bool) (Due, error) {
	g := s.grant
	g.mu.Lock()
	if s.over {
		g.mu.Unlock()
		return nothing{}, nil
	}
	s.over = true
	end()
	index := g.meter.Revealed()
	if pay {
		if next, due := g.meter.Due(s.wallet.config.RevealEvery); due {
			index = next
		}
	}
	return s.commit(index, r)
}

// Due is the end of a request on its way to the disk.
type Due interface {
	// Ready waits until it is there, and returns the ticket to reveal, if any.
	Ready() (ticket Ticket, due bool, err error)
}

// nothing is the end of a request that had ended.
type nothing struct{}

// Ready implements [Due].
func (nothing) Ready() (Ticket, bool, error) { return Ticket{}, false, nil }

// progressed is progress on its way to the disk, and the ticket that may be
// revealed once it is there.
type progressed struct {
	grant    *grant
	index    uint64
	advanced bool
	saved    store.Pending
}

// commit moves the books to a ticket and has them stored. It is entered with the
// grant's lock held and leaves without it.
func (s *Stream) commit(index uint64, r *store.Receipt) (Due, error) {
	g := s.grant
	defer g.mu.Unlock()
	advanced, err := g.meter.Reveal(index)
	if err != nil {
		return nothing{}, fmt.Errorf("revealing a ticket of grant %s: %w", g.id, err)
	}
	progress := g.progress()
	progress.Receipt, progress.At = r, s.wallet.now()
	if s.over {
		delete(g.streams, s)
	}
	return progressed{g, index, advanced, s.wallet.store.Save(progress)}, nil
}

// Ready implements [Due].
func (d progressed) Ready() (ticket Ticket, due bool, err error) {
	g := d.grant
	if err := d.saved.Wait(); err != nil {
		return Ticket{}, false, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.durable = max(g.durable, d.index)
	if !d.advanced {
		return Ticket{}, false, nil
	}
	ticket, err = g.reveal(d.index)
	return ticket, err == nil, err
}

// Charge is what the key has to pay for the request so far, in ucredit: its cost,
// but for what the gateway takes upon itself.
func (s *Stream) Charge() uint64 {
	s.grant.mu.Lock()
	defer s.grant.mu.Unlock()
	return s.due()
}

// Excuse leaves the whole request to the gateway, before anything of it is paid.
func (s *Stream) Excuse() {
	s.grant.mu.Lock()
	defer s.grant.mu.Unlock()
	s.excused = true
}

// due is [Stream.Charge] with the lock held.
func (s *Stream) due() uint64 {
	cost := s.metered.Cost()
	switch {
	case s.excused:
		return 0
	case s.resumed:
		return cost - min(cost, s.metered.Prompt())
	}
	return cost
}

// charge is what the key has to pay since the last time. The lock is held.
func (s *Stream) charge() store.Charge {
	cost := s.due()
	c := store.Charge{Key: s.key, Amount: cost - min(cost, s.charged)}
	s.charged = max(s.charged, cost)
	return c
}

// Retire takes the grant out of use: running streams end on it, none begins.
func (s *Stream) Retire(reason string) error {
	g := s.grant
	g.mu.Lock()
	again := g.retired
	g.retired = true
	g.mu.Unlock()
	if again {
		return nil
	}
	s.wallet.log.Warn("grant retired", "grant", g.id, "provider", g.signed.Provider, "reason", reason)
	return s.wallet.store.RetireGrant(g.id, reason)
}
