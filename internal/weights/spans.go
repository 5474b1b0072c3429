package weights

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/koinon/koinon/receipt"
)

// spanBytes is how much is asked for at once: enough that asking costs nothing, little
// enough that what a lane loses with its source is soon asked for elsewhere.
const spanBytes = 32 << 20

// span is some missing leaves, first to end, that lie one behind the other.
type span struct{ first, end int }

// spans are the missing leaves, joined.
func (g *gathering) spans(missing []int) (list []span) {
	var bytes int
	for _, i := range missing {
		if n := len(list); n > 0 && list[n-1].end == i && bytes+g.leaves[i].size <= spanBytes {
			list[n-1].end++
			bytes += g.leaves[i].size
			continue
		}
		list = append(list, span{i, i + 1})
		bytes = g.leaves[i].size
	}
	return list
}

// ranges fills a gathering from places that have the whole file.
type ranges struct {
	name  string // of the file, at each place
	lanes int    // how many read at once, one for each source at least; while some hash, others read
	limit *rate.Limiter
	stall time.Duration
	got   func(bytes int) // counts what came

	mu   sync.Mutex
	todo []span
}

// run fetches missing leaves from all sources at once and returns those that none of
// them gave, with what was wrong with each that gave up. A source that sends other
// bytes than its blocks' is left at once: nothing of it is kept.
func (r *ranges) run(ctx context.Context, g *gathering, missing []int, sources []*plain) ([]int, error) {
	r.todo = g.spans(missing)
	each := max(1, r.lanes/max(1, len(sources)))
	failures := make([]error, len(sources)*each)
	var wait sync.WaitGroup
	for n, source := range sources {
		alone, cancel := context.WithCancel(ctx) // one lane's failure ends its source's others
		defer cancel()
		for lane := range each {
			wait.Go(func() {
				if err := r.lane(alone, g, source); err != nil {
					failures[n*each+lane] = err
					cancel()
				}
			})
		}
	}
	wait.Wait()
	var left []int
	for _, i := range missing {
		if !g.got(i) {
			left = append(left, i)
		}
	}
	return left, errors.Join(failures...)
}

// lane takes spans until none is left or its source fails.
func (r *ranges) lane(ctx context.Context, g *gathering, source *plain) error {
	data := make([]byte, chunkSize)
	for {
		r.mu.Lock()
		if len(r.todo) == 0 {
			r.mu.Unlock()
			return nil
		}
		s := r.todo[0]
		r.todo = r.todo[1:]
		r.mu.Unlock()
		done, err := r.span(ctx, g, source, s, data)
		if err == nil {
			continue
		}
		if done < s.end {
			r.mu.Lock()
			r.todo = append([]span{{done, s.end}}, r.todo...)
			r.mu.Unlock()
		}
		return err
	}
}

// span reads one span, and says up to which leaf it came.
func (r *ranges) span(ctx context.Context, g *gathering, source *plain, s span, data []byte) (int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(r.stall, func() { cancel(fmt.Errorf("%w: no block arrived for %v", ErrUnavailable, r.stall)) })
	defer stall.Stop()
	last := g.leaves[s.end-1]
	body, err := source.open(ctx, r.name, uint64(g.leaves[s.first].offset), uint64(last.offset)+uint64(last.size))
	if err != nil {
		return s.first, broken(ctx, err)
	}
	defer body.Close()
	for i := s.first; i < s.end; i++ {
		l := g.leaves[i]
		if err := wait(ctx, r.limit, l.size); err != nil {
			return i, err
		}
		stall.Reset(r.stall)
		n, err := io.ReadFull(body, data[:l.size])
		r.got(n)
		if err != nil {
			return i, broken(ctx, fmt.Errorf("%w: %w", ErrUnavailable, err))
		}
		if receipt.Sum(data[:l.size]) != l.sum {
			return i, fmt.Errorf("%w: %s sent other bytes than block %s; nothing of them was kept", ErrMismatch, source.base, l.cid())
		}
		if err := g.put(i, data[:l.size]); err != nil {
			return i, err
		}
	}
	return s.end, nil
}

// broken is why a span ended: the context's cause, if that is it.
func broken(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
