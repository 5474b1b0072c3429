package route

import (
	"slices"
	"sync"
	"time"
)

// Waits are the latest times to a first token of one model version, whoever
// served. It is safe for concurrent use.
type Waits struct {
	mu   sync.Mutex
	ring [64]time.Duration
	next int // where the next one goes
	held int
}

// leastWaits is how many say what is usual.
const leastWaits = 20

// Note adds a wait in place of the oldest.
func (w *Waits) Note(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ring[w.next] = d
	w.next = (w.next + 1) % len(w.ring)
	w.held = min(w.held+1, len(w.ring))
}

// P95 is what nineteen in twenty waits did not exceed; false while too few are
// known.
func (w *Waits) P95() (time.Duration, bool) { return w.percentile(95) }

// Median is what half of the waits did not exceed; false while too few are known.
func (w *Waits) Median() (time.Duration, bool) { return w.percentile(50) }

func (w *Waits) percentile(p int) (time.Duration, bool) {
	w.mu.Lock()
	sorted := w.ring
	n := w.held
	w.mu.Unlock()
	if n < leastWaits {
		return 0, false
	}
	slices.Sort(sorted[:n])
	return sorted[n*p/100], true
}
