// Package route chooses which provider serves a request. It is pure: what is
// known of the providers goes in, the order in which to try them comes out.
package route

import (
	"cmp"
	"slices"
	"time"

	"github.com/koinon/koinon/receipt"
)

// Candidate is one provider's offer of the model version that is asked for,
// and what this gateway has seen of the provider.
type Candidate struct {
	Provider string // account address
	Price    receipt.Price
	// MaxContext is the most tokens of prompt and answer together; 0 for the
	// model's own bound.
	MaxContext uint32
	// Slots is the number of requests it serves at once; 0 if it does not say.
	Slots uint32
	// InFlight is how many of this gateway's requests run there now.
	InFlight int
	// Latency is the usual time to the first token, 0 while unknown.
	Latency time.Duration
	// Resting says that it failed a moment ago: it is tried after all others.
	Resting bool
}

// Need is what a request asks of a provider, in tokens.
type Need struct {
	Prompt, Completion uint64
}

// Order returns the candidates that can take the request, as indices, the best
// first: those that are not resting before those that are, those with a free
// slot before those without, then by what the request would cost at most, then
// by the share of slots in use, latency and address.
func Order(candidates []Candidate, need Need) []int {
	type scored struct {
		index int
		cost  uint64
	}
	fit := make([]scored, 0, len(candidates))
	for i, c := range candidates {
		if c.MaxContext != 0 && need.Prompt+need.Completion > uint64(c.MaxContext) {
			continue
		}
		cost, err := c.Price.Cost(need.Prompt, 0, need.Completion)
		if err != nil {
			continue // a price beyond all money is no offer
		}
		fit = append(fit, scored{i, cost})
	}
	slices.SortFunc(fit, func(x, y scored) int {
		a, b := &candidates[x.index], &candidates[y.index]
		return cmp.Or(
			later(a.Resting, b.Resting),
			later(a.full(), b.full()),
			cmp.Compare(x.cost, y.cost),
			a.busier(b),
			cmp.Compare(a.Latency, b.Latency),
			cmp.Compare(a.Provider, b.Provider),
		)
	})
	order := make([]int, len(fit))
	for i, s := range fit {
		order[i] = s.index
	}
	return order
}

// full says whether this gateway alone takes up every slot.
func (c *Candidate) full() bool { return c.Slots > 0 && c.InFlight >= int(c.Slots) }

// busier compares the shares of slots in use, without dividing.
func (c *Candidate) busier(d *Candidate) int {
	return cmp.Compare(int64(c.InFlight)*int64(max(1, d.Slots)), int64(d.InFlight)*int64(max(1, c.Slots)))
}

func later(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
