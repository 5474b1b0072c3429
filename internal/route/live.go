package route

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Reach is what is known of whether a provider answers.
type Reach int32

// The values of [Reach].
const (
	Unknown Reach = iota // not probed yet: tried after those that are known to live
	Live
	Dead // not chosen until a probe succeeds
)

// failureWindow is how long a failure counts.
const failureWindow = 30 * time.Second

// maxFailures is how many failures of one window are remembered.
const maxFailures = 8

// Provider is what this gateway knows of one provider now. It is safe for
// concurrent use, and reading it takes no lock.
type Provider struct {
	Address string // of its account

	reach     atomic.Int32
	suspended atomic.Int64 // until when, Unix ns: after a false receipt
	busy      atomic.Int64 // until when: it said that it is full
	answered  atomic.Int64 // when it last gave a first token
	failures  [maxFailures]atomic.Int64
	failed    atomic.Uint32 // failures in all: the next one's place
	report    atomic.Pointer[Report]
}

// Report is what a provider last said of itself. It may lie, so what it says is
// believed only where that makes it look worse than its peers.
type Report struct {
	At     int64   // when this gateway heard it, Unix ns
	Queue  uint32  // requests that wait
	Active uint32  // requests that run
	Rate   float64 // tokens a second of one stream; 0 if it does not say
	Paused bool    // takes no new requests: paused or draining
}

// reportLife is how long a report says anything.
const reportLife = 30 * time.Second

// SetReach notes whether a probe or a dial found the provider. One that is back
// starts anew.
func (p *Provider) SetReach(r Reach) {
	if Reach(p.reach.Swap(int32(r))) == Dead && r == Live {
		for i := range p.failures {
			p.failures[i].Store(0)
		}
		p.busy.Store(0)
	}
}

// Reach is what the last probe or dial found.
func (p *Provider) Reach() Reach { return Reach(p.reach.Load()) }

// Suspend leaves the provider out until then.
func (p *Provider) Suspend(until time.Time) { p.suspended.Store(until.UnixNano()) }

// Failed notes a failure before the first token or in the middle.
func (p *Provider) Failed(now time.Time) {
	p.failures[(p.failed.Add(1)-1)%maxFailures].Store(now.UnixNano())
}

// Busy notes that the provider had no place for a request.
func (p *Provider) Busy(until time.Time) { p.busy.Store(until.UnixNano()) }

// Hear takes a report in place of the last one. It must not change any more.
func (p *Provider) Hear(r *Report) { p.report.Store(r) }

// Heard is the provider's report if it is fresh, else nil.
func (p *Provider) Heard(now time.Time) *Report { return p.heard(now.UnixNano()) }

func (p *Provider) heard(now int64) *Report {
	if r := p.report.Load(); r != nil && now-r.At < int64(reportLife) {
		return r
	}
	return nil
}

// Usable says whether the provider may be chosen at all.
func (p *Provider) Usable(now time.Time) bool { return p.usable(now.UnixNano()) }

func (p *Provider) usable(now int64) bool {
	if Reach(p.reach.Load()) == Dead || now < p.suspended.Load() {
		return false
	}
	r := p.heard(now)
	return r == nil || !r.Paused
}

// recent counts the failures that still count, and says when the last one was.
func (p *Provider) recent(now int64) (count int, last int64) {
	if p.failed.Load() == 0 {
		return 0, 0
	}
	for i := range p.failures {
		if at := p.failures[i].Load(); at != 0 && now-at < int64(failureWindow) {
			count++
			last = max(last, at)
		}
	}
	return count, last
}

// restsUntil is until when it is better to try others: a second after one
// failure, twice as long after each further one. A first token ends the rest,
// though the failures still count in the score.
func (p *Provider) restsUntil(now int64) int64 {
	count, last := p.recent(now)
	if count == 0 || p.answered.Load() > last {
		return 0
	}
	return last + int64(min(failureWindow, time.Second<<min(count-1, 5)))
}

func (p *Provider) resting(now int64) bool {
	return Reach(p.reach.Load()) != Live || now < p.restsUntil(now)
}

// Lane is one provider's serving of one model version: what this gateway has in
// flight there, and what it has measured. It is safe for concurrent use, and
// reading it takes no lock.
type Lane struct {
	*Provider

	inFlight atomic.Int32
	silent   atomic.Int64 // since when a request has waited for its first token, Unix ns; 0 if none does
	measured atomic.Pointer[measure]
	writing  sync.Mutex // of measured: what was read is what is replaced
}

