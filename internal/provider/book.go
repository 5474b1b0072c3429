package provider

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"time"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// book is one grant in use: the meter, the highest ticket, the chain of
// receipts, and what the ledger knows of it. Its methods lock it.
type book struct {
	id     receipt.Digest
	signed receipt.SignedGrant
	store  *store

	mu    sync.Mutex
	meter *inference.Meter
	// index and ticket are the highest verified; the meter follows when they
	// are stored.
	index  uint64
	ticket receipt.Digest

	sequence  uint64 // of the last receipt
	places    uint64 // sequences up to this one are this process's, on disk
	asking    bool   // for more of them
	lost      error  // why there are no more, where the disk has failed
	previous  receipt.Digest
	receipted uint64 // its Owed, ucredit

	state    state
	reason   string
	redeemed uint64    // ticket index
	tried    time.Time // last attempt to redeem
	// provisional is what was served before activation, in ucredit, and counts
	// against the payer's exposure.
	provisional uint64

	until int64  // when the right to call ends, Unix seconds; 0 for never
	calls uint64 // that have begun, less those of which nothing was sent

	lot *receipt.Lot // once an answer's seed was drawn

	// owner is the secret of the first who showed the grant, empty for none; nil if
	// that was before this process, and not known. See admits.
	owner *string

	running map[*session]context.CancelCauseFunc // how each is ended

	// changed is closed, and replaced, whenever a waiting stream should look
	// again.
	changed chan struct{}
}

func newBook(r record, s *store) (*book, error) {
	meter, err := inference.Resume(r.signed.Grant, r.books)
	if err != nil {
		return nil, err
	}
	return &book{
		id: r.signed.ID(), signed: r.signed, store: s, meter: meter,
		index: r.books.Revealed, ticket: r.ticket,
		sequence: r.sequence, places: r.places, previous: r.previous, receipted: r.receipted,
		state: r.state, reason: r.reason, redeemed: r.redeemed, until: r.until, calls: r.calls,
		running: map[*session]context.CancelCauseFunc{}, changed: make(chan struct{}),
	}, nil
}

// wake lets every waiting stream look again. The lock is held.
func (b *book) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// reveal checks a ticket, one hash for each index since the last. An older
// ticket than the last changes nothing. The ticket counts once it is stored, which
// what is returned waits for.
func (b *book) reveal(index uint64, ticket receipt.Digest) (count func() error, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if index <= b.index {
		return func() error { return nil }, nil
	}
	if index > b.signed.Tickets {
		return nil, fmt.Errorf("%w: %d of %d", receipt.ErrTicketIndex, index, b.signed.Tickets)
	}
	if err := receipt.VerifyTicket(b.ticket, b.index, ticket, index); err != nil {
		return nil, err
	}
	b.index, b.ticket = index, ticket
	stored := b.store.saveTicket(b.id, index, ticket)
	return func() error {
		if err := <-stored; err != nil {
			return err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if _, err := b.meter.Reveal(index); err != nil {
			return err
		}
		b.wake()
		return nil
	}, nil
}

// above is the highest ticket, if that is above one of the gateway's; nil if not.
func (b *book) above(known *inferencev1.Reveal) *inferencev1.Reveal {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.index <= known.GetIndex() {
		return nil
	}
	return inference.TicketToWire(b.index, b.ticket)
}

// revealed is the highest ticket that counts.
func (b *book) revealed() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.meter.Revealed()
}

// unredeemed is the value of the tickets that the ledger has not paid, in
// ucredit. The lock is held.
func (b *book) unredeemed() uint64 {
	return (b.index - min(b.index, b.redeemed)) * b.signed.TicketValue
}

// rich says whether more than an amount, in ucredit, waits to be redeemed.
func (b *book) rich(above uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.unredeemed() > above
}

// ahead is how many places in a grant's chain of receipts are taken at once.
const ahead = 256

// place makes sure that the next place in the chain is on disk as taken: a
// process that comes after this one, however it ends, gives it to no other
// answer. Places are taken ahead, so that hardly an answer waits for one. The
// lock is held, and let go of while waiting.
func (b *book) place() error {
	for {
		if b.places-b.sequence < ahead/2 && !b.asking && b.lost == nil {
			b.takePlaces()
		}
		if b.sequence < b.places {
			return nil
		}
		if b.lost != nil {
			return b.lost
		}
		changed := b.changed
		b.mu.Unlock()
		<-changed
		b.mu.Lock()
	}
}

