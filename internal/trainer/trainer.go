package trainer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/tokenizer"
)

// Config is one training run. The zero value of a field means its default.
type Config struct {
	// Texts are UTF-8 files; the last tenth of each is held out.
	Texts []string
	// Out is the GGUF file to write; its directory must exist.
	Out string
	// Name is the model's name in the file (default Out's, without ending).
	Name string
	// License is an SPDX identifier for the weights (default CC0-1.0).
	License string
	// Start is a GGUF file that Run wrote with Format F32, whose weights and
	// vocabulary the run begins with: it is trained further. Architecture is then
	// the file's, but for Context. Empty: random weights, and a vocabulary of Texts.
	Start string
	// Format is how matrices are stored: Q8_0 (the default), F16 or F32.
	Format string
	// Architecture's zero fields have defaults for about 3 million parameters.
	Architecture Architecture
	// Batch is the number of windows a step (4), Steps the number of steps (3000).
	Batch, Steps int
	// StopAfter ends the run after that step of the schedule, if it is not zero,
	// and exports what has been learnt by then; the checkpoint stays.
	StopAfter int
	// Rate is the peak learning rate (0.003).
	Rate float64
	// Seed fixes the weights' start and the order of the texts.
	Seed uint64
	// Checkpoint is where to keep the state of an unfinished run (Out with
	// ".checkpoint"); every Every steps (100).
	Checkpoint string
	Every      int
	// SampleTokens is how long a sample of each voice the summary has (none).
	SampleTokens int
	// Threads is how many to use (all); it does not change the outcome.
	Threads int
}

func (c *Config) setDefaults() {
	number := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	text := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	number(&c.Architecture.Vocab, 4096)
	number(&c.Architecture.Context, 512)
	number(&c.Architecture.Dim, 192)
	number(&c.Architecture.Layers, 6)
	number(&c.Architecture.Heads, 6)
	number(&c.Architecture.KVHeads, 3)
	number(&c.Architecture.Hidden, 512)
	number(&c.Batch, 4)
	number(&c.Steps, 3000)
	number(&c.Every, 100)
	number(&c.Threads, runtime.GOMAXPROCS(0))
	if c.Rate == 0 {
		c.Rate = 0.003
	}
	text(&c.Name, trimEnding(filepath.Base(c.Out)))
	text(&c.License, "CC0-1.0")
	text(&c.Format, "Q8_0")
	text(&c.Checkpoint, c.Out+".checkpoint")
}

func trimEnding(name string) string { return name[:len(name)-len(filepath.Ext(name))] }

// Progress is the state of a run after a step.
type Progress struct {
	Step, Steps     int     // done, and in all
	Loss            float64 // mean of the step, in nats a token
	GradientNorm    float64
	Rate            float64
	TokensPerSecond float64 // since this run was started or resumed
	Elapsed         time.Duration
	Remaining       time.Duration
}

// Summary is what a finished run achieved.
type Summary struct {
	Parameters int                `json:"parameters"`
	Steps      int                `json:"steps"`
	Tokens     int                `json:"tokens"` // trained on, repeats included
	Elapsed    time.Duration      `json:"elapsed"`
	HeldOut    map[string]HeldOut `json:"held_out"` // by text
	Samples    map[string]Sample  `json:"samples,omitempty"`
	Digest     string             `json:"digest"` // SHA-256 of the weights in float32
}

// Names lists the texts in alphabetical order.
func (s Summary) Names() []string { return slices.Sorted(maps.Keys(s.HeldOut)) }

// HeldOut is the loss on the part of a text that was not trained on.
type HeldOut struct {
	NatsPerToken float64 `json:"nats_per_token"`
	BitsPerByte  float64 `json:"bits_per_byte"`
	Bytes        int     `json:"bytes"`
}

// NatsPerByte is the loss per byte in nats.
func (h HeldOut) NatsPerByte() float64 { return h.BitsPerByte * math.Ln2 }

// run is a training run under way.
type run struct {
	Config
	id        string
	works     []work
	tokenizer tokenizer.Vocabulary
	encoder   tokenizer.Tokenizer
	w, grad   *weights
	decoder   *decoder
	optimizer optimizer
	source    *rand.PCG
	step      int
	before    time.Duration // spent before this process resumed
}

// Run trains a model and writes it to c.Out. Cancelling ctx stops it after the
// step under way with a checkpoint, from which the same call continues.
func Run(ctx context.Context, c Config, report func(Progress)) (Summary, error) {
	r, err := newRun(c)
	if err != nil {
		return Summary{}, err
	}
	if err := r.resume(); err != nil {
		return Summary{}, err
	}
	started, first := time.Now(), r.step
	tokens := r.Batch * r.Architecture.Context
	inputs, targets := make([]int32, tokens), make([]int32, tokens)
	last := r.lastStep()
	for r.step < last {
		p := r.oneStep(inputs, targets)
		p.Steps = last
		spent := time.Since(started)
		p.Elapsed = r.before + spent
		p.TokensPerSecond = float64((r.step-first)*tokens) / spent.Seconds()
		p.Remaining = spent / time.Duration(r.step-first) * time.Duration(last-r.step)
		report(p)
		stop := ctx.Err()
		if r.step%r.Every == 0 || r.step == last || stop != nil {
			if err := r.save(p); err != nil {
				return Summary{}, err
			}
		}
		if stop != nil {
			return Summary{}, fmt.Errorf("stopped after step %d of %d; the same command continues: %w", r.step, r.Steps, stop)
		}
	}
	summary := r.summarise(r.before + time.Since(started))
	if err := r.export(); err != nil {
		return Summary{}, err
	}
	if last < r.Steps {
		return summary, nil
	}
	return summary, os.Remove(r.Checkpoint)
}

