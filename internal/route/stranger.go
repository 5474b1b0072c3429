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
	// Anyone may take sixteen times what half of the first tokens took, and not less
	// than five seconds; a stranger eight times, and two. While too few are known, a
	// stranger may take eight seconds.
	times, leastPatience           = 16, 5 * time.Second
	strangersTimes, strangersLeast = 8, 2 * time.Second
	strangersFirst                 = 8 * time.Second
	// reading is a slow machine's time for each token of the prompt, which comes to it.
	reading = 5 * time.Millisecond
)

// stranger says whether this gateway has hardly measured the lane.
func (l *Lane) stranger() bool {
	m := l.measured.Load()
	return m == nil || m.weight < samples
}

// Patience is how long to wait for a first token from a lane, to a prompt of so many
// tokens, where a request can go elsewhere after it: at most limit, by what is usual,
// and less for a stranger.
func Patience(l *Lane, w *Waits, prompt int, limit time.Duration) time.Duration {
	usual, known := w.Median()
	read := time.Duration(min(prompt, 1<<20)) * reading
	switch stranger := l.stranger(); {
	case known && stranger:
		return min(limit, read+max(strangersLeast, strangersTimes*usual))
	case known:
		return min(limit, read+max(leastPatience, times*usual))
	case stranger:
		return min(limit, read+strangersFirst)
	}
	return limit
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
