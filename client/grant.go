package client

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/koinon/koinon/receipt"
)

// grant is one of the buyer's own, with what must not be forgotten of it.
type grant struct {
	Signed   receipt.SignedGrant `json:"grant"`
	Seed     [32]byte            `json:"seed"`     // of its tickets: a secret
	Settled  uint64              `json:"settled"`  // ucredit that ended answers cost
	Revealed uint64              `json:"revealed"` // index of the highest ticket given, or about to be
	Begun    uint64              `json:"begun"`    // calls

	path  string
	mu    sync.Mutex
	chain *receipt.Chain
}

// room is what the grant can still pay, in ucredit.
func (g *grant) room() uint64 {
	limit, err := g.Signed.Cap()
	used := max(g.Settled, g.Revealed*g.Signed.TicketValue)
	if err != nil || used > limit {
		return 0
	}
	return limit - used
}

// fits says whether the grant can pay for what is offered.
func (g *grant) fits(b *Buyer, o Offer, amount uint64, now time.Time) bool {
	s := g.Signed
	if s.Right != b.Right || s.Calls > 0 && g.Begun >= s.Calls {
		return false
	}
	return s.ChainID == b.ChainID && s.Payer == b.Payer && s.Provider == o.PayTo && s.Model == o.Extra.Model &&
		s.App == o.Extra.App && s.TicketValue >= o.Extra.TicketValue && s.Expiry > max(o.Extra.MinExpiry, now.Unix()) && g.room() >= amount
}

// ticket is one of the grant's. It is on disk as given before it is returned, so
// that a crash pays nothing twice.
func (g *grant) ticket(index uint64) (receipt.Digest, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if index == 0 {
		return receipt.Digest{}, nil
	}
	if g.chain == nil {
		g.chain = receipt.NewChain(g.Seed, g.Signed.Tickets)
	}
	ticket, err := g.chain.Ticket(index)
	if err != nil {
		return ticket, err
	}
	if index > g.Revealed {
		g.Revealed = index
		err = g.save()
	}
	return ticket, err
}

// begin counts a call, on disk before it is made.
func (g *grant) begin() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Begun++
	return g.save()
}

// settle adds what an answer cost.
func (g *grant) settle(cost uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Settled += cost
	return g.save()
}

// save writes the grant, whole or not at all. The lock is held.
func (g *grant) save() error {
	data, err := json.Marshal(g)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(g.path), ".grant-*")
	if err != nil {
		return fmt.Errorf("storing a grant: %w", err)
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), g.path)
	}
	if err != nil {
		return fmt.Errorf("storing a grant: %w", errors.Join(err, os.Remove(file.Name())))
	}
	return nil
}

// grants reads those in the buyer's folder that can still be used.
func (b *Buyer) grants() ([]*grant, error) {
	if err := os.MkdirAll(b.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of grants: %w", err)
	}
	paths, err := filepath.Glob(filepath.Join(b.Dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var list []*grant
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading a grant: %w", err)
		}
		g := &grant{path: path}
		if err := json.Unmarshal(data, g); err != nil {
			return nil, fmt.Errorf("the grant in %s is damaged: %w", path, err)
		}
		if g.Signed.Expiry > b.now().Unix() {
			list = append(list, g)
		}
	}
	return list, nil
}

// capRequests is how many requests like the first one a new grant is made for.
const capRequests = 20

// grantFor finds a grant that pays for what is offered, or makes one.
func (b *Buyer) grantFor(o Offer, amount uint64) (*grant, error) {
	known, err := b.grants()
	if err != nil {
		return nil, err
	}
	for _, g := range known {
		if g.fits(b, o, amount, b.now()) {
			return g, nil
		}
	}
	t := o.Extra
	g := &grant{}
	rand.Read(g.Seed[:]) // never fails
	tickets := min(max(t.MinTickets, capRequests*receipt.TicketsFor(amount, t.TicketValue)), t.MaxTickets)
	if b.MaxGrant > 0 {
		tickets = min(tickets, max(b.MaxGrant/t.TicketValue, t.MinTickets))
	}
	g.chain = receipt.NewChain(g.Seed, tickets)
	g.Signed = receipt.Grant{
		ChainID: b.ChainID, Payer: b.Payer, Provider: o.PayTo, Model: t.Model, App: t.App, TicketValue: t.TicketValue,
		Tickets: tickets, Expiry: t.MaxExpiry, Anchor: g.chain.Anchor(),
		Right: b.Right, Calls: b.Calls,
	}.Sign(b.Key)
	if err := g.Signed.Verify(b.Key.Public().(ed25519.PublicKey)); err != nil {
		return nil, fmt.Errorf("%w makes a grant that is none: %w", ErrQuote, err)
	}
	g.path = filepath.Join(b.Dir, g.Signed.ID().Hex()+".json")
	return g, g.save()
}
