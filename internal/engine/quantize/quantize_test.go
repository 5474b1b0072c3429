package quantize

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/koinon/koinon/internal/engine/gguf"
)

func TestTypesOfTensors(t *testing.T) {
	for _, c := range []struct {
		name  string
		width uint64
		want  gguf.Type
		tied  bool
		is    gguf.Type
	}{
		{"blk.0.ffn_up.weight", 512, gguf.Q4_K, false, gguf.Q4_K},
		{"blk.0.ffn_up.weight", 96, gguf.Q4_K, false, gguf.Q8_0},
		{"blk.0.ffn_up.weight", 100, gguf.Q4_K, false, gguf.F16},
		{"blk.0.ffn_up.weight", 100, gguf.Q4_0, false, gguf.F16},
		{"blk.0.ffn_up.weight", 100, gguf.BF16, false, gguf.BF16},
		{"output.weight", 512, gguf.Q4_0, false, gguf.Q6_K},
		{"output.weight", 512, gguf.Q8_0, false, gguf.Q8_0},
		{"output.weight", 96, gguf.Q4_K, false, gguf.Q8_0},
		{"token_embd.weight", 512, gguf.Q4_K, false, gguf.Q4_K},
		{"token_embd.weight", 512, gguf.Q4_K, true, gguf.Q6_K},
		{"token_embd.weight", 512, gguf.TQ1_0, false, gguf.Q4_K},
		{"output.weight", 512, gguf.TQ2_0, false, gguf.Q6_K},
	} {
		if got := Type(c.name, []uint64{c.width, 4}, c.want, c.tied); got != c.is {
			t.Errorf("%+v: %s", c, got)
		}
	}
	if got := Type("blk.0.attn_norm.weight", []uint64{512}, gguf.Q4_K, false); got != gguf.F32 {
		t.Errorf("a norm is %s", got)
	}
}

// model is a file with a norm and two matrices.
func model(t *testing.T, spoil func(values []float32)) *gguf.File {
	t.Helper()
	var w gguf.Writer
	w.Text("general.architecture", "llama")
	w.Uint32("general.file_type", 0)
	rng := rand.New(rand.NewPCG(4, 2))
	for _, m := range []struct {
		name  string
		shape []uint64
	}{{"token_embd.weight", []uint64{512, 8}}, {"blk.0.attn_norm.weight", []uint64{512}}, {"blk.0.attn_q.weight", []uint64{512, 64}}, {"blk.1.attn_q.weight", []uint64{512, 64}}} {
		values := make([]float32, gguf.Tensor{Shape: m.shape}.Elements())
		for i := range values {
			values[i] = float32(rng.NormFloat64())
		}
		if m.name == "blk.1.attn_q.weight" && spoil != nil {
			spoil(values)
		}
		w.Tensor(m.name, gguf.F32, values, m.shape...)
	}
	return reread(t, &w)
}

func reread(t *testing.T, w *gguf.Writer) *gguf.File {
	t.Helper()
	var out bytes.Buffer
	if _, err := w.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Read(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// relative errors of normal values are about those of llama.cpp's own types.
func TestQuantizedFilesAreNearAndSayHowNear(t *testing.T) {
	for kind, most := range map[gguf.Type]float64{gguf.F32: 0, gguf.F16: 1e-7, gguf.BF16: 1e-5, gguf.Q8_0: 5e-5, gguf.Q6_K: 5e-4, gguf.Q5_K: 2e-3, gguf.Q4_K: 8e-3, gguf.Q4_0: 1e-2} {
		var report Report
		w := File(model(t, nil), kind)
		w.Written = report.Add
		f := reread(t, w)
		if n, err := f.Uint("general.file_type"); err != nil || uint32(n) != gguf.FileType(kind) {
			t.Errorf("%s: general.file_type is %d, %v", kind, n, err)
		}
		if len(report) != 3 || report[2].Kind != "attn_q.weight" || report[2].Tensors != 2 || report[2].Type != kind.String() || report.Elements() != 512*(8+1+64+64) {
			t.Fatalf("%s: report %+v", kind, report)
		}
		if p := report[2]; p.Relative > most || p.Relative < most/10 || math.Abs(p.MeanSquare/p.Relative-1) > 0.1 && most > 0 {
			t.Errorf("%s: relative error %g, mean square %g; at most %g is expected", kind, p.Relative, p.MeanSquare, most)
		}
		// Once more in the same type changes nothing.
		var again Report
		w = File(f, kind)
		w.Written = again.Add
		twice := reread(t, w)
		for i, tensor := range f.Tensors() {
			if other := twice.Tensors()[i]; other.Type != tensor.Type || !bytes.Equal(other.Data(), tensor.Data()) {
				t.Errorf("%s: %s changed when it was stored in its own type", kind, tensor.Name)
			}
		}
	}
}

func TestWeightsThatAreNoNumbersAreRefused(t *testing.T) {
	spoilt := model(t, func(values []float32) { values[777] = float32(math.Inf(1)) })
	for name, w := range map[string]*gguf.Writer{"quantised": File(spoilt, gguf.Q8_0), "as they are": File(spoilt, gguf.F32), "merged": Merge(spoilt)} {
		_, err := w.WriteTo(new(bytes.Buffer))
		if !errors.Is(err, gguf.ErrNumber) || !bytes.Contains([]byte(err.Error()), []byte("blk.1.attn_q.weight")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
