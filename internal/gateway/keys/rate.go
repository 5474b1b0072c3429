package keys

import (
	"sync"
	"time"

	"github.com/koinon/koinon/internal/gateway/store"
)

// Rates holds back keys that ask too often: each key has a bucket that holds its
// rate, which fills evenly and of which a request takes one.
type Rates struct {
	mu      sync.Mutex
	buckets map[string]*bucket
}

// bucket is written as the time at which it will be full again.
type bucket struct{ full time.Time }

// NewRates starts with full buckets.
func NewRates() *Rates { return &Rates{buckets: map[string]*bucket{}} }

// Allowance is what a key's rate has left after a request.
type Allowance struct {
	Limited   bool // the key has a rate
	OK        bool // the request may go on
	Limit     uint32
	Remaining uint32
	Reset     time.Duration // until the whole rate is there again
	Retry     time.Duration // until the next request may come, where this one may not
}

// Take counts one request of a key.
func (r *Rates) Take(key store.Key, now time.Time) Allowance {
	if key.Rate == 0 || key.RatePer <= 0 {
		return Allowance{OK: true}
	}
	each := key.RatePer / time.Duration(key.Rate) // a request's share of the time
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.buckets[key.ID]
	if b == nil {
		b = &bucket{full: now}
		r.buckets[key.ID] = b
	}
	if b.full.Before(now) {
		b.full = now
	}
	a := Allowance{Limited: true, Limit: key.Rate}
	if missing := b.full.Sub(now) + each - key.RatePer; missing > 0 {
		a.Retry = missing
	} else {
		a.OK = true
		b.full = b.full.Add(each)
	}
	a.Reset = b.full.Sub(now)
	a.Remaining = uint32(max(0, key.RatePer-a.Reset) / max(each, 1))
	return a
}
