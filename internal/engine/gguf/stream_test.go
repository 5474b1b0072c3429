package gguf

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// What is streamed has the bytes of what is given at once, and the loss is that
// of the type.
func TestStreamedTensorsAreTheSameBytes(t *testing.T) {
	const width, height = 256, 4500 // several chunks, the last not full
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]float32, width*height)
	for i := range values {
		values[i] = float32(rng.NormFloat64())
	}
	var whole, streamed Writer
	whole.Tensor("w", Q4_K, values, width, height)
	streamed.Stream("w", Q4_K, func(dst []float32, first uint64) error {
		copy(dst, values[first*width:])
		return nil
	}, width, height)
	var losses []Loss
	streamed.Written = func(_ string, _ Type, l Loss) { losses = append(losses, l) }
	var a, b bytes.Buffer
	for w, out := range map[*Writer]*bytes.Buffer{&whole: &a, &streamed: &b} {
		n, err := w.WriteTo(out)
		if err != nil || uint64(n) != w.Size() || out.Len() != int(n) {
			t.Fatalf("wrote %d of %d bytes: %v", n, w.Size(), err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Fatal("other bytes")
	}
	f, err := Read(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	tensor, err := f.Tensor("w")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := tensor.Floats()
	if err != nil {
		t.Fatal(err)
	}
	var squares float64
	for i, v := range values {
		squares += math.Pow(float64(v)-float64(kept[i]), 2)
	}
	if len(losses) != 1 || losses[0].Elements != width*height || math.Abs(losses[0].Squares/squares-1) > 1e-9 || squares == 0 {
		t.Errorf("losses %+v, want squares of %g", losses, squares)
	}
	copied := Rewrite(f)
	copied.Copy(tensor)
	b.Reset()
	if _, err := copied.WriteTo(&b); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Errorf("the copy has other bytes, %v", err)
	}
}

func TestWeightsThatAreNoNumbersAreNotWritten(t *testing.T) {
	for name, c := range map[string]struct {
		value float32
		kind  Type
		want  string
	}{
		"NaN":           {float32(math.NaN()), F32, "tensor w: weight is not a finite number: element 1 of row 2 is NaN"},
		"infinity":      {float32(math.Inf(-1)), Q8_0, "element 1 of row 2 is -Inf"},
		"too large":     {70000, F16, "choose a type with a wider range"},
		"large in BF16": {70000, BF16, ""},
	} {
		var w Writer
		w.Stream("w", c.kind, func(dst []float32, first uint64) error {
			if dst[2*32+1] = c.value; first != 0 {
				t.Errorf("row %d", first)
			}
			return nil
		}, 32, 3)
		_, err := w.WriteTo(io.Discard)
		if c.want == "" && err == nil {
			continue
		}
		if !errors.Is(err, ErrNumber) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var w, again Writer
	w.Tensor("w", F32, []float32{1, float32(math.NaN())}, 2, 1)
	var out bytes.Buffer
	if _, err := w.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	f, err := Read(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	again.Copy(f.Tensors()[0])
	if _, err := again.WriteTo(io.Discard); !errors.Is(err, ErrNumber) {
		t.Errorf("copied: %v", err)
	}
}
