package route

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// How the router looks around. A balanced choice takes those within a quarter
// of the best score for equals; in a large market they are at least sixteen, and
// one in sixteen: the very best of many is far from the others, and if all
// gateways ran to the few beside it they would run them down before these can say
// that they are full.
const (
	nearBalanced = 1.25
	nearSorted   = 1.02
	atLeast      = 16
	crowd        = 16

	gathered = 64 // offers that are all looked at; above, they are sampled
	draws    = 8  // from one window, before it is widened
	anchors  = 32 // offers from the best on, among which the best that can serve is sought
)

func (q *Query) near() float64 {
	if q.Near != 0 {
		return q.Near
	}
	if q.sort() == Balanced {
		return nearBalanced
	}
	return nearSorted
}

// Tiers of offers that may serve: those of the next are taken only if there is
// none of the one before.
const (
	free    = iota
	full    // every slot is in use: the request will wait
	resting // failed a moment ago, or was never reached
	barred
)

// candidate is an offer that may serve.
type candidate struct {
	at    Choice
	score float64 // with no regard to its load
	final float64 // with it
}

// Next is the best provider for a query that is not among the excluded; false
// if there is none.
func (x *Index) Next(q *Query, excluded []Choice) (Choice, bool) {
	now := q.Now.UnixNano()
	if c := q.Controls; c != nil && len(c.Only) > 0 {
		return x.nextOnly(q, excluded, now)
	}
	view := x.view(q)
	if len(view) > gathered && q.Near != 1 {
		if q.balanced() {
			if at, ok := x.acquaintance(q, excluded, now); ok {
				return at, true
			}
		}
		if at, ok := x.sample(q, view, excluded, now); ok {
			return at, true
		}
	}
	return x.gather(q, view, excluded, now)
}

// allows says whether the offer can serve the query at all.
func (x *Index) allows(q *Query, at Choice) bool {
	e := &x.entries[at]
	return (e.MaxContext == 0 || q.Prompt+q.Completion <= uint64(e.MaxContext)) && q.Controls.permits(e)
}

// tier says whether an offer may serve now.
func (x *Index) tier(q *Query, at Choice, excluded []Choice, now int64) int {
	e := &x.entries[at]
	switch {
	case tried(excluded, at), !x.allows(q, at), !e.Lane.Provider.usable(now):
		return barred
	case e.Lane.Provider.resting(now):
		return resting
	case e.full(now):
		return full
	}
	return free
}

func (x *Index) candidate(q *Query, at Choice, now int64, cached uint64) candidate {
	e := &x.entries[at]
	score := x.score(q, e, now, cached)
	return candidate{at, score, score * (1 + e.load(now))}
}

// sample draws from those at the head of the order. While fewer than three in four
// of those drawn have a free slot it widens its view: where the best are taken, what
// is said of the last free ones is out of date before it arrives.
func (x *Index) sample(q *Query, view []ranked, excluded []Choice, now int64) (Choice, bool) {
	window, bound := x.window(q, view, excluded, now)
	for {
		var found [4]candidate
		n, seen, open := 0, 0, 0
		for range draws {
			at := view[draw(q.Random, window)].at
			tier := x.tier(q, at, excluded, now)
			if tier == barred || tier == resting {
				continue
			}
			seen++
			if tier != free {
				continue
			}
			open++
			if n == 2 || n == 1 && found[0].at == at {
				continue
			}
			if c := x.candidate(q, at, now, 0); c.score <= bound {
				found[n] = c
				n++
			}
			if n == 2 && open == seen && seen >= draws/2 {
				break // there is room enough
			}
		}
		if whole := window == len(view); n > 0 && (whole || 4*open >= 3*seen) {
			n = x.acquainted(q, &found, n, excluded, now)
			return least(found[:n]), true
		} else if whole {
			return 0, false
		}
		window, bound = min(2*window, len(view)), math.Inf(1)
	}
}

// acquainted adds to the candidates one whom this gateway knows to be good, unless
// the query is one that goes to strangers for their own sake, and the one that has
// the prompt in its cache.
func (x *Index) acquainted(q *Query, found *[4]candidate, n int, excluded []Choice, now int64) int {
	if len(x.known) > 0 && !q.balanced() {
		if at := x.known[draw(q.Random, len(x.known))]; x.tier(q, at, excluded, now) == free {
			found[n] = x.candidate(q, at, now, 0)
			n++
		}
	}
	if c, ok := x.familiar(q, excluded, now); ok {
		found[n] = c
		n++
	}
	return n
}

