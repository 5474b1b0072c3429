package route

import "time"

// A stranger is a provider that this gateway has not measured: what it says of
// itself is all there is. So strangers get a bounded share of the first tries, as
// many slots as one may trust a word for, and less patience than others.
const (
	// samples is how many measurements make an acquaintance.
	samples = 2.5
	// oneIn is how often a gateway that knows enough providers tries a stranger.
	oneIn = 8
	// enough is how many providers it has to know for that.
	enough = 4
	// trusted is the most slots that a stranger's load is spread over.
	trusted = 2
	// A stranger may take so many times what nineteen in twenty first tokens took,
	// and not less than leastPatience; while too few are known, firstPatience.
	patienceTimes = 4
	leastPatience = 2 * time.Second
	firstPatience = 8 * time.Second
)

// stranger says whether this gateway has hardly measured the lane.
func (l *Lane) stranger() bool {
	m := l.measured.Load()
	return m == nil || m.weight < samples
}

// Patience is how long to wait for a first token from a lane, where a request can
// go elsewhere after it: limit, and less for a stranger.
func Patience(l *Lane, w *Waits, limit time.Duration) time.Duration {
	if !l.stranger() {
		return limit
	}
	usual, known := w.P95()
	if !known {
		return min(limit, firstPatience)
	}
	return min(limit, max(leastPatience, patienceTimes*usual))
}

// acquaintance is the better of two that this gateway knows to be good and that
// have a free slot; false if it knows too few, or now and then, for a stranger's
// sake.
func (x *Index) acquaintance(q *Query, excluded []Choice, now int64) (Choice, bool) {
	if len(x.known) < enough || draw(q.Random, oneIn) == 0 {
		return 0, false
	}
	var found [4]candidate
	n := 0
	for range draws {
		at := x.known[draw(q.Random, len(x.known))]
		if x.tier(q, at, excluded, now) != free || n == 1 && found[0].at == at {
			continue
		}
		found[n] = x.candidate(q, at, now, 0)
		if n++; n == 2 {
			break
		}
	}
	if n == 0 {
		return 0, false
	}
	if c, ok := x.familiar(q, excluded, now); ok {
		found[n] = c
		n++
	}
	return least(found[:n]), true
}
