package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/models/trivium"
)

// What the engine is measured with. The shipped model's context is 512 tokens.
const (
	prefillTokens = 256
	decodeTokens  = 128
	decodePrompt  = "KING HENRY:"
	sampleSeed    = 1
	temperature   = 0.7
)

// engineSpeed is the engine's speed with a number of threads.
type engineSpeed struct {
	Threads int    `json:"threads"`
	Prefill spread `json:"prefill_tokens_per_second"`
	Decode  spread `json:"decode_tokens_per_second"`
}

// loadModel loads the model that ships.
func loadModel() (*engine.Model, error) {
	dir, err := os.MkdirTemp("", "koinon-bench-model-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path, err := trivium.Install(dir)
	if err != nil {
		return nil, err
	}
	return engine.Load(path)
}

// measureEngine runs the engine in this process with one thread and with as
// many as there are cores, in turns, so that what disturbs the machine for a
// while disturbs both.
func measureEngine(ctx context.Context, quick bool, progress func(string, ...any)) ([]engineSpeed, error) {
	runs := 9
	if quick {
		runs = 3
	}
	model, err := loadModel()
	if err != nil {
		return nil, err
	}
	threads := []int{1}
	if n := runtime.NumCPU(); n > 1 {
		threads = append(threads, n)
	}
	prefill, decode := make([][]float64, len(threads)), make([][]float64, len(threads))
	for run := range runs + 1 {
		if run == 0 {
			progress("warming the engine up")
		} else {
			progress("engine, run %d of %d", run, runs)
		}
		for i, n := range threads {
			e := engine.New(model, engine.Options{Slots: 1, Threads: n})
			p, err := prefillSpeed(ctx, e)
			if err != nil {
				return nil, err
			}
			d, err := decodeSpeed(ctx, e)
			if err != nil {
				return nil, err
			}
			if run > 0 { // the first touches memory for the first time
				prefill[i], decode[i] = append(prefill[i], p), append(decode[i], d)
			}
		}
	}
	speeds := make([]engineSpeed, len(threads))
	for i, n := range threads {
		speeds[i] = engineSpeed{n, spreadOf(prefill[i]), spreadOf(decode[i])}
	}
	return speeds, nil
}

// prefillSpeed is how many tokens of a prompt are taken in per second, until
// the first token of the answer is drawn.
func prefillSpeed(ctx context.Context, e *engine.Engine) (float64, error) {
	prompt := e.Model().Prompt(strings.Repeat("It was in the spring that the army went back over the river. ", 40))
	if len(prompt) < prefillTokens {
		return 0, fmt.Errorf("the prompt has %d tokens, not %d", len(prompt), prefillTokens)
	}
	a, err := generate(ctx, e, prompt[:prefillTokens], 1)
	if err != nil {
		return 0, err
	}
	return prefillTokens / a.first.Seconds(), nil
}

// decodeSpeed is how many tokens follow the first one per second.
func decodeSpeed(ctx context.Context, e *engine.Engine) (float64, error) {
	a, err := generate(ctx, e, e.Model().Prompt(decodePrompt), decodeTokens)
	if err != nil {
		return 0, err
	}
	if len(a.tokens) < decodeTokens/2 {
		return 0, fmt.Errorf("the answer ended after %d tokens, too few to time", len(a.tokens))
	}
	return float64(len(a.tokens)-1) / (a.total - a.first).Seconds(), nil
}

// timed is one answer and how long it took.
type timed struct {
	first, total time.Duration // since the request
	tokens       []int32       // not known of an answer through the gateway
	text         string
	provider     string
}

// generate times one answer of the engine alone.
func generate(ctx context.Context, e *engine.Engine, prompt []int32, limit int) (timed, error) {
	var a timed
	began := time.Now()
	_, err := e.Generate(ctx, engine.Request{
		Prompt: prompt, MaxTokens: limit, Sampling: sampling.Params{Temperature: temperature, TopP: 1, Seed: sampleSeed},
	}, func(t engine.Token) error {
		if len(a.tokens) == 0 {
			a.first = time.Since(began)
		}
		a.tokens = append(a.tokens, t.ID)
		return nil
	})
	a.total = time.Since(began)
	if err == nil && len(a.tokens) == 0 {
		err = fmt.Errorf("the model answered nothing")
	}
	return a, err
}
