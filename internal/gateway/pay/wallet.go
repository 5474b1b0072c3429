// Package pay is a gateway's wallet of grants: it signs one for each provider
// and model version, keeps the books of what is owed on it, and reveals its
// tickets, each of them only after the database knows of it.
//
// Nothing here touches the ledger or the network. After a crash the books are
// resumed where the last ticket left them: a ticket that is on disk pays for
// tokens that had arrived, one that is not was never revealed, and what broken
// streams owed beyond it is claimed by nobody (package inference, [inference.Meter]).
// So nothing is ever paid twice.
package pay

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// ErrTooDear says that a grant's cap cannot cover one request.
var ErrTooDear = errors.New("the request may cost more than a whole grant: raise grant_cap, or ask for fewer tokens")

// ErrNoCalls says that an access token has no calls left for one more grant.
var ErrNoCalls = errors.New("the access token's calls are all used or set aside for other providers")

// Config is how grants are made.
type Config struct {
	ChainID string // of the ledger
	Payer   string // account address, the owner of the escrow
	App     string // account address of the referring application, or empty
	// TicketValue is in ucredit. A grant's tickets are worth more where one
	// token costs more.
	TicketValue uint64
	// Cap is the most that one grant can pay, in ucredit.
	Cap uint64
	// MaxTickets bounds a hash chain; the ledger has such a bound.
	MaxTickets uint64
	// Lifetime is how long a grant can be used.
	Lifetime time.Duration
	// RevealEvery is after how many tokens a ticket is revealed at the latest.
	RevealEvery uint64
}

// Store is the part of the database that a wallet needs.
type Store interface {
	AddGrant(store.Grant, time.Time) error
	RetireGrant(id receipt.Digest, reason string) error
	OpenGrants(context.Context, time.Time) ([]store.Grant, error)
	Save(store.Progress) store.Pending
}

// Wallet holds the open grants. It is safe for concurrent use.
type Wallet struct {
	config Config
	store  Store
	signer ed25519.PrivateKey // the escrow's grant key
	log    *slog.Logger
	now    func() time.Time

	mu    sync.Mutex
	lines map[line]*purse
}

// line is what grants are made for.
type line struct {
	provider string
	model    receipt.Digest
}

// purse holds the grants of one line, oldest first.
type purse struct {
	mu     sync.Mutex // held while a grant is made, and never while one is used
	grants []*grant
}

// Open resumes the wallet that the store holds.
func Open(ctx context.Context, config Config, s Store, signer ed25519.PrivateKey, log *slog.Logger, now func() time.Time) (*Wallet, error) {
	w := &Wallet{config: config, store: s, signer: signer, log: log, now: now, lines: map[line]*purse{}}
	open, err := s.OpenGrants(ctx, now())
	if err != nil {
		return nil, err
	}
	public := signer.Public().(ed25519.PublicKey)
	for _, g := range open {
		if g.ChainID != config.ChainID || g.Payer != config.Payer || g.Verify(public) != nil {
			if err := s.RetireGrant(g.ID(), "made for another chain, payer or grant key"); err != nil {
				return nil, err
			}
			continue
		}
		resumed, err := resume(g)
		if err != nil {
			return nil, fmt.Errorf("resuming grant %s: %w", g.ID(), err)
		}
		p := w.purse(line{g.Provider, g.Model})
		p.grants = append(p.grants, resumed)
	}
	return w, nil
}

func (w *Wallet) purse(l line) *purse {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.lines[l]
	if p == nil {
		p = &purse{}
		w.lines[l] = p
	}
	return p
}

// Order is one request to be paid for.
type Order struct {
	Provider string
	Model    receipt.Digest
	Price    receipt.Price
	Prompt   uint64 // tokens
	Limit    uint64 // most tokens of the answer
	Key      string // the API key to charge
	// Resumed says that the prompt holds what the key has paid for elsewhere: the
	// gateway pays for reading it again.
	Resumed bool
	// Fresh asks for a grant that no request has used.
	Fresh bool
	// Right is under which the request is made, and so its grant. Of a metered right,
	// a new grant sets so many Calls aside; if that is none, there is no new grant.
	Right   string
	Metered bool
	Calls   uint64
}

