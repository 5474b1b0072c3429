package tensor

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Parallel calls do(0) … do(n-1), at most workers at a time. The order is not
// fixed: do must write only what belongs to its index.
func Parallel(n, workers int, do func(i int)) {
	workers = min(workers, n)
	if workers <= 1 {
		for i := range n {
			do(i)
		}
		return
	}
	j := &job{do: do, n: int64(n)}
	var room [16]*helper
	called := team.call(room[:0], workers-1, j)
	j.work()
	j.wait()
	team.dismiss(called, j)
}

// job is the indices of one call of Parallel. Who comes late finds none left,
// and touches nothing.
type job struct {
	do   func(i int)
	n    int64
	next atomic.Int64 // the first index that nobody took
	_    [48]byte     // or counting what is done would disturb who takes
	done atomic.Int64
}

// work does what is left to take.
func (j *job) work() {
	took := int64(0)
	for i := j.next.Add(1) - 1; i < j.n; i = j.next.Add(1) - 1 {
		j.do(int(i))
		took++
	}
	if took > 0 {
		j.done.Add(took)
	}
}

// wait returns when all that was taken is done.
func (j *job) wait() {
	for spins := 1; j.done.Load() != j.n; spins++ {
		if spins%1000 == 0 {
			runtime.Gosched() // the other may need this very processor
		}
	}
}

// team has the goroutines that help. A layer has a handful of products of some
// microseconds each: to start a goroutine for each, or to wake one, takes as long
// as they do, so who helped keeps looking for more for a while.
var team helpers

type helpers struct {
	start sync.Once
	mu    sync.Mutex
	idle  []*helper // who helped last is called first
}

// helper is one of them.
type helper struct {
	job    atomic.Pointer[job] // given by who called it, who may take it back
	asleep atomic.Bool
	wake   chan struct{}
}

// call gives a job to at most n helpers, appended to called.
func (t *helpers) call(called []*helper, n int, j *job) []*helper {
	t.start.Do(func() {
		for range max(3, runtime.NumCPU()-1) {
			h := &helper{wake: make(chan struct{}, 1)}
			t.idle = append(t.idle, h)
			go h.run()
		}
	})
	t.mu.Lock()
	from := max(0, len(t.idle)-n)
	called = append(called, t.idle[from:]...)
	t.idle = t.idle[:from]
	t.mu.Unlock()
	for _, h := range called {
		h.job.Store(j)
		if h.asleep.Swap(false) {
			select {
			case h.wake <- struct{}{}:
			default: // it wakes already
			}
		}
	}
	return called
}

// dismiss takes the job back from who has not begun; the others come back by
// themselves.
func (t *helpers) dismiss(called []*helper, j *job) {
	for _, h := range called {
		if h.job.CompareAndSwap(j, nil) {
			t.back(h)
		}
	}
}

func (t *helpers) back(h *helper) {
	t.mu.Lock()
	t.idle = append(t.idle, h)
	t.mu.Unlock()
}

// patience is how long a helper looks for work before it sleeps.
const patience = 50 * time.Microsecond

func (h *helper) run() {
	for {
		h.await().work()
		team.back(h)
	}
}

// await returns the next job.
func (h *helper) await() *job {
	for began := time.Now(); ; {
		for range 500 {
			if j := h.job.Load(); j != nil && h.job.CompareAndSwap(j, nil) {
				return j
			}
		}
		if time.Since(began) < patience {
			runtime.Gosched() // others may need this very processor
			continue
		}
		h.asleep.Store(true)
		if h.job.Load() == nil {
			<-h.wake
		}
		h.asleep.Store(false)
		began = time.Now()
	}
}
