package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/internal/tensor/block"
	"github.com/koinon/koinon/internal/trainer"
)

// training is how fast the trainer's steps are.
type training struct {
	Threads         int     `json:"threads"`
	Parameters      int     `json:"parameters"`
	TokensPerSecond float64 `json:"tokens_per_second"`
	ShareOfPeak     float64 `json:"share_of_peak"` // of multiplications with an addition
}

// trained is the shape that koinon train has by default, but for a vocabulary
// that is quick to learn.
var trained = trainer.Architecture{Vocab: 1024, Context: 512, Dim: 192, Layers: 6, Heads: 6, KVHeads: 3, Hidden: 512}

const trainedBatch, trainedSteps = 4, 6

// measureTraining times steps on words drawn at random, without the first.
func measureTraining(ctx context.Context, threads int) (t training, err error) {
	dir, err := os.MkdirTemp("", "koinon-bench-training-")
	if err != nil {
		return t, err
	}
	defer os.RemoveAll(dir)
	text := filepath.Join(dir, "text.txt")
	if err := os.WriteFile(text, []byte(words(60000)), 0o644); err != nil {
		return t, err
	}
	var steps []float64
	var last time.Time
	summary, err := trainer.Run(ctx, trainer.Config{
		Texts: []string{text}, Out: filepath.Join(dir, "model.gguf"), Architecture: trained,
		Batch: trainedBatch, Steps: trainedSteps, Every: trainedSteps, Threads: threads,
	}, func(trainer.Progress) {
		if now := time.Now(); !last.IsZero() {
			steps = append(steps, now.Sub(last).Seconds())
		}
		last = time.Now()
	})
	if err != nil {
		return t, fmt.Errorf("training: %w", err)
	}
	rate := trainedBatch * float64(trained.Context) / median(steps)
	return training{threads, summary.Parameters, rate, rate * multiplications(summary.Parameters) / tensor.PeakRate(block.F32, threads)}, nil
}

// multiplications of one token's forward and backward pass: with each weight
// once and twice, and of attention, which sees half of the context on average,
// its scores and its sums once and twice each.
func multiplications(parameters int) float64 {
	return 3 * float64(parameters+trained.Layers*trained.Dim*trained.Context)
}

// words are a text that has what a vocabulary can be learnt from.
func words(n int) string {
	r := rand.New(rand.NewPCG(22, 23))
	syllables := []string{"ka", "lo", "mi", "ren", "tos", "u", "bel", "sha", "qui", "nor", "ep", "da"}
	var text strings.Builder
	for range n {
		for range 1 + r.IntN(4) {
			text.WriteString(syllables[r.IntN(len(syllables))])
		}
		text.WriteByte(" \n"[min(1, r.IntN(12)/11)])
	}
	return text.String()
}
