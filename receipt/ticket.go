package receipt

import (
	"errors"
	"fmt"
)

// Errors of tickets.
var (
	ErrTicketIndex = errors.New("ticket index out of the grant's range")
	ErrTicketOrder = errors.New("ticket is not newer than the last one")
	ErrTicketChain = errors.New("ticket does not hash to the last one")
)

// Chain is a hash chain of tickets (Lamport, 1981; PayWord, Rivest and Shamir,
// 1996): the last ticket is the seed, each other the SHA-256 of its successor,
// and ticket 0 the anchor. It keeps about √n of n tickets and recomputes the
// rest, so revealing in order costs one hash a ticket.
type Chain struct {
	tickets uint64
	stride  uint64
	marks   []Digest // marks[i] is ticket min((i+1)·stride, tickets)
	block   []Digest // tickets of one stride, from first on
	first   uint64
}

// NewChain makes the chain of a secret seed. It takes `tickets` hashes.
func NewChain(seed [32]byte, tickets uint64) *Chain {
	c := &Chain{tickets: tickets, stride: 1}
	for c.stride*c.stride < tickets {
		c.stride <<= 1
	}
	c.marks = make([]Digest, (tickets+c.stride-1)/c.stride)
	at := Digest(seed)
	for i := tickets; i > 0; i-- {
		if i == tickets || i%c.stride == 0 {
			c.marks[(i-1)/c.stride] = at
		}
		at = Sum(at[:])
	}
	c.block = []Digest{at}
	return c
}

// Ticket returns ticket i, from 0, the anchor, to the number of tickets. It is
// not safe for concurrent use.
func (c *Chain) Ticket(i uint64) (Digest, error) {
	if i > c.tickets {
		return Digest{}, fmt.Errorf("%w: %d of %d", ErrTicketIndex, i, c.tickets)
	}
	if i < c.first || i-c.first >= uint64(len(c.block)) {
		c.load(i)
	}
	return c.block[i-c.first], nil
}

// load recomputes the stride that holds ticket i.
func (c *Chain) load(i uint64) {
	mark := uint64(0)
	if i > 0 {
		mark = (i - 1) / c.stride
	}
	c.first = mark * c.stride
	last := min(c.first+c.stride, c.tickets)
	c.block = make([]Digest, last-c.first+1)
	at := c.marks[mark]
	for j := last; ; j-- {
		c.block[j-c.first] = at
		if j == c.first {
			return
		}
		at = Sum(at[:])
	}
}

// Anchor is ticket 0.
func (c *Chain) Anchor() Digest {
	anchor, _ := c.Ticket(0) // in range for every chain
	return anchor
}

// VerifyTicket checks that a ticket of the given index leads to the last known
// one in index−lastIndex hashes, of which there must be at least one.
func VerifyTicket(last Digest, lastIndex uint64, ticket Digest, index uint64) error {
	if index <= lastIndex {
		return fmt.Errorf("%w: %d after %d", ErrTicketOrder, index, lastIndex)
	}
	at := ticket
	for range index - lastIndex {
		at = Sum(at[:])
	}
	if at != last {
		return fmt.Errorf("%w: index %d after %d", ErrTicketChain, index, lastIndex)
	}
	return nil
}

// TicketsFor is how many tickets pay what is owed: rounded up, so that the
// payer's overpayment on a whole grant is below one ticket.
func TicketsFor(owed, ticketValue uint64) uint64 {
	return owed/ticketValue + min(1, owed%ticketValue)
}
