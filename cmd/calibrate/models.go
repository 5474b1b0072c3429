package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/quantize"
	"github.com/koinon/koinon/internal/measure"
	"github.com/koinon/koinon/internal/trainer"
	"github.com/koinon/koinon/models/trivium"
)

// trained is a model that is made here, in float32.
type trained struct {
	name          string
	layers        int
	hidden, steps int
	stopAfter     int    // of the steps; 0 for all
	start         string // name of the model that it trains further
}

// The two sizes, and the large one's older checkpoint and fine-tuned twin. Widths
// are multiples of 256, the block of the K-quants and the ternary types.
var models = []trained{
	{name: "small", layers: 2, hidden: 512, steps: 900},
	{name: "large-older", layers: 4, hidden: 768, steps: 600, stopAfter: 480},
	{name: "large", layers: 4, hidden: 768, steps: 600},
	{name: "large-tuned", steps: 40, start: "large"},
}

// twinRate is how fast the fine-tuned twin learns.
const twinRate = 0.0003

// folder keeps what was made, so that a second run has only to measure.
type folder string

func (f folder) path(name string, format gguf.Type) string {
	if format == gguf.F32 {
		return filepath.Join(string(f), name+".gguf")
	}
	return filepath.Join(string(f), name+"-"+format.String()+".gguf")
}

// train makes every model that is not there. Quick models learn for a tenth of
// the steps.
func (f folder) train(ctx context.Context, texts []string, quick bool, progress func(string, ...any)) error {
	if err := f.ship(); err != nil {
		return err
	}
	for _, m := range models {
		path := f.path(m.name, gguf.F32)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if len(texts) == 0 {
			return fmt.Errorf("%w: %s is not there, and no --text to train it with", measure.ErrUsage, path)
		}
		c := trainer.Config{
			Texts: texts, Out: path, Name: m.name, Format: "F32", Steps: m.steps, StopAfter: m.stopAfter, Seed: 1, Threads: 1,
			Architecture: trainer.Architecture{Vocab: 1024, Context: 256, Dim: 256, Layers: m.layers, Heads: 4, KVHeads: 2, Hidden: m.hidden},
		}
		if m.name == "large-older" || m.name == "large" { // one run, exported twice
			c.Checkpoint = filepath.Join(string(f), "large.checkpoint")
		}
		if m.start != "" {
			c.Start, c.Rate, c.Texts = f.path(m.start, gguf.F32), twinRate, texts[:1]
		}
		if quick {
			c.Steps, c.StopAfter = max(1, c.Steps/10), c.StopAfter/10
		}
		_, err := trainer.Run(ctx, c, func(p trainer.Progress) {
			if p.Step%50 == 0 || p.Step == p.Steps {
				progress("%s: step %d of %d, loss %.2f", m.name, p.Step, p.Steps, p.Loss)
			}
		})
		if err != nil {
			return fmt.Errorf("training %s: %w", m.name, err)
		}
	}
	return nil
}

// ship writes out the model that ships, whose file is Q8_0.
func (f folder) ship() error {
	file, err := trivium.Install(string(f))
	if err != nil {
		return err
	}
	if err := os.Rename(file, f.path(trivium.Name, gguf.Q8_0)); err != nil {
		return err
	}
	return convert(f.path(trivium.Name, gguf.Q8_0), f.path(trivium.Name, gguf.F32), gguf.F32)
}

// load reads a model in a format, which it makes from float32 if it is not there.
func (f folder) load(name string, format gguf.Type) (*engine.Model, error) {
	path := f.path(name, format)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := convert(f.path(name, gguf.F32), path, format); err != nil {
			return nil, fmt.Errorf("cannot write %s: %w", path, err)
		}
	}
	return engine.Load(path)
}

// plain is a model's file in a format with its weights written out in float32:
// the same weights, which other kernels multiply with.
func (f folder) plain(name string, format gguf.Type) (*engine.Model, error) {
	path := f.path(name+"-plain-"+format.String(), gguf.F32)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := convert(f.path(name, format), path, gguf.F32); err != nil {
			return nil, fmt.Errorf("cannot write %s: %w", path, err)
		}
	}
	return engine.Load(path)
}

func convert(from, to string, format gguf.Type) (err error) {
	f, err := gguf.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	out, err := os.Create(to + ".part")
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(out)
	_, err = quantize.File(f, format).WriteTo(buffered)
	if err := errors.Join(err, buffered.Flush(), out.Close()); err != nil {
		return err
	}
	return os.Rename(to+".part", to)
}

// heldOut is the part of each text that no model was trained on, as tokens: the
// last tenth, as internal/trainer has it, without its first words.
func heldOut(m *engine.Model, texts []string) ([][]int32, error) {
	var works [][]int32
	for _, path := range texts {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("cannot read a text: %w", err)
		}
		works = append(works, m.Prompt(string(data[len(data)-len(data)/10+16:])))
	}
	return works, nil
}

// orders draws prompts of one length from works, and a seed for each; number
// sets series apart.
func orders(works [][]int32, n, length int, series uint64) []order {
	rng := rand.New(rand.NewPCG(series, 0x63616c))
	list := make([]order, n)
	for i := range list {
		work := works[rng.IntN(len(works))]
		start := rng.IntN(len(work) - length)
		list[i] = order{prompt: work[start : start+length : start+length], seed: rng.Uint64()}
	}
	return list
}