// Start begins paying for a request: on the oldest grant that can cover it, or
// a new one. When the newest has used three quarters of its cap or of its time,
// its successor is made and used for this one request, so that the provider
// activates it while the old one still serves, and no request ever waits.
func (w *Wallet) Start(o Order) (*Stream, error) {
	p := w.purse(line{o.Provider, o.Model})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(w.now())
	last := o.Metered && o.Calls == 0 // there is no successor
	if !o.Fresh && len(p.grants) > 0 && (last || !p.grants[len(p.grants)-1].ageing(w.now(), w.config.Lifetime)) {
		for _, g := range p.grants {
			s, err := g.start(w, o)
			if err == nil || !errors.Is(err, inference.ErrCap) && !errors.Is(err, inference.ErrTicketValue) {
				return s, err
			}
		}
	}
	g, err := w.issue(o)
	if err != nil {
		return nil, err
	}
	p.grants = append(p.grants, g)
	s, err := g.start(w, o)
	if errors.Is(err, inference.ErrCap) {
		return nil, fmt.Errorf("%w (%v)", ErrTooDear, err)
	}
	return s, err
}

// issue signs a grant and stores it. The store has its seed before anyone sees
// its anchor.
func (w *Wallet) issue(o Order) (*grant, error) {
	if o.Metered && o.Calls == 0 {
		return nil, ErrNoCalls
	}
	token, err := o.Price.Cost(0, 0, 1)
	if err != nil {
		return nil, err
	}
	worst, err := o.Price.Cost(o.Prompt, 0, o.Limit)
	if err != nil {
		return nil, err
	}
	// A chain that is too long for the ledger gets dearer tickets instead.
	value := max(w.config.TicketValue, token, w.config.Cap/w.config.MaxTickets)
	tickets := min(w.config.Cap/value, w.config.MaxTickets)
	if tickets == 0 || worst > tickets*value {
		return nil, fmt.Errorf("%w: at most %d ucredit, a grant pays %d", ErrTooDear, worst, tickets*value)
	}
	var seed [32]byte
	rand.Read(seed[:]) // never fails
	now := w.now()
	chain := receipt.NewChain(seed, tickets)
	signed := receipt.Grant{
		ChainID: w.config.ChainID, Payer: w.config.Payer, Provider: o.Provider, Model: o.Model, App: w.config.App,
		TicketValue: value, Tickets: tickets, Expiry: now.Add(w.config.Lifetime).Unix(), Anchor: chain.Anchor(),
		Right: o.Right, Calls: o.Calls,
	}.Sign(w.signer)
	stored := store.Grant{SignedGrant: signed, Seed: seed}
	if err := w.store.AddGrant(stored, now); err != nil {
		return nil, err
	}
	g, err := resume(stored)
	if err != nil {
		return nil, err
	}
	g.chain = chain
	w.log.Info("new grant", "provider", o.Provider, "model", o.Model, "grant", g.id, "ticket_value", value, "tickets", tickets)
	return g, nil
}

// drop forgets grants that can take no more requests; their running streams
// keep them alive until they end.
func (p *purse) drop(now time.Time) {
	kept := p.grants[:0]
	for _, g := range p.grants {
		if !g.ended(now) {
			kept = append(kept, g)
		}
	}
	clear(p.grants[len(kept):])
	p.grants = kept
}

// Open counts the grants that are open.
func (w *Wallet) Open() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.lines {
		p.mu.Lock()
		n += len(p.grants)
		p.mu.Unlock()
	}
	return n
}

// Calls is how many calls under a right the open grants may make together, and how
// many of them they have not made.
func (w *Wallet) Calls(right string) (promised, free uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.lines {
		p.mu.Lock()
		for _, g := range p.grants {
			if g.signed.Right == right {
				promised += g.signed.Calls
				free += g.left()
			}
		}
		p.mu.Unlock()
	}
	return promised, free
}

// Exposure is what the open grants can still pay together, in ucredit: the most
// that providers may lock in the payer's escrow.
func (w *Wallet) Exposure() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var total uint64
	for _, p := range w.lines {
		p.mu.Lock()
		for _, g := range p.grants {
			total += g.rest()
		}
		p.mu.Unlock()
	}
	return total
}