// takePlaces has more places stored as taken. The lock is held.
func (b *book) takePlaces() {
	b.asking = true
	to := b.sequence + ahead
	stored := b.store.savePlaces(b.id, to)
	go func() {
		err := <-stored
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.asking, b.lost = false, err; err == nil {
			b.places = max(b.places, to)
		}
		b.wake()
	}()
}

// draw is the provider's part in the seeds of the grant's answers.
func (b *book) draw(key ed25519.PrivateKey) (receipt.Lot, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lot == nil {
		lot, err := receipt.DrawLot(key, b.id)
		if err != nil {
			return lot, err
		}
		b.lot = &lot
	}
	return *b.lot, nil
}

// sign makes the next receipt of the grant from what the caller knows of the
// answer. It is on its way to the disk: that it may be lost with the power costs
// nobody anything, for tickets pay; two answers in one place would.
func (b *book) sign(r receipt.Receipt, key ed25519.PrivateKey) ([]byte, receipt.Receipt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.place(); err != nil {
		return nil, r, err
	}
	r.Version = receipt.Version
	r.ChainID, r.Grant = b.signed.ChainID, b.id
	r.Provider, r.Payer, r.App, r.Model = b.signed.Provider, b.signed.Payer, b.signed.App, b.signed.Model
	r.Right = b.signed.Right
	r.Sequence, r.Previous = b.sequence+1, b.previous
	r.Owed, r.Ticket = b.receipted+r.Cost, b.meter.Revealed()
	if r.Sequence > 1 && r.Previous.IsZero() {
		r.Previous = b.id // all receipts so far were lost with the power
	}
	r = r.Sign(key)
	if err := r.Validate(); err != nil {
		return nil, r, fmt.Errorf("signing receipt %d of grant %s: %w", r.Sequence, b.id.Hex(), err)
	}
	body := r.Encode()
	b.sequence, b.previous, b.receipted = r.Sequence, r.Hash(), r.Owed
	b.store.addReceipt(r, body)
	return body, r, nil
}

// leave gives back the places that no receipt has, as the process ends.
func (b *book) leave() error {
	b.mu.Lock()
	stored := b.store.savePlaces(b.id, b.sequence)
	b.places = b.sequence
	b.mu.Unlock()
	return <-stored
}

// start begins a stream on the grant's meter: one more of its calls.
func (b *book) start(prompt uint64, price receipt.Price) (*inference.Stream, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spent() {
		return nil, fmt.Errorf("it has made all of its %d calls", b.signed.Calls)
	}
	s, err := b.meter.Start(prompt, 0, price)
	if err == nil {
		b.calls++
	}
	return s, err
}

// spent says whether a grant for a number of calls has begun them all. The lock is
// held.
func (b *book) spent() bool { return b.signed.Calls > 0 && b.calls >= b.signed.Calls }

// discount says how many of a stream's prompt tokens are cached, before the
// first of its answer.
func (b *book) discount(s *inference.Stream, cached uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return s.Cached(cached)
}

// complete counts the end of an answer, before the gateway hears of it.
func (b *book) complete(s *inference.Stream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Complete()
}

// drop ends a stream of which nothing was sent.
func (b *book) drop(s *inference.Stream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Break()
	b.calls--
	b.wake()
}

// finish ends an acknowledged stream.
func (b *book) finish(s *inference.Stream) error {
	b.mu.Lock()
	s.Finish()
	b.wake()
	stored := b.store.saveBooks(b.id, b.meter.Books())
	b.mu.Unlock()
	return <-stored
}

// forgive ends a broken stream; it returns the number of tokens and the
// amount, in ucredit, that stay owed.
func (b *book) forgive(s *inference.Stream) (tokens, kept uint64, err error) {
	b.mu.Lock()
	tokens = s.Forgive()
	kept = s.Cost()
	b.wake()
	stored := b.store.saveBooks(b.id, b.meter.Books())
	b.mu.Unlock()
	return tokens, kept, <-stored
}

