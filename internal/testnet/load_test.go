package testnet

import (
	"context"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// One payer's streams at many providers on one balance: every answer is whole,
// grants are renewed under way, and the money adds up. `make load` runs it with
// 1,000 streams at 50 providers.
func TestManyStreamsOnOneBalance(t *testing.T) {
	streams, each, s := 120, 3, size{providers: 8, cap: 5_000, pace: 4 * time.Millisecond, exposure: 1_000}
	if os.Getenv("KOINON_LOAD") != "" {
		streams, s.providers, s.cap, s.pace = 1_000, 50, 10_000, 50*time.Millisecond
	}
	s.slots = streams/s.providers + 1 // so that it takes every provider
	m := newMarket(t, s)
	var wg sync.WaitGroup
	var most, now atomic.Int64
	begun := time.Now()
	for range streams {
		wg.Go(func() {
			for range each {
				if n := now.Add(1); n > most.Load() {
					most.Store(n)
				}
				if got, err := m.ask(context.Background(), 40); err != nil || got != 40 {
					t.Errorf("%d of 40 letters: %v", got, err)
				}
				now.Add(-1)
			}
		})
	}
	wg.Wait()
	took := time.Since(begun)
	m.closeShops()
	m.settled()
	grants := 0
	for _, one := range m.shops {
		if m.ledger.activated[one.address] == 0 {
			t.Errorf("%s served nobody", one.address)
		}
		grants += m.ledger.activated[one.address]
	}
	if grants <= len(m.shops) {
		t.Errorf("%d grants at %d providers: none was renewed", grants, len(m.shops))
	}
	t.Logf("%d answers, up to %d at once, at %d providers on %d grants in %s", streams*each, most.Load(), len(m.shops), grants, took.Round(time.Millisecond))
}

// While the ledger answers nobody, providers go on serving what they know to be
// covered and no payer beyond its exposure; when it is back, they catch up.
func TestTheLedgerStalls(t *testing.T) {
	const exposure = 300
	length := 2 * time.Second
	if os.Getenv("KOINON_LOAD") != "" {
		length = time.Minute
	}
	m := newMarket(t, size{providers: 3, cap: 20_000, pace: time.Millisecond, exposure: exposure})
	if got, err := m.ask(context.Background(), 10); err != nil || got != 10 { // one provider has an active grant
		t.Fatalf("%d letters: %v", got, err)
	}
	m.eventually("a grant to be active", func() bool {
		m.ledger.mu.Lock()
		defer m.ledger.mu.Unlock()
		return len(m.ledger.grants) > 0
	})
	resume := m.ledger.stall()
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	var whole atomic.Int64
	var wg sync.WaitGroup
	for i := range 12 { // most will wait at a provider that may serve no more
		wg.Go(func() {
			for ctx.Err() == nil {
				if got, err := m.ask(ctx, 10, m.shops[i%len(m.shops)].address); err == nil && got == 10 {
					whole.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if whole.Load() == 0 {
		t.Error("nothing was served on the grant that the ledger had")
	}
	reached := 0
	for _, one := range m.shops {
		served := one.engine.served.Load()
		if m.ledger.activated[one.address] > 0 {
			continue
		}
		if served > exposure {
			t.Errorf("%s served %d ucredit on the strength of nothing, at most %d may be", one.address, served, exposure)
		}
		if served > exposure/2 {
			reached++
		}
	}
	if reached == 0 {
		t.Error("no provider came near its limit: the test shows nothing")
	}
	resume()
	for range 20 {
		if got, err := m.ask(context.Background(), 40); err != nil || got != 40 {
			t.Errorf("after the stall: %d letters, %v", got, err)
		}
	}
	m.closeShops()
	m.audit(24) // tickets for callers who left
	if !strings.Contains(m.log.String(), "activation failed, grants stay within their exposure") {
		t.Error("no log line says that the ledger was away")
	}
}
