package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// cell is one way under one load.
type cell struct {
	Way         string `json:"way"`
	Connections int    `json:"connections"`
	Stream      bool   `json:"stream"`
	// Times of whole answers, and until the first byte of them, in milliseconds.
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	First float64 `json:"first_p50_ms"`
	// Added is P50 above the direct way's.
	Added     float64 `json:"added_p50_ms"`
	PerSecond float64 `json:"requests_per_second"`
	Failed    int     `json:"failed"` // requests without a whole answer
	Problem   string  `json:"problem,omitempty"`
	// CPU is the processor time of each request, in microseconds: of what stands
	// in the middle, and of the provider behind it.
	CPU         float64 `json:"cpu_us"`
	ProviderCPU float64 `json:"provider_cpu_us,omitempty"`
	RSS         uint64  `json:"rss_bytes"`
	ProviderRSS uint64  `json:"provider_rss_bytes,omitempty"`
}

// measure takes every way under every load, the ways in turns, and keeps the
// middle of the rounds.
func (b *bench) measure(ctx context.Context, progress func(string, ...any)) ([]cell, error) {
	var cells []cell
	for _, stream := range []bool{false, true} {
		for _, connections := range b.connections {
			rounds := make([][]cell, len(b.ways))
			for round := range b.rounds {
				progress("%d connections, streaming %t, round %d of %d", connections, stream, round+1, b.rounds)
				for i, w := range b.ways {
					c, err := b.cell(ctx, w, connections, stream)
					if err != nil {
						err = fmt.Errorf("%s, %d connections, streaming %t: %w", w.name, connections, stream, err)
						for _, c := range w.children {
							err = fmt.Errorf("%w\n%s said: %s", err, c.name, c.said)
						}
						return nil, err
					}
					rounds[i] = append(rounds[i], c)
				}
			}
			direct := middle(rounds[0]).P50
			for i := range b.ways {
				c := middle(rounds[i])
				c.Added = c.P50 - direct
				cells = append(cells, c)
			}
		}
	}
	return cells, nil
}

// cell measures once, after a short while of the same load.
func (b *bench) cell(ctx context.Context, w way, connections int, stream bool) (cell, error) {
	l := load{target: w.target, connections: connections, stream: stream, tokens: b.mock.Tokens}
	length := time.Duration(b.seconds * float64(time.Second))
	if _, err := l.run(ctx, length/4); err != nil {
		return cell{}, err
	}
	before, err := w.cpu()
	if err != nil {
		return cell{}, err
	}
	o, err := l.run(ctx, length)
	if err != nil {
		return cell{}, err
	}
	after, err := w.cpu()
	if err != nil {
		return cell{}, err
	}
	c := cell{Way: w.name, Connections: connections, Stream: stream, PerSecond: float64(len(o.samples)) / o.took.Seconds(), Failed: o.failed}
	if o.last != nil {
		c.Problem = o.last.Error()
	}
	var first, whole []float64
	for _, s := range o.samples {
		first, whole = append(first, milliseconds(s.first)), append(whole, milliseconds(s.whole))
	}
	c.P50, c.P99, c.First = percentile(whole, 0.5), percentile(whole, 0.99), percentile(first, 0.5)
	cpu := []*float64{&c.CPU, &c.ProviderCPU}
	rss := []*uint64{&c.RSS, &c.ProviderRSS}
	for i, child := range w.children {
		*cpu[i] = float64((after[i] - before[i]).Microseconds()) / float64(len(o.samples))
		if *rss[i], err = child.memory(); err != nil {
			return cell{}, err
		}
	}
	return c, nil
}

// cpu is the processor time of a way's processes.
func (w way) cpu() ([]time.Duration, error) {
	times := make([]time.Duration, len(w.children))
	for i, c := range w.children {
		var err error
		if times[i], err = c.cpu(); err != nil {
			return nil, err
		}
	}
	return times, nil
}

// middle is the round of the median throughput, whole: its numbers belong
// together.
func middle(rounds []cell) cell {
	sorted := slices.Clone(rounds)
	slices.SortFunc(sorted, func(a, b cell) int {
		switch {
		case a.PerSecond < b.PerSecond:
			return -1
		case a.PerSecond > b.PerSecond:
			return 1
		}
		return 0
	})
	return sorted[len(sorted)/2]
}

// percentile is the value below which a share p of the values lies; NaN of
// nothing.
func percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(math.Round(p*float64(len(sorted)-1)))]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
