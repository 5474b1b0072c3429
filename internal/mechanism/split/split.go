// Package split divides what an answer earned among those who made it possible.
package split

import (
	"errors"
	"fmt"
	"math/bits"
)

// Whole is how many basis points make the whole.
const Whole = 10_000

// MaxShares bounds the owners, the data contributors, and the models, of one policy.
const MaxShares = 32

// Share is one recipient's part, in basis points.
type Share struct {
	Recipient string
	Bps       uint32
}

// Policy says what part each role has, in basis points; all add up to Whole.
type Policy struct {
	ProviderBps, AppBps, TreasuryBps uint32
	// CuratorsBps is for those who signalled on the model, the provider and the
	// app, each listing the same part.
	CuratorsBps  uint32
	Owners, Data []Share
	// Royalties go to models, for their shareholders: this one's, and those that
	// it comes from.
	Royalties []Share
}

// Parties are who takes part in an answer; App may be empty.
type Parties struct{ Provider, App, Treasury, Model string }

// Listings names what curators of a redemption have signalled on.
func (p Parties) Listings() []string {
	list := []string{"model/" + p.Model, "provider/" + p.Provider}
	if p.App != "" {
		list = append(list, "app/"+p.App)
	}
	return list
}

// Role is in what capacity somebody is paid.
type Role string

// The roles of a redemption.
const (
	Provider Role = "provider"
	Owner    Role = "owner"
	Data     Role = "data"
	App      Role = "app"
	Treasury Role = "treasury"
	// Curators is paid to a listing, for all who signalled on it.
	Curators Role = "curators"
	// Royalty is paid to a model, for all who hold its shares.
	Royalty Role = "royalty"
)

// Part is one recipient's money.
type Part struct {
	Role      Role
	Recipient string
	Amount    uint64
}

// Errors of policies.
var (
	ErrSum    = errors.New("a policy's parts must add up to 10,000 basis points")
	ErrShare  = errors.New("a share needs a recipient and at least one basis point")
	ErrShares = fmt.Errorf("a policy has at most %d owners, %d data contributors and %d models", MaxShares, MaxShares, MaxShares)
	ErrTwice  = errors.New("a recipient has two shares in the same role")
)

// Validate checks that a policy divides the whole, no more and no less.
func (p Policy) Validate() error {
	sum := uint64(p.ProviderBps) + uint64(p.AppBps) + uint64(p.TreasuryBps) + uint64(p.CuratorsBps)
	for _, shares := range [][]Share{p.Owners, p.Data, p.Royalties} {
		if len(shares) > MaxShares {
			return ErrShares
		}
		for i, s := range shares {
			if s.Recipient == "" || s.Bps == 0 {
				return ErrShare
			}
			for _, other := range shares[:i] {
				if other.Recipient == s.Recipient {
					return fmt.Errorf("%w: %s", ErrTwice, s.Recipient)
				}
			}
			sum += uint64(s.Bps)
		}
	}
	if sum != Whole {
		return fmt.Errorf("%w, not %d", ErrSum, sum)
	}
	return nil
}

// Split divides an amount by a valid policy. Each part is rounded down and the
// remainder goes to the treasury, as does the app's part when there is none.
// Parts of nothing are left out; the parts sum to the amount.
func Split(amount uint64, p Policy, to Parties) ([]Part, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	var parts []Part
	rest := amount
	pay := func(role Role, recipient string, part uint64) {
		if part > 0 {
			parts = append(parts, Part{role, recipient, part})
			rest -= part
		}
	}
	give := func(role Role, recipient string, bps uint32) { pay(role, recipient, share(amount, bps)) }
	give(Provider, to.Provider, p.ProviderBps)
	for _, s := range p.Owners {
		give(Owner, s.Recipient, s.Bps)
	}
	for _, s := range p.Royalties {
		give(Royalty, s.Recipient, s.Bps)
	}
	for _, s := range p.Data {
		give(Data, s.Recipient, s.Bps)
	}
	if to.App != "" {
		give(App, to.App, p.AppBps)
	}
	listings := to.Listings()
	for _, listing := range listings {
		pay(Curators, listing, share(amount, p.CuratorsBps)/uint64(len(listings)))
	}
	if rest > 0 {
		parts = append(parts, Part{Treasury, to.Treasury, rest})
	}
	return parts, nil
}

// share is amount·bps/Whole, rounded down. It fits, as bps is at most Whole.
func share(amount uint64, bps uint32) uint64 {
	high, low := bits.Mul64(amount, uint64(bps))
	part, _ := bits.Div64(high, low, Whole)
	return part
}