// NewLane is a lane of which nothing is known.
func NewLane(p *Provider) *Lane { return &Lane{Provider: p} }

// measure is what this gateway's own requests have seen, newer ones weighing
// more.
type measure struct {
	ttft    float64 // seconds to the first token
	rate    float64 // tokens a second after it; 0 while unknown
	service float64 // seconds from the request to its end; 0 while unknown
	weight  float64 // of all samples at the time of the last one
	at      int64   // of the last one, Unix ns
}

// How own measurements age.
const (
	halfLife    = 2 * time.Minute
	maxWeight   = 8   // of the past against a new sample: a change shows within a few
	ownAgainst1 = 4.0 // what one own sample weighs against the prior
)

// decayed is the weight that is left.
func (m *measure) decayed(now int64) float64 {
	return m.weight * math.Exp2(-float64(max(0, now-m.at))/float64(halfLife))
}

// Begin notes a request that is sent. [Lane.End] must follow.
func (l *Lane) Begin(now time.Time) {
	l.inFlight.Add(1)
	l.silent.CompareAndSwap(0, now.UnixNano())
}

// End notes that a request is over, however it went.
func (l *Lane) End() {
	if l.inFlight.Add(-1) == 0 {
		l.silent.Store(0)
	}
}

// waiting is how long, in seconds, a request has waited for its first token: what
// is known of a provider's speed before it has answered.
func (l *Lane) waiting(now int64) float64 {
	since := l.silent.Load()
	if since == 0 {
		return 0
	}
	return float64(now-since) / float64(time.Second)
}

// Silent notes that no first token came in so long a time.
func (l *Lane) Silent(now time.Time, waited time.Duration) {
	l.note(now, func(m *measure, keep float64) {
		m.ttft = m.ttft*keep + waited.Seconds()*(1-keep)
	})
}

// InFlight is the number of this gateway's requests that run there.
func (l *Lane) InFlight() int { return int(l.inFlight.Load()) }

// Answered notes a first token, so long after the request was sent.
func (l *Lane) Answered(now time.Time, ttft time.Duration) {
	l.reach.Store(int32(Live))
	l.answered.Store(now.UnixNano())
	l.silent.Store(0)
	l.note(now, func(m *measure, keep float64) {
		m.ttft = m.ttft*keep + ttft.Seconds()*(1-keep)
	})
}

// Finished notes a whole answer: so many tokens in the time since the first, and
// the time from the request to the end.
func (l *Lane) Finished(now time.Time, tokens int, sinceFirst, inAll time.Duration) {
	l.writing.Lock()
	defer l.writing.Unlock()
	m := l.measured.Load()
	if m == nil {
		return
	}
	next := *m
	const keep = 0.75
	blend := func(old, sample float64) float64 {
		if old == 0 {
			return sample
		}
		return old*keep + sample*(1-keep)
	}
	if tokens > 1 && sinceFirst > 0 {
		next.rate = blend(m.rate, float64(tokens-1)/sinceFirst.Seconds())
	}
	next.service = blend(m.service, inAll.Seconds())
	l.measured.Store(&next)
}

// note blends a sample into the measure: keep is the share of what was known.
func (l *Lane) note(now time.Time, blend func(m *measure, keep float64)) {
	l.writing.Lock()
	defer l.writing.Unlock()
	var next measure
	keep := 0.0
	if m := l.measured.Load(); m != nil {
		next = *m
		left := min(m.decayed(now.UnixNano()), maxWeight)
		keep = left / (left + 1)
		next.weight = left
	}
	next.weight++
	next.at = now.UnixNano()
	blend(&next, keep)
	l.measured.Store(&next)
}

// TTFT is the measured time to the first token; 0 while unknown.
func (l *Lane) TTFT() time.Duration {
	m := l.measured.Load()
	if m == nil {
		return 0
	}
	return time.Duration(m.ttft * float64(time.Second))
}

// Rate is the measured tokens a second of one stream; 0 while unknown.
func (l *Lane) Rate() float64 {
	m := l.measured.Load()
	if m == nil {
		return 0
	}
	return m.rate
}