// move changes what the ledger knows of the grant.
func (b *book) move(to state, reason string) error {
	b.mu.Lock()
	if to <= b.state {
		b.mu.Unlock()
		return nil
	}
	b.state, b.reason = to, reason
	b.wake()
	stored := b.store.setState(b.id, to, reason)
	b.mu.Unlock()
	return <-stored
}

// collected records a redemption.
func (b *book) collected(index uint64) error {
	b.mu.Lock()
	b.redeemed = max(b.redeemed, index)
	stored := b.store.setRedeemed(b.id, index)
	b.mu.Unlock()
	return <-stored
}

// exposure limits what each payer is served on grants that the ledger has not
// confirmed. Amounts are in ucredit.
type exposure struct {
	limit uint64
	mu    sync.Mutex
	used  map[string]uint64
}

func newExposure(limit uint64) *exposure {
	return &exposure{limit: limit, used: map[string]uint64{}}
}

// take adds to what a payer was served, if that stays within the limit.
func (e *exposure) take(payer string, amount uint64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if amount > e.limit-min(e.limit, e.used[payer]) {
		return false
	}
	e.used[payer] += amount
	return true
}

// fits says whether take would succeed.
func (e *exposure) fits(payer string, amount uint64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return amount <= e.limit-min(e.limit, e.used[payer])
}

// give takes off what a confirmed grant had used.
func (e *exposure) give(payer string, amount uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.used[payer] -= min(e.used[payer], amount); e.used[payer] == 0 {
		delete(e.used, payer)
	}
}

// Ends of a stream, as causes of its context.
var (
	errCancelled  = errors.New("the gateway cancelled")
	errBroken     = errors.New("the gateway left")
	errUnpaid     = errors.New("no ticket came in time")
	errUnactive   = errors.New("the grant's activation did not come in time")
	errNotGranted = errors.New("the ledger refused the grant")
	errExpired    = errors.New("the grant expired")
	errDrained    = errors.New("the provider stops")
)

// token counts the next token of a stream once it may be served, and returns
// what is then owed on the grant.
func (b *book) token(ctx context.Context, s *inference.Stream, e *exposure, c Config) (owed uint64, err error) {
	err = b.await(ctx, c, func() (bool, error, error) {
		if wait, err := s.MustWait(); wait || err != nil {
			return false, errUnpaid, err
		}
		cost, err := s.Next()
		if err != nil {
			return false, nil, err
		}
		if b.state == pending {
			if !e.take(b.signed.Payer, cost) {
				return false, errUnactive, nil
			}
			b.provisional += cost
		}
		if err := s.Token(); err != nil {
			return false, nil, err
		}
		owed = b.meter.Owed()
		return true, nil, nil
	})
	return owed, err
}

// prompt waits until an answer that costs its prompt alone may be served, and
// counts it against what the payer may be served before its grant is active.
func (b *book) prompt(ctx context.Context, s *inference.Stream, e *exposure, c Config) error {
	return b.await(ctx, c, func() (bool, error, error) {
		if b.state == pending {
			if !e.take(b.signed.Payer, s.Prompt()) {
				return false, errUnactive, nil
			}
			b.provisional += s.Prompt()
		}
		return true, nil, nil
	})
}

// ready waits until the first token may be served, so that no slot is held
// while a grant is activated.
func (b *book) ready(ctx context.Context, s *inference.Stream, e *exposure, c Config) error {
	return b.await(ctx, c, func() (bool, error, error) {
		cost, err := s.Next()
		if err != nil {
			return false, nil, err
		}
		return b.state == active || e.fits(b.signed.Payer, cost), errUnactive, nil
	})
}

// await tries, under the lock, until it may, fails, or was too late, as which
// the try names itself.
func (b *book) await(ctx context.Context, c Config, try func() (ok bool, late, err error)) error {
	var timer *time.Timer
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if b.state == refused || b.state == closed {
			return fmt.Errorf("%w: %s", errNotGranted, b.reason)
		}
		ok, late, err := try()
		if ok || err != nil {
			return err
		}
		if timer == nil {
			limit := c.PaymentTimeout
			if late == errUnactive {
				limit = c.ActivationTimeout
			}
			timer = time.NewTimer(limit)
			defer timer.Stop()
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-changed:
		case <-timer.C:
			err = late
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		b.mu.Lock()
		if err != nil {
			return err
		}
	}
}
