// Package buyout is the rule of buying a model's shareholders out: somebody bids
// for all shares that others have, at one price, and locks what they cost. Holders
// tender shares and may take them back. When enough are tendered, all of those are
// bought, and whoever tenders until the deadline is paid the same; if it never is
// enough, everything goes back.
//
// Nobody is bought out against its will. Accounts cost nothing, so a majority of
// holders that agrees to a price can be the bidder itself; who waits loses nothing by it,
// as a bid that succeeded stays open at its price.
package buyout

import (
	"errors"
	"fmt"
	"math/bits"
)

// Million is how many shares a price is for.
const Million = 1_000_000

// maxSeconds is how long a bid may be open.
const maxSeconds = 366 * 24 * 3600

// Refusals.
var (
	ErrTerms  = errors.New("these are no terms of a bid")
	ErrClosed = errors.New("the bid is closed")
	ErrBought = errors.New("the bid has enough shares: what was tendered is bought")
	ErrFull   = errors.New("the bid is for fewer shares")
	ErrFew    = errors.New("so few shares were not tendered, or bring nothing")
)

// Terms are what a bidder promises.
type Terms struct {
	Price    uint64 // ucredit for a million shares
	Least    uint64 // shares that must be tendered
	Most     uint64 // shares that others have
	Deadline int64  // Unix seconds
}

// Status is how far a bid is.
type Status int

// The states of a bid.
const (
	Open      Status = iota + 1
	Succeeded        // it buys what is tendered
	Failed           // too little was tendered in time
)

// Bid is a bid's course.
type Bid struct {
	Status   Status
	Tendered uint64 // shares that are neither bought nor back
	Bought   uint64 // shares that are the bidder's
	Held     uint64 // ucredit that are left of the deposit
}

// New begins a bid at a time; what it holds is to be locked. Refusal: [ErrTerms].
func New(t Terms, now int64) (Bid, error) {
	switch {
	case t.Least == 0 || t.Least > t.Most:
		return Bid{}, fmt.Errorf("%w: at least %d shares, of %d that others have", ErrTerms, t.Least, t.Most)
	case t.Deadline <= now || t.Deadline > now+maxSeconds:
		return Bid{}, fmt.Errorf("%w: the deadline must be within a year", ErrTerms)
	}
	high, low := bits.Mul64(t.Price, t.Most)
	low, carry := bits.Add64(low, Million-1, 0)
	if high+carry >= Million/2 {
		return Bid{}, fmt.Errorf("%w: %d shares at %d ucredit a million do not fit in 63 bits", ErrTerms, t.Most, t.Price)
	}
	deposit, _ := bits.Div64(high+carry, low, Million)
	if deposit == 0 {
		return Bid{}, fmt.Errorf("%w: the price is nothing", ErrTerms)
	}
	return Bid{Status: Open, Held: deposit}, nil
}

// Worth is what shares bring, in ucredit, rounded down; for shares that fit a bid.
func (t Terms) Worth(shares uint64) uint64 {
	high, low := bits.Mul64(t.Price, shares)
	worth, _ := bits.Div64(high, low, Million)
	return worth
}

// Tender adds shares. Refusals: [ErrClosed], [ErrFull], [ErrFew].
func Tender(t Terms, b Bid, shares uint64, now int64) (Bid, error) {
	switch {
	case b.Status == Failed || now >= t.Deadline:
		return b, ErrClosed
	case shares > t.Most-b.Tendered-b.Bought:
		return b, fmt.Errorf("%w: %d more", ErrFull, t.Most-b.Tendered-b.Bought)
	case t.Worth(shares) == 0:
		return b, fmt.Errorf("%w: %d", ErrFew, shares)
	}
	b.Tendered += shares
	if b.Tendered+b.Bought >= t.Least {
		b.Status = Succeeded
	}
	return b, nil
}

// TakeBack takes some of a holder's shares out of a bid that waits for more. What
// stays must be worth something. Refusals: [ErrBought], [ErrFew].
func TakeBack(t Terms, b Bid, has, shares uint64) (Bid, error) {
	switch {
	case b.Status == Succeeded:
		return b, ErrBought
	case shares == 0 || shares > has || shares < has && t.Worth(has-shares) == 0:
		return b, fmt.Errorf("%w: %d of %d", ErrFew, shares, has)
	}
	b.Tendered -= shares
	return b, nil
}

// Close ends a bid at its deadline: what is left goes back to the bidder, but for
// what tendered shares are still to be paid with. It says whether it did.
func Close(t Terms, b Bid, now int64) (_ Bid, refund uint64, closed bool) {
	if now < t.Deadline || b.Status == Succeeded && b.Tendered > 0 {
		return b, 0, false
	}
	if b.Status == Open {
		b.Status = Failed
	}
	refund, b.Held = b.Held, 0
	return b, refund, true
}

// Settle deals with all of a holder's tendered shares, if the bid is decided: they
// are bought for so many ucredit, or go back, for nothing.
func Settle(t Terms, b Bid, shares uint64) (_ Bid, ucredit uint64, bought bool) {
	b.Tendered -= shares
	if b.Status != Succeeded {
		return b, 0, false
	}
	ucredit = t.Worth(shares)
	b.Bought += shares
	b.Held -= ucredit
	return b, ucredit, true
}
