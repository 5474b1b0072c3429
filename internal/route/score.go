package route

import (
	"math"
	"time"
)

// How many seconds weigh as much as paying twice: of waiting for the first token,
// when nothing is to be seen, and of reading what comes.
const (
	patience = 2.0
	leisure  = 10.0
)

// usual is how long an answer mostly is, in tokens: the bound that a request
// sets is often the whole context.
const usual = 400

func expected(most uint64) uint64 { return min(most, usual) }

// score is what an offer is to a query: the less, the better. Cached is how
// many tokens of the prompt are known to be in the provider's cache.
func (x *Index) score(q *Query, e *entry, now int64, cached uint64) float64 {
	ttft, rate := x.estimate(e, now)
	if q.Prompt > 0 {
		ttft *= 1 - 0.9*float64(cached)/float64(q.Prompt)
	}
	var score float64
	switch q.sort() {
	case Latency:
		score = ttft
	case Throughput:
		score = 1 / rate
	case Price:
		score = cost(q, e, cached)
	default:
		score = cost(q, e, cached) * (1 + ttft/patience + float64(expected(q.Completion))/rate/leisure)
	}
	failures, _ := e.Lane.recent(now)
	return score * math.Ldexp(1, failures) * audited(e.Audit)
}

// cost is what the request will about cost, in ucredit, and one more, so that
// speed counts among those who take nothing.
func cost(q *Query, e *entry, cached uint64) float64 {
	reading := float64(q.Prompt-cached)*float64(e.Price.Input) + float64(cached)*float64(e.Price.CachedInput)
	return 1 + (reading+float64(expected(q.Completion))*float64(e.Price.Output))/1e6
}

// audited weighs the audit record: at worst it makes an offer half as dear
// again, and who has none stands between.
func audited(record float64) float64 {
	if record < 0 {
		return 1.1
	}
	return 1 + (1-min(1, record))/2
}

// estimate is the time to the first token in seconds and the tokens a second.
// Own measurements, as far as they are fresh, outweigh what is usual here. What
// the provider claims counts only where it is worse than that.
func (x *Index) estimate(e *entry, now int64) (ttft, rate float64) {
	ttft, rate = x.ttft, x.rate
	if r := e.Lane.heard(now); r != nil {
		if r.Rate > 0 {
			rate = min(rate, r.Rate)
		}
		ttft *= 1 + float64(r.Queue)/float64(max(1, e.Slots))
	}
	if m := e.Lane.measured.Load(); m != nil {
		own := ownAgainst1 * m.decayed(now)
		ttft = (own*m.ttft + ttft) / (own + 1)
		if m.rate > 0 {
			rate = (own*m.rate + rate) / (own + 1)
		}
	}
	return max(ttft, e.Lane.waiting(now), 1e-4), max(rate, 1e-2)
}

// used is how many of an offer's slots are taken: what this gateway sees itself,
// or what the provider admits if that is more.
func (e *entry) used(now int64) int64 {
	used := int64(e.Lane.inFlight.Load())
	if r := e.Lane.heard(now); r != nil {
		used = max(used, int64(r.Active)+int64(r.Queue))
	}
	return used
}

// load is the share of the slots in use with one request more, above 1 where
// requests wait. One who has but one slot is a risk even while it is free: another
// gateway may be about to take it.
func (e *entry) load(now int64) float64 {
	slots := max(1, e.Slots)
	if e.Lane.stranger() {
		slots = min(slots, trusted)
	}
	return float64(e.used(now)+1) / float64(slots)
}

func (e *entry) full(now int64) bool {
	return now < e.Lane.busy.Load() || e.Slots > 0 && e.used(now) >= int64(e.Slots)
}

// Wait is how long it will take until an offer that the controls permit has a
// place for another request, judged by what is measured and reported; false if
// nothing is known. It looks at the best offers only.
func (x *Index) Wait(q *Query) (time.Duration, bool) {
	const look = 256
	now := q.Now.UnixNano()
	best, found := math.Inf(1), false
	view := x.view(q)
	for _, r := range view[:min(len(view), look)] {
		e := &x.entries[r.at]
		if !x.allows(q, r.at) || !e.Lane.Provider.usable(now) {
			continue
		}
		wait := 0.0
		if until := max(e.Lane.restsUntil(now), e.Lane.busy.Load()); until > now {
			wait = float64(until-now) / float64(time.Second)
		}
		if over := e.used(now) - int64(e.Slots) + 1; e.Slots > 0 && over > 0 {
			wait = max(wait, x.service(q, e, now)*float64(over)/float64(e.Slots))
		}
		best, found = min(best, wait), true
	}
	return time.Duration(best * float64(time.Second)), found
}

// service is how many seconds a request takes there.
func (x *Index) service(q *Query, e *entry, now int64) float64 {
	if m := e.Lane.measured.Load(); m != nil && m.service > 0 {
		return m.service
	}
	ttft, rate := x.estimate(e, now)
	return ttft + float64(expected(q.Completion))/rate
}
