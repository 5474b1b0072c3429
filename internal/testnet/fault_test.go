package testnet

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A provider dies in the middle of its answers and another hangs: who was being
// answered is told, everybody else is served by those that are left, and nobody
// pays for what never came.
func TestProvidersDieAndHang(t *testing.T) {
	m := newMarket(t, size{providers: 4, cap: 50_000, pace: 2 * time.Millisecond, exposure: 10_000})
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
	m.shops[1].engine.hang.Store(false)
	cancel()
	wg.Wait()
	if broken.Load() == 0 {
		t.Error("nobody noticed that a provider died: the test shows nothing")
	}
	m.closeShops()
	m.audit(24) // at most one of each answer that broke off
	t.Logf("%d answers, %d broken off", whole.Load(), broken.Load())
}
