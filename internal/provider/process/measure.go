package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/renameio/v2"

	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/provider/forecast"
	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/receipt"
)

const (
	// measureDecode is how long answers are generated to be timed.
	measureDecode = 3 * time.Second
	// measurePrompt is the length of the prompt that is timed, in tokens.
	measurePrompt = 256
)

// measured is a speed and what it was measured on.
type measured struct {
	Model    receipt.Digest `json:"model"`
	Upstream string         `json:"upstream,omitempty"`
	Kernel   string         `json:"kernel"`
	Threads  int            `json:"threads"`
	Slots    int            `json:"slots"`
	forecast.Speed
}

// speedOf is how fast an engine serves here. It is measured once and kept in
// home, so that a provider that starts again asks the same price.
func speedOf(ctx context.Context, c Config, model receipt.Digest, e provider.Engine) (forecast.Speed, error) {
	want := measured{Model: model, Upstream: c.Upstream, Kernel: tensor.Kernel(), Threads: c.Threads, Slots: c.Slots}
	file := filepath.Join(c.Home, "speed.json")
	if data, err := os.ReadFile(file); err == nil {
		var known measured
		if json.Unmarshal(data, &known) == nil && known.Prefill > 0 && known.Decode > 0 {
			if want.Speed = known.Speed; known == want {
				return known.Speed, nil
			}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return forecast.Speed{}, fmt.Errorf("reading the speed measured before: %w", err)
	}
	speed, err := measure(ctx, e, c.Slots)
	if err != nil {
		return speed, fmt.Errorf("measuring the speed: %w", err)
	}
	want.Speed = speed
	data, err := json.Marshal(want)
	if err != nil {
		return speed, err
	}
	if err := os.MkdirAll(c.Home, 0o700); err != nil {
		return speed, err
	}
	return speed, renameio.WriteFile(file, data, 0o600)
}

// measure times the engine as buyers will: one prompt, then answers in all of
// its slots.
func measure(ctx context.Context, e provider.Engine, slots int) (forecast.Speed, error) {
	job, err := trial(e, "It was a bright cold day in April. ", 1)
	if err != nil {
		return forecast.Speed{}, err
	}
	ignore := func(provider.Token) error { return nil }
	warm := job
	warm.Prompt, warm.MaxTokens = job.Prompt[:min(8, len(job.Prompt))], 1 // it may load the model first
	if _, err := e.Generate(ctx, warm, ignore); err != nil {
		return forecast.Speed{}, err
	}
	began := time.Now()
	first := began
	if _, err := e.Generate(ctx, job, func(provider.Token) error { first = time.Now(); return nil }); err != nil {
		return forecast.Speed{}, err
	}
	if first.Equal(began) { // the model had nothing to say
		first = time.Now()
	}
	speed := forecast.Speed{Prefill: float64(len(job.Prompt)) / first.Sub(began).Seconds()}
	speed.Decode, err = measureAnswers(ctx, e, slots)
	return speed, err
}

// measureAnswers is the rate of tokens of answers in all slots together.
func measureAnswers(ctx context.Context, e provider.Engine, slots int) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, measureDecode)
	defer cancel()
	var count atomic.Int64
	var work sync.WaitGroup
	began := time.Now()
	failed := make(chan error, slots)
	for slot := range slots {
		work.Go(func() {
			for seed := uint64(slot); ctx.Err() == nil; seed += uint64(slots) {
				job, err := trial(e, "Once ", 64)
				if err == nil {
					job.Prompt, job.Request.Seed = job.Prompt[:1], seed
					_, err = e.Generate(ctx, job, func(provider.Token) error { count.Add(1); return nil })
				}
				if err != nil && ctx.Err() == nil {
					failed <- err
					return
				}
			}
		})
	}
	work.Wait()
	spent := time.Since(began).Seconds()
	select {
	case err := <-failed:
		return 0, err
	default:
	}
	if count.Load() == 0 {
		return 0, fmt.Errorf("no token in %s: the model is too slow, or the engine too busy", measureDecode)
	}
	return float64(count.Load()) / spent, nil
}

// trial is an answer of so many tokens to a text said over and over.
func trial(e provider.Engine, text string, tokens int) (provider.Job, error) {
	r := inference.Request{Prompt: strings.Repeat(text, measurePrompt), TopP: 1, Temperature: 1, MaxTokens: uint32(tokens)}
	prompt, err := e.Prompt(r)
	if err != nil {
		return provider.Job{}, err
	}
	if len(prompt) == 0 {
		return provider.Job{}, errors.New("the model's vocabulary has no tokens for plain text")
	}
	most := min(measurePrompt, e.ContextLength()/2)
	tokens = min(tokens, e.ContextLength()-most)
	return provider.Job{Request: r, Prompt: prompt[:min(most, len(prompt))], MaxTokens: max(1, tokens)}, nil
}
