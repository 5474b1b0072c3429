package trainer

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
)

// A run that begins with a file has its vocabulary and its weights, whatever the
// texts and the shape asked for; one that does not learn writes it again.
func TestTrainFurther(t *testing.T) {
	dir := t.TempDir()
	base := Config{
		Texts: []string{text(t)}, Out: filepath.Join(dir, "base.gguf"), Name: "model", Format: "F32",
		Architecture: small, Batch: 1, Steps: 3, Seed: 1, Threads: 1,
	}
	quiet := func(Progress) {}
	first, err := Run(context.Background(), base, quiet)
	if err != nil {
		t.Fatal(err)
	}
	further := base
	further.Start, further.Out, further.Architecture, further.Steps = base.Out, filepath.Join(dir, "further.gguf"), Architecture{Dim: 64}, 1
	further.Rate = 1e-30
	still, err := Run(context.Background(), further, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if still.Digest != first.Digest || still.Parameters != first.Parameters {
		t.Errorf("training %s further by nothing gives %s", first.Digest, still.Digest)
	}
	further.Rate, further.Out = 0.001, filepath.Join(dir, "tuned.gguf")
	tuned, err := Run(context.Background(), further, quiet)
	if err != nil || tuned.Digest == first.Digest {
		t.Errorf("training it further changes nothing: %v", err)
	}
	a, err := openStart(base.Out)
	if err != nil {
		t.Fatal(err)
	}
	b, err := openStart(further.Out)
	if err != nil || !slices.Equal(a.vocabulary.Tokens, b.vocabulary.Tokens) {
		t.Errorf("the vocabulary changed: %v", err)
	}
}

// A file that was quantised, or that is none, begins no run.
func TestTrainFurtherRefuses(t *testing.T) {
	c := Config{Texts: []string{text(t)}, Out: filepath.Join(t.TempDir(), "q.gguf"), Architecture: small, Batch: 1, Steps: 1, Threads: 1}
	if _, err := Run(context.Background(), c, func(Progress) {}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{c.Out, c.Texts[0], "absent.gguf"} {
		further := c
		further.Start, further.Out = path, filepath.Join(t.TempDir(), "out.gguf")
		if _, err := Run(context.Background(), further, func(Progress) {}); !errors.Is(err, ErrStart) {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
	}
}