// lastStep is the step after which the run ends.
func (r *run) lastStep() int {
	if r.StopAfter > 0 {
		return min(r.StopAfter, r.Steps)
	}
	return r.Steps
}

func newRun(c Config) (*run, error) {
	start, err := openStart(c.Start)
	if err != nil {
		return nil, err
	}
	start.shape(&c.Architecture)
	c.setDefaults()
	if err := c.Architecture.validate(); err != nil {
		return nil, err
	}
	if c.Out == "" || len(c.Texts) == 0 {
		return nil, errors.New("a run needs at least one text and a file to write")
	}
	if c.Steps < 1 || c.StopAfter < 0 || c.Batch < 1 || c.Rate < 0 || c.Every < 1 {
		return nil, errors.New("steps, batch and checkpoint interval must be positive, the rate not negative")
	}
	if _, err := gguf.ParseType(c.Format); err != nil {
		return nil, err
	}
	works, err := readWorks(c.Texts)
	if err != nil {
		return nil, err
	}
	r := &run{Config: c, works: works}
	if r.id, err = r.identity(start.digest()); err != nil {
		return nil, err
	}
	if start != nil {
		r.tokenizer = start.vocabulary
	} else if r.tokenizer, err = learnVocabulary(works, c.Architecture.Vocab); err != nil {
		return nil, err
	}
	if r.encoder, err = tokenizer.New(r.tokenizer); err != nil {
		return nil, err
	}
	a := c.Architecture
	if err := encode(works, r.encoder, a.Context); err != nil {
		return nil, err
	}
	r.source = rand.NewPCG(c.Seed, 0x6b6f696e6f6e)
	r.w, r.optimizer.decayed = newWeights(a)
	r.grad, _ = newWeights(a)
	r.w.initialise(a, rand.New(r.source))
	if err := start.read(r.w, a); err != nil {
		return nil, err
	}
	r.optimizer.first, r.optimizer.second = make([]float32, len(r.w.all)), make([]float32, len(r.w.all))
	r.optimizer.workers = c.Threads
	r.decoder = newDecoder(a, r.w, r.grad, c.Batch, a.Context, c.Threads)
	return r, nil
}

// identity digests all that decides a run's outcome; start is the digest of the
// weights that it begins with, empty for random ones.
func (r *run) identity(start string) (string, error) {
	settings, err := json.Marshal([]any{r.Architecture, r.Batch, r.Steps, r.Rate, r.Seed})
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	sum.Write(settings)
	sum.Write([]byte(start))
	for _, w := range r.works {
		fmt.Fprintf(sum, "%d %d ", len(w.train), len(w.held))
		sum.Write([]byte(w.train))
		sum.Write([]byte(w.held))
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func (r *run) oneStep(inputs, targets []int32) Progress {
	r.step++
	batch(r.works, rand.New(r.source), inputs, targets, r.Architecture.Context)
	var loss float64
	for _, l := range r.decoder.forward(inputs, targets) {
		loss += float64(l)
	}
	clear(r.grad.all)
	r.decoder.backward(inputs, targets, 1)
	warmUp := max(1, min(100, r.Steps/10))
	rate := learningRate(r.step, warmUp, r.Steps, r.Rate)
	length := r.optimizer.step(r.w.all, r.grad.all, rate, r.step)
	return Progress{Step: r.step, Loss: loss / float64(len(targets)), GradientNorm: length, Rate: rate}
}

func (r *run) save(p Progress) error {
	random, err := r.source.MarshalBinary()
	if err != nil {
		return err
	}
	h := header{Run: r.id, Step: r.step, Random: random, Elapsed: p.Elapsed, Loss: p.Loss}
	return saveCheckpoint(r.Checkpoint, h, r.w.all, r.optimizer.first, r.optimizer.second)
}

// resume continues from the checkpoint, if there is one.
func (r *run) resume() error {
	h, err := loadCheckpoint(r.Checkpoint, r.id, r.w.all, r.optimizer.first, r.optimizer.second)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if last := r.lastStep(); h.Step > last {
		return fmt.Errorf("%w: %s is at step %d, past the last, %d; delete it to start over", ErrCheckpoint, r.Checkpoint, h.Step, last)
	}
	r.step, r.before = h.Step, h.Elapsed
	return r.source.UnmarshalBinary(h.Random)
}
