package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/koinon/koinon/internal/engine"
)

// prefillTokens is the length of the prompt that is timed.
const prefillTokens = 512

// noLimit lets a run take as long as it takes.
const noLimit = time.Hour

// workload is what both engines compute of one file.
type workload struct {
	batch, threads int
	prompt         int // tokens of each text before any is decoded
	steps          int // tokens decoded of each text
	runs           int
}

// length is the room that each text needs.
func (w workload) length() int { return w.prompt + w.steps }

// rates are tokens per second, medians of runs that took turns, and their ratio:
// the median of the runs' own, so that what slows the machine for a while slows
// both sides of it.
type rates struct {
	Koinon   float64 `json:"koinon"`
	LlamaCpp float64 `json:"llama_cpp"`
	Ratio    float64 `json:"ratio"`
}

// comparison is one file with one workload.
type comparison struct {
	Size    string `json:"size"`
	Format  string `json:"format"`
	Batch   int    `json:"batch"`
	Threads int    `json:"threads"`
	Prefill *rates `json:"prefill_tokens_per_second,omitempty"`
	Decode  rates  `json:"decode_tokens_per_second"`
}

// workloads are what is measured of a shape with so many threads.
func workloads(s shape, threads int) []workload {
	steps, runs := 32, 5
	if s.parameters() > 200e6 {
		steps, runs = 8, 3
	}
	return []workload{
		{batch: 1, threads: threads, prompt: prefillTokens, steps: steps, runs: runs},
		{batch: 8, threads: threads, prompt: 4, steps: steps, runs: runs},
		{batch: 32, threads: threads, prompt: 4, steps: steps / 2, runs: runs},
	}
}

// compare measures one workload with both engines in turns, after a run that
// does not count.
func compare(ctx context.Context, m *engine.Model, libraries, path string, w workload) (c comparison, err error) {
	peer, err := startLlamaCpp(ctx, libraries, path, w)
	if err != nil {
		return c, err
	}
	defer peer.stop()
	pace, err := m.NewPace(w.batch, w.length(), w.threads)
	if err != nil {
		return c, err
	}
	var prefill, decode ratesOf
	for run := range w.runs + 1 {
		ours, err := pace.Prefill(w.prompt, noLimit)
		if err != nil {
			return c, err
		}
		theirs, err := peer.run("prefill", w.batch*w.prompt)
		if err != nil {
			return c, err
		}
		prefill.add(run, w.batch*w.prompt, ours.Time, theirs)
		if ours, err = pace.Decode(w.steps, noLimit); err != nil {
			return c, err
		}
		if theirs, err = peer.run("decode", w.steps); err != nil {
			return c, err
		}
		decode.add(run, w.batch*w.steps, ours.Time, theirs)
	}
	c = comparison{Batch: w.batch, Threads: w.threads, Decode: decode.sum()}
	if w.prompt == prefillTokens {
		p := prefill.sum()
		c.Prefill = &p
	}
	return c, nil
}

// ratesOf are the runs of one measurement.
type ratesOf struct{ koinon, llamaCpp, ratio []float64 }

// add takes a run; the first warms up.
func (r *ratesOf) add(run, tokens int, ours, theirs time.Duration) {
	if run == 0 {
		return
	}
	k, l := float64(tokens)/ours.Seconds(), float64(tokens)/theirs.Seconds()
	r.koinon, r.llamaCpp, r.ratio = append(r.koinon, k), append(r.llamaCpp, l), append(r.ratio, k/l)
}

func (r *ratesOf) sum() rates { return rates{median(r.koinon), median(r.llamaCpp), median(r.ratio)} }

// median is the middle value, of an even number the upper one of two.
func median(values []float64) float64 { return slices.Sorted(slices.Values(values))[len(values)/2] }

// below says what a comparison falls short of: decoding as fast as llama.cpp and
// prefilling 0.8 times as fast, from 50 million parameters on; and 0.6 anywhere.
func (c comparison) below() string {
	decode, prefill := 1.0, 0.8
	if c.Size == shapes[0].name {
		decode, prefill = 0.6, 0.6
	}
	switch {
	case c.Decode.Ratio < 0.6 || c.Prefill != nil && c.Prefill.Ratio < 0.6:
		return "below 0.6"
	case c.Decode.Ratio < decode || c.Prefill != nil && c.Prefill.Ratio < prefill:
		return "below the aim"
	}
	return ""
}

func (r *rates) String() string {
	if r == nil {
		return "              "
	}
	return fmt.Sprintf("%8.1f %8.1f %5.2f", r.Koinon, r.LlamaCpp, r.Ratio)
}
