package main

import (
	"math"
	"slices"
	"time"
)

// percentile is the value below which a share p of the values lies, 0 ≤ p ≤ 1,
// interpolated between neighbours; NaN of nothing. The values need no order.
func percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := p * float64(len(sorted)-1)
	below := int(math.Floor(at))
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (at-float64(below))*(sorted[above]-sorted[below])
}

// median is the middle value.
func median(values []float64) float64 { return percentile(values, 0.5) }

// medianInterval holds the true median with a confidence of 95 %, whatever the
// distribution: the values at ranks n/2 ± 1.96·√n/2, as how many values fall
// below the true median is binomial.
func medianInterval(values []float64) (low, high float64) {
	if len(values) == 0 {
		return math.NaN(), math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	n := float64(len(sorted))
	half := 1.96 * math.Sqrt(n) / 2
	first := int(math.Floor(n/2-half)) - 1
	last := int(math.Ceil(n/2 + half))
	return sorted[max(0, first)], sorted[min(len(sorted)-1, last)]
}

// spread is the middle of several runs, and how far they lie apart.
type spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Runs   int     `json:"runs"`
}

// spreadOf sums up runs, of which there must be one.
func spreadOf(runs []float64) spread {
	return spread{median(runs), slices.Min(runs), slices.Max(runs), len(runs)}
}

// tail is the middle of many requests, and what the slowest come to.
type tail struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
}

func tailOf(values []float64) tail { return tail{median(values), percentile(values, 0.95)} }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