// window is how much of an order is nearly as good as the best that can serve,
// and the score up to which that holds.
func (x *Index) window(q *Query, view []ranked, excluded []Choice, now int64) (int, float64) {
	for i, r := range view[:anchors] {
		if x.tier(q, r.at, excluded, now) != free {
			continue
		}
		key := r.key * float32(q.near())
		low, high := i+1, len(view)
		for low < high {
			if mid := (low + high) / 2; view[mid].key <= key {
				low = mid + 1
			} else {
				high = mid
			}
		}
		if least := i + max(atLeast, len(view)/crowd); q.sort() == Balanced && q.Near == 0 && low < least {
			return min(least, len(view)), math.Inf(1)
		}
		return low, x.candidate(q, r.at, now, 0).score * q.near()
	}
	return 2 * anchors, math.Inf(1)
}

// gather looks at offers one by one, the best first, until it has enough of
// those with a free slot, and chooses among the best tier that it met.
func (x *Index) gather(q *Query, view []ranked, excluded []Choice, now int64) (Choice, bool) {
	var found [gathered]candidate
	n, best := 0, barred
	for _, r := range view {
		n, best = x.collect(q, r.at, excluded, now, &found, n, best)
		if n == gathered && best == free {
			break
		}
	}
	return x.among(q, found[:n], best, excluded, now)
}

// nextOnly chooses among those whom the request names.
func (x *Index) nextOnly(q *Query, excluded []Choice, now int64) (Choice, bool) {
	var found [gathered]candidate
	n, best := 0, barred
	for _, provider := range q.Controls.Only {
		if at, known := x.byProvider[provider]; known {
			n, best = x.collect(q, at, excluded, now, &found, n, best)
		}
	}
	return x.among(q, found[:n], best, excluded, now)
}

// collect adds an offer to those found, which are all of the best tier met.
func (x *Index) collect(q *Query, at Choice, excluded []Choice, now int64, found *[gathered]candidate, n, best int) (int, int) {
	tier := x.tier(q, at, excluded, now)
	if tier > best || tier == barred {
		return n, best
	}
	if tier < best {
		n, best = 0, tier
	}
	if n < len(found) {
		found[n] = x.candidate(q, at, now, 0)
		n++
	}
	return n, best
}

// among draws two of those found that are nearly the best, and takes the less
// busy one.
func (x *Index) among(q *Query, found []candidate, tier int, excluded []Choice, now int64) (Choice, bool) {
	if len(found) == 0 {
		return 0, false
	}
	best := math.Inf(1)
	for _, c := range found {
		best = min(best, c.score)
	}
	equals := 0
	for i := range found {
		if found[i].score <= best*q.near() {
			found[i], found[equals] = found[equals], found[i]
			equals++
		}
	}
	first := draw(q.Random, equals)
	drawn := [3]candidate{found[first]}
	n := 1
	if equals > 1 {
		second := draw(q.Random, equals-1)
		if second >= first {
			second++
		}
		drawn[n] = found[second]
		n++
	}
	if c, ok := x.familiar(q, excluded, now); ok && tier == free {
		drawn[n] = c
		n++
	}
	return least(drawn[:n]), true
}

// familiar is the provider that has most of the prompt in its cache already, if
// it has a free slot.
func (x *Index) familiar(q *Query, excluded []Choice, now int64) (candidate, bool) {
	if q.Affinity == nil {
		return candidate{}, false
	}
	for i := len(q.Prefixes) - 1; i >= 0; i-- {
		lane, proved := q.Affinity.find(q.Prefixes[i])
		if lane == nil {
			continue
		}
		at, known := x.byProvider[lane.Provider.Address]
		if !known || x.entries[at].Lane != lane || x.tier(q, at, excluded, now) != free {
			continue
		}
		cached := uint64(0)
		if proved {
			cached = min(q.Prompt, PrefixTokens(i))
		}
		return x.candidate(q, at, now, cached), true
	}
	return candidate{}, false
}

// least is the candidate with the lowest final score.
func least(list []candidate) Choice {
	best := 0
	for i := range list {
		if list[i].final < list[best].final {
			best = i
		}
	}
	return list[best].at
}

// draw is a number below n.
func draw(r rand.Source, n int) int {
	high, _ := bits.Mul64(r.Uint64(), uint64(n))
	return int(high)
}
