package p2p

import (
	"syscall"
	"testing"
	"time"
)

// BenchmarkIdle reports what three connected hosts cost when nobody talks, as a
// part of one core.
func BenchmarkIdle(b *testing.B) {
	hosts := make([]*Host, 3)
	for i := range hosts {
		hosts[i] = start(b, Config{})
	}
	for i, h := range hosts {
		if err := h.Connect(b.Context(), hosts[(i+1)%3].Peer()); err != nil {
			b.Fatal(err)
		}
	}
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	for b.Loop() {
		const while = 20 * time.Second
		before := used()
		time.Sleep(while) // to measure idleness is to wait
		b.ReportMetric(100*(used()-before).Seconds()/while.Seconds(), "%core")
	}
}
