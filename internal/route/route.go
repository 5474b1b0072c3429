// Package route chooses which provider serves a request.
//
// It is pure: what is known of the providers goes in, a provider comes out, and
// time and chance are handed to it. A choice has three steps. The filter leaves
// out whom the request's controls exclude and who cannot take it now. The score
// puts one number on price, speed, failures and what is cached already. Of those
// whose score is nearly the best, two are drawn at random and the less busy one
// serves: were everybody to take the very best, all gateways would run to the
// same cheap provider, for they all see the same offers.
//
// An [Index] is the offers of one model version in the orders that requests ask
// for. It never changes, so that any number of requests read it at once; what
// changes with every token is in the [Provider] and [Lane] that it points to, as
// atomics. A choice looks at a few dozen offers, however many there are, and
// allocates nothing.
package route

import (
	"math/rand/v2"
	"time"

	"github.com/koinon/koinon/receipt"
)

// Offer is one provider's offer of the model version that an index is for.
type Offer struct {
	Lane  *Lane // and through it the provider
	Price receipt.Price
	// MaxContext is the most tokens of prompt and answer together; 0 for the
	// model's own bound.
	MaxContext uint32
	// Slots is the number of requests it serves at once; 0 if it does not say.
	Slots uint32
	// Region is where the provider says that it is: ISO 3166-1 alpha-2, perhaps
	// with a subdivision (DE, US-CA), or empty.
	Region string
	// Audit is the provider's audit record between 0 and 1, or [Unaudited].
	Audit float64
}

// Unaudited is the audit record of a provider that nobody has audited. It is
// not a bad one, but no request that demands a record is sent there.
const Unaudited = -1

// Query is what a request asks of a provider.
type Query struct {
	// Prompt and Completion are in tokens, the latter the most there may be.
	Prompt, Completion uint64
	// Controls are the request's own limits; nil for none.
	Controls *Controls
	// Prefixes are the prompt's, by [Prefixes], and Affinity remembers who has
	// served them. Both may be nil.
	Prefixes []uint64
	Affinity *Affinity
	// Near is up to how many times the best score counts for as good; 0 for the
	// usual. 1 takes the very best, as all others do: see package simulate.
	Near float64
	// Now is the time, Random the chance.
	Now    time.Time
	Random rand.Source
}

// Choice is an offer's place in the list that the index was made of.
type Choice = int32

// MaxPlan bounds a plan: who does not answer within so many providers will not
// be helped by another.
const MaxPlan = 5

// Plan appends to plan, which it first empties, the providers to try one after
// the other, as many as fit its capacity. Nobody is named twice. The request's
// own order goes first; without fallbacks it is all there is, or there is one.
func (x *Index) Plan(q *Query, plan []Choice) []Choice {
	plan = plan[:0]
	fallbacks := true
	if c := q.Controls; c != nil {
		for _, provider := range c.Order {
			at, known := x.byProvider[provider]
			if known && len(plan) < cap(plan) && x.allows(q, at) && x.entries[at].Lane.Provider.usable(q.Now.UnixNano()) && !tried(plan, at) {
				plan = append(plan, at)
			}
		}
		fallbacks = !c.NoFallbacks
		if !fallbacks && len(c.Order) == 0 {
			plan = plan[:len(plan):min(cap(plan), 1)]
			fallbacks = true
		}
	}
	for fallbacks && len(plan) < cap(plan) {
		next, ok := x.Next(q, plan)
		if !ok {
			break
		}
		plan = append(plan, next)
	}
	return plan
}

// tried says whether an offer is among those named already.
func tried(plan []Choice, at Choice) bool {
	for _, other := range plan {
		if other == at {
			return true
		}
	}
	return false
}
