package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// readyTarget is the longest that a start should take.
const readyTarget = 15 * time.Second

// startSpeed is the time from the program's start until it serves, in seconds.
type startSpeed struct {
	Fresh  spread `json:"fresh_seconds"`
	Resume spread `json:"resume_seconds"`
	// Target is the most that either should take.
	Target float64 `json:"target_seconds"`
	OK     bool    `json:"ok"`
}

// measureNetwork measures what needs a running network. Every cycle makes one,
// stops it and resumes it; the first is also what idles and answers.
func measureNetwork(ctx context.Context, o options, r *report, progress func(string, ...any)) error {
	cycles := 1
	if o.wants("start") && !o.quick {
		cycles = 3
	}
	var fresh, resumed []float64
	for cycle := range cycles {
		use := func(*network) error { return nil }
		if cycle == 0 {
			use = func(n *network) error { return useNetwork(ctx, o, n, r, progress) }
		}
		times, err := cycleNetwork(ctx, o, use, progress)
		if err != nil {
			return err
		}
		fresh = append(fresh, times[0].Seconds())
		if len(times) > 1 {
			resumed = append(resumed, times[1].Seconds())
		}
	}
	if o.wants("start") {
		s := &startSpeed{Fresh: spreadOf(fresh), Resume: spreadOf(resumed), Target: readyTarget.Seconds()}
		s.OK = max(s.Fresh.High, s.Resume.High) <= s.Target
		r.Start = s
	}
	return nil
}

// cycleNetwork starts a network in a new folder, uses it, stops it, and starts
// it again where the start is measured.
func cycleNetwork(ctx context.Context, o options, use func(*network) error, progress func(string, ...any)) (times []time.Duration, err error) {
	dir, err := os.MkdirTemp("", "koinon-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	home := filepath.Join(dir, "home")
	for _, again := range []bool{false, true} {
		if again && !o.wants("start") {
			break
		}
		if again {
			progress("starting the network again where it stopped")
		} else {
			progress("starting a new network")
		}
		n, err := startNetwork(ctx, o.binary, home)
		if err != nil {
			return nil, err
		}
		times = append(times, n.ready)
		if err := stopAfter(n, !again, use, progress); err != nil {
			return nil, err
		}
	}
	return times, nil
}

// stopAfter stops a network once it was used, even by a use that panics.
func stopAfter(n *network, used bool, use func(*network) error, progress func(string, ...any)) (err error) {
	defer func() {
		progress("stopping the network")
		err = errors.Join(err, n.stop())
	}()
	if !used {
		return nil
	}
	return use(n)
}

func useNetwork(ctx context.Context, o options, n *network, r *report, progress func(string, ...any)) (err error) {
	// Idle comes first: later there are open grants and redemptions.
	if o.wants("idle") {
		if r.Idle, err = measureIdle(ctx, n, o.quick, progress); err != nil {
			return fmt.Errorf("idle: %w", err)
		}
	}
	if o.wants("gateway") {
		if r.Gateway, err = measureGateway(ctx, n, o.quick, progress); err != nil {
			return fmt.Errorf("gateway: %w", err)
		}
	}
	return nil
}
