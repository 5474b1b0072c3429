package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/rows"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/engine/trace"
	"github.com/koinon/koinon/internal/machine"
	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/receipt"
)

// replayed is what it takes to check every leaf of an answer, beside generating it,
// to make the leaves, and to lay the last step open for a dispute, in seconds.
type replayed struct {
	Tokens     int     `json:"tokens"`
	Generating float64 `json:"generating_seconds"`
	Replaying  float64 `json:"replaying_seconds"`
	Committing float64 `json:"committing_seconds"`
	Tracing    float64 `json:"tracing_seconds"`
}

// longer writes a model's file again with a context for the longest answer.
func (o options) longer(path string) (string, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	const key = "llama.context_length"
	w := gguf.Rewrite(f, key)
	w.Uint32(key, uint32(o.prompt+slices.Max(o.lengths)+1))
	for _, t := range f.Tensors() {
		w.Copy(t)
	}
	copied := filepath.Join(o.cache, "longer.gguf")
	out, err := os.Create(copied)
	if err != nil {
		return "", err
	}
	buffered := bufio.NewWriter(out)
	_, err = w.WriteTo(buffered)
	if err := errors.Join(err, buffered.Flush(), out.Close()); err != nil {
		return "", fmt.Errorf("cannot write %s: %w", copied, err)
	}
	return copied, nil
}

// replays measures answers of all lengths.
func (o options) replays(ctx context.Context, path string) (list []replayed, err error) {
	copied, err := o.longer(path)
	if err != nil {
		return nil, err
	}
	m, err := engine.Load(copied)
	if err != nil {
		return nil, err
	}
	registered, err := rows.Open(copied)
	if err != nil {
		return nil, err
	}
	defer registered.Close()
	for _, n := range o.lengths {
		fmt.Fprintf(os.Stderr, "answers of %d tokens …\n", n)
		v, err := o.replay(ctx, &trace.Case{Model: m, Rows: registered, Threads: o.threads}, n)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// replay generates answers of so many tokens and checks them, in turns.
func (o options) replay(ctx context.Context, c *trace.Case, n int) (v replayed, err error) {
	m := c.Model
	v = replayed{Generating: math.Inf(1), Replaying: math.Inf(1)}
	for round := range o.rounds {
		r := engine.Request{MaxTokens: n, Sampling: sampling.Params{Temperature: 0.8, TopP: 0.95, Seed: uint64(round), Bias: never(m)}}
		for i := range o.prompt { // another one each time, so that nothing is cached
			r.Prompt = append(r.Prompt, int32((i*7919+round*104729+17)%m.Size()))
		}
		var output []int32
		var leaves []receipt.Digest
		generating, err := spent(func() error {
			_, err := engine.New(m, engine.Options{Threads: o.threads}).Generate(ctx, r, func(t engine.Token) error {
				output, leaves = append(output, t.ID), append(leaves, t.Leaf)
				return nil
			})
			return err
		})
		if err != nil {
			return v, err
		}
		var again engine.Replay
		replaying, err := spent(func() (err error) {
			again, err = m.Replay(ctx, r, output, o.threads)
			return err
		})
		if err != nil {
			return v, err
		}
		v.Generating, v.Replaying, v.Tokens = min(v.Generating, generating), min(v.Replaying, replaying), len(output)
		if !slices.Equal(again.Leaves, leaves) || !slices.Equal(again.Drawn, output) {
			return v, errors.New("an honest answer is not replayed: the engine does not agree with itself")
		}
		if round == 0 {
			if v.Tracing, err = open(c, r, output, leaves); err != nil {
				return v, err
			}
		}
	}
	v.Committing, err = committing(m, n)
	return v, err
}

// open lays an answer's last step open.
func open(c *trace.Case, r engine.Request, output []int32, leaves []receipt.Digest) (float64, error) {
	c.Prompt, c.Output, c.Bias, c.Receipt = r.Prompt, output, r.Sampling.Bias, receiptOf(r, output, leaves)
	return spent(func() error {
		t, err := trace.New(c, uint64(len(output)-1))
		if err == nil && t.Leaf() != leaves[len(leaves)-1] {
			err = errors.New("the trace of an honest answer has another leaf")
		}
		return err
	})
}

// spent is the processor time that this process takes for something, in seconds: it
// means the same on a busy machine.
func spent(do func() error) (float64, error) {
	runtime.GC() // what was before is not counted
	before, err := machine.ProcessTime(os.Getpid())
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := machine.ProcessTime(os.Getpid())
	return (after - before).Seconds(), err
}

// never keeps an answer from ending early.
func never(m *engine.Model) (list []sampling.Bias) {
	for id := range int32(m.Size()) {
		if m.EndsText(id) {
			list = append(list, sampling.Bias{Token: id, Value: -sampling.MaxBias})
		}
	}
	return list
}

// committing is the time that the leaves of so many steps take by themselves: the
// digest of the logits, and the folds. They are made many times, as processor time is
// counted in hundredths of a second.
func committing(m *engine.Model, n int) (float64, error) {
	const times = 200
	d := m.Decoder()
	logits, state := make([]float32, m.Size()), make([]float32, d.Dim)
	folds := make([]uint64, len(d.Layers))
	took, err := spent(func() error {
		for step := range times * n {
			for i := range folds {
				folds[i] = tensor.Fold(state)
			}
			receipt.Leaf(uint64(step), 0, receipt.Fold(tensor.Folds(nil, logits)), receipt.Fold(folds))
		}
		return nil
	})
	return took / times, err
}
