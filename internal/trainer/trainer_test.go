package trainer

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var small = Architecture{Vocab: 260, Context: 70, Dim: 32, Layers: 2, Heads: 4, KVHeads: 2, Hidden: 64}

// TestGradient compares every kind of parameter's gradient with the slope of
// the loss.
func TestGradient(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	w, _ := newWeights(small)
	grad, _ := newWeights(small)
	w.initialise(small, rng)
	for i := range w.all { // larger than a real start, so that slopes stand out
		w.all[i] += 0.15 * (rng.Float32() - 0.5)
	}
	d := newDecoder(small, w, grad, 2, small.Context, 2)
	inputs, targets := make([]int32, 2*small.Context), make([]int32, 2*small.Context)
	for i := range inputs {
		inputs[i], targets[i] = int32(rng.IntN(small.Vocab)), int32(rng.IntN(small.Vocab))
	}
	loss := func() float64 {
		var sum float64
		for _, l := range d.forward(inputs, targets) {
			sum += float64(l)
		}
		return sum / float64(len(inputs))
	}
	loss()
	d.backward(inputs, targets, 1)

	l, g := w.layers[0], grad.layers[0]
	last, lastGrad := w.layers[1], grad.layers[1]
	for name, p := range map[string][2][]float32{
		"embedding": {w.embedding, grad.embedding}, "norm": {w.norm, grad.norm},
		"q": {l.q, g.q}, "k": {l.k, g.k}, "v": {l.v, g.v}, "o": {l.o, g.o},
		"gate": {l.gate, g.gate}, "up": {l.up, g.up}, "down": {l.down, g.down},
		"attnNorm": {l.attnNorm, g.attnNorm}, "ffnNorm": {l.ffnNorm, g.ffnNorm},
		"last q": {last.q, lastGrad.q}, "last down": {last.down, lastGrad.down},
	} {
		// Along the gradient itself the slope is its length.
		var square float64
		for _, v := range p[1] {
			square += float64(v) * float64(v)
		}
		length := math.Sqrt(square)
		if length == 0 {
			t.Errorf("%s: no gradient", name)
			continue
		}
		const h = 3e-2
		moved := func(by float64) float64 {
			old := append([]float32(nil), p[0]...)
			for i := range p[0] {
				p[0][i] += float32(by * float64(p[1][i]) / length)
			}
			defer copy(p[0], old)
			return loss()
		}
		slope := (moved(h) - moved(-h)) / (2 * h)
		if math.Abs(slope/length-1) > 0.02 {
			t.Errorf("%s: slope %g along a gradient of length %g", name, slope, length)
		}
	}
}

func text(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "text.txt")
	lines := strings.Repeat("The quick brown fox jumps over the lazy dog. Pack my box with five dozen jugs.\n", 60)
	if err := os.WriteFile(file, []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func config(t *testing.T, file string) Config {
	a := small
	a.Context = 16
	return Config{Texts: []string{file}, Out: filepath.Join(t.TempDir(), "m.gguf"), Format: "F32",
		Architecture: a, Batch: 3, Steps: 40, Every: 7, Seed: 5, Threads: 2}
}

func TestTrainingLearnsAndIsReproducible(t *testing.T) {
	file := text(t)
	var losses []float64
	whole, err := Run(context.Background(), config(t, file), func(p Progress) { losses = append(losses, p.Loss) })
	if err != nil {
		t.Fatal(err)
	}
	if first, last := losses[0], losses[len(losses)-1]; last > first-1 {
		t.Errorf("loss went from %g to %g", first, last)
	}

	// On one thread, stopped and resumed twice, the weights are the same bits.
	c := config(t, file)
	c.Threads = 1
	for _, stop := range []int{10, 25} {
		ctx, cancel := context.WithCancel(context.Background())
		_, err := Run(ctx, c, func(p Progress) {
			if p.Step == stop {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped run returned %v", err)
		}
	}
	resumed, err := Run(context.Background(), c, func(Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	if resumed.Digest != whole.Digest {
		t.Errorf("resumed on one thread: %s, at once on two: %s", resumed.Digest, whole.Digest)
	}
}

func TestCheckpointOfAnotherRunIsRefused(t *testing.T) {
	c := config(t, text(t))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, c, func(Progress) {}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	other := c
	other.Seed++
	if _, err := Run(context.Background(), other, func(Progress) {}); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("another seed's checkpoint: %v", err)
	}
	data, err := os.ReadFile(c.Out + ".checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(c.Out+".checkpoint", data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), c, func(Progress) {}); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("a damaged checkpoint: %v", err)
	}
}

// TestStopAfter exports early and leaves the schedule to be finished.
func TestStopAfter(t *testing.T) {
	c := config(t, text(t))
	c.StopAfter, c.SampleTokens = 12, 8
	early, err := Run(context.Background(), c, func(Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	if early.Steps != 12 || early.Tokens != 12*c.Batch*c.Architecture.Context {
		t.Errorf("stopped after %d steps and %d tokens", early.Steps, early.Tokens)
	}
	if s := early.Samples["text"]; s.Prompt == "" || s.Text == "" {
		t.Errorf("sample is %+v", s)
	}
	again, err := Run(context.Background(), c, func(Progress) { t.Error("made a step past the last") })
	if err != nil || again.Digest != early.Digest || again.Samples["text"] != early.Samples["text"] {
		t.Errorf("exporting again: %v, %s, want %s", err, again.Digest, early.Digest)
	}
	var page strings.Builder
	if err := (Card{Config: c, Summary: early, Command: "koinon train local"}).Write(&page); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{early.Digest, "koinon train local", "12 steps of 3 windows", "schedule of 40 steps", early.Samples["text"].Prompt[:8]} {
		if !strings.Contains(page.String(), part) {
			t.Errorf("the card lacks %q:\n%s", part, page.String())
		}
	}

	c.StopAfter = 11
	if _, err := Run(context.Background(), c, func(Progress) {}); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("a checkpoint past the last step: %v", err)
	}
	c.StopAfter = 0
	whole, err := Run(context.Background(), c, func(Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	straight := config(t, c.Texts[0])
	want, err := Run(context.Background(), straight, func(Progress) {})
	if err != nil || whole.Digest != want.Digest {
		t.Errorf("finished later: %s, at once: %s, %v", whole.Digest, want.Digest, err)
	}
}

func BenchmarkStep(b *testing.B) {
	a := Architecture{Vocab: 4096, Context: 512, Dim: 192, Layers: 6, Heads: 6, KVHeads: 3, Hidden: 512}
	w, _ := newWeights(a)
	grad, _ := newWeights(a)
	rng := rand.New(rand.NewPCG(1, 2))
	w.initialise(a, rng)
	d := newDecoder(a, w, grad, 4, a.Context, 2)
	tokens := make([]int32, 4*a.Context)
	for i := range tokens {
		tokens[i] = int32(rng.IntN(a.Vocab))
	}
	for b.Loop() {
		d.forward(tokens, tokens)
		d.backward(tokens, tokens, 1)
	}
	b.ReportMetric(float64(b.N*len(tokens))/b.Elapsed().Seconds(), "tokens/s")
}
