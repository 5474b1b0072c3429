package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/koinon/koinon/internal/engine"
)

// The models that are measured load, and have the parameters that are said.
func TestModelsLoad(t *testing.T) {
	small := shape{"tiny", 512, 256, 512, 4, 2, 2}
	for _, f := range formats {
		path := filepath.Join(t.TempDir(), "cache", "m.gguf")
		if err := small.write(path, f); err != nil {
			t.Fatal(err)
		}
		if err := small.write(path, f); err != nil {
			t.Errorf("a file that is there: %v", err)
		}
		m, err := engine.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if m.Parameters != uint64(small.parameters()) || m.Quantization != f.String() {
			t.Errorf("%s: %d parameters in %s, not %d", f, m.Parameters, m.Quantization, small.parameters())
		}
	}
	for i, millions := range []float64{5, 50, 500} {
		if n := float64(shapes[i].parameters()) / 1e6; n < 0.9*millions || n > 1.1*millions {
			t.Errorf("%s has %.1f million parameters", shapes[i].name, n)
		}
	}
}

// The first run warms up; ratios are of runs side by side.
func TestRates(t *testing.T) {
	var r ratesOf
	for run, seconds := range [][2]int{{9, 1}, {1, 2}, {2, 2}, {4, 12}} {
		r.add(run, 12, time.Duration(seconds[0])*time.Second, time.Duration(seconds[1])*time.Second)
	}
	if got := r.sum(); got != (rates{Koinon: 6, LlamaCpp: 6, Ratio: 2}) {
		t.Errorf("%+v", got)
	}
}

func TestAims(t *testing.T) {
	for _, c := range []struct {
		size            string
		prefill, decode float64
		want            string
	}{
		{"5M", 0.6, 0.6, ""}, {"5M", 0.59, 2, "below 0.6"}, {"50M", 0.8, 1, ""}, {"50M", 0.79, 1, "below the aim"},
		{"500M", 1, 0.99, "below the aim"}, {"500M", 1, 0.5, "below 0.6"},
	} {
		got := comparison{Size: c.size, Prefill: &rates{Ratio: c.prefill}, Decode: rates{Ratio: c.decode}}.below()
		if got != c.want {
			t.Errorf("%+v is %q", c, got)
		}
	}
}
