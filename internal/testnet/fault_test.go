package testnet

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A provider dies in the middle of its answers and another slows down until nothing
// comes: those that are left say the rest, so that no client notices, nobody pays
// for what never came, and the log says who failed, and how.
func TestProvidersDieAndHang(t *testing.T) {
	m := newMarket(t, size{providers: 4, cap: 50_000, pace: 2 * time.Millisecond, exposure: 10_000, patience: 2 * time.Second})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var whole, broken atomic.Int64
	var wg sync.WaitGroup
	for range 24 {
		wg.Go(func() {
			for ctx.Err() == nil {
				got, err := m.ask(context.Background(), 30)
				if err == nil && got == 30 {
					whole.Add(1)
				} else {
					broken.Add(1)
				}
			}
		})
	}
	m.eventually("every provider to serve", func() bool {
		for _, one := range m.shops {
			if one.engine.served.Load() == 0 {
				return false
			}
		}
		return true
	})
	m.shops[0].die()
	m.shops[1].engine.hang.Store(true)
	before := whole.Load()
	m.eventually("others to go on", func() bool { return whole.Load() > before+50 })
	m.eventually("the log to say who failed, and how", func() bool {
		return m.logged("provider failed", m.shops[0].address, "the stream broke off") && m.logged("provider failed", m.shops[1].address, "silent for too long")
	})
	m.shops[1].engine.hang.Store(false)
	cancel()
	wg.Wait()
	m.closeShops()
	m.audit(24) // at most one of each answer under way
	if broken.Load() > 0 {
		t.Errorf("%d answers, %d broken off", whole.Load(), broken.Load())
	}
}
