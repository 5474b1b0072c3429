package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/koinon/koinon/internal/machine"
)

// What an idle network may take.
const (
	idleCPUTarget    = 10.0 // % of one core
	idleMemoryTarget = 1 << 30
)

// idleCost is what a network takes that nobody uses.
type idleCost struct {
	Seconds    float64 `json:"seconds"`
	CPUPercent float64 `json:"cpu_percent_of_a_core"`
	CPUTarget  float64 `json:"cpu_target"`
	CPUOK      bool    `json:"cpu_ok"`
	// RSS is the most resident memory seen in that time.
	RSS       uint64 `json:"rss_bytes"`
	RSSTarget uint64 `json:"rss_target_bytes"`
	RSSOK     bool   `json:"rss_ok"`
}

// measureIdle lets a network that has just started settle, and then watches it.
func measureIdle(ctx context.Context, n *network, quick bool, progress func(string, ...any)) (*idleCost, error) {
	settle, length := 10*time.Second, 30*time.Second
	if quick {
		settle, length = 3*time.Second, 10*time.Second
	}
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		return nil, fmt.Errorf("this system has no /proc to read from: leave the section out with --only (%w)", err)
	}
	pid := n.process.Process.Pid
	progress("letting the network settle for %s", settle)
	if err := pause(ctx, settle); err != nil {
		return nil, err
	}
	progress("watching the idle network for %s", length)
	before, err := machine.ProcessTime(pid)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	var most uint64
	for time.Since(began) < length {
		rss, err := residentMemory(pid)
		if err != nil {
			return nil, err
		}
		most = max(most, rss)
		if err := pause(ctx, min(time.Second, length-time.Since(began))); err != nil {
			return nil, err
		}
	}
	after, err := machine.ProcessTime(pid)
	if err != nil {
		return nil, err
	}
	took := time.Since(began).Seconds()
	cpu := 100 * (after - before).Seconds() / took
	return &idleCost{
		Seconds: took, CPUPercent: cpu, CPUTarget: idleCPUTarget, CPUOK: cpu < idleCPUTarget,
		RSS: most, RSSTarget: idleMemoryTarget, RSSOK: most < idleMemoryTarget,
	}, nil
}

// residentMemory is in bytes.
func residentMemory(pid int) (uint64, error) {
	return machine.Bytes(fmt.Sprintf("/proc/%d/status", pid), "VmRSS")
}

// pause waits, unless the run is interrupted.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
