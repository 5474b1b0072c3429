package engine

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/receipt"
)

// What is timed is the decoder: side by side, the texts come to the states that
// one text comes to alone, as long as there is time and room.
func TestPaceComputes(t *testing.T) {
	m := load(t, writeModel(t, gguf.F32, 2, true))
	pace := func(batch int) (Spent, Spent, []float32) {
		p, err := m.NewPace(batch, 80, 2)
		if err != nil {
			t.Fatal(err)
		}
		prefill, err := p.Prefill(70, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		decode, err := p.Decode(5, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if p.Bytes() <= 0 {
			t.Errorf("keys and values take %d bytes", p.Bytes())
		}
		return prefill, decode, p.forward.logits[:m.Size()]
	}
	prefill, decode, alone := pace(1)
	if prefill.Tokens != 70 || decode.Tokens != 5 || !(decode.Rate() > 0) {
		t.Errorf("prefill %+v, decode %+v", prefill, decode)
	}
	prefill, decode, beside := pace(3)
	if prefill.Tokens != 210 || decode.Tokens != 15 {
		t.Errorf("three texts: prefill %+v, decode %+v", prefill, decode)
	}
	for i, v := range alone {
		if beside[i] != v {
			t.Fatalf("logit %d is %g alone, %g beside others", i, v, beside[i])
		}
	}
}

func TestPaceIsBounded(t *testing.T) {
	m := load(t, writeModel(t, gguf.F32, 2, true))
	if _, err := m.NewPace(1, m.ContextLength+1, 1); err == nil {
		t.Error("texts beyond the context are taken")
	}
	p, err := m.NewPace(2, 40, 1)
	if err != nil {
		t.Fatal(err)
	}
	if spent, err := p.Prefill(40, 0); err != nil || spent.Tokens != 0 {
		t.Errorf("without time: %+v, %v", spent, err)
	}
	if _, err := p.Decode(100, time.Hour); err == nil {
		t.Error("more tokens than there is room for are computed")
	}
	if c := m.Cost(); c.Layers <= 0 || c.Output <= 0 || c.Bytes < 4*(c.Layers+c.Output) {
		t.Errorf("cost %+v", c)
	}
}

// BenchmarkCommitting decodes with leaves and without, in turns, and reports what
// they add to a step, in hundredths: between lower quartiles, as the machine may be
// busy. KOINON_GGUF names another model than the one that ships.
func BenchmarkCommitting(b *testing.B) {
	m, err := Load(cmp.Or(os.Getenv("KOINON_GGUF"), "../../models/trivium/trivium.gguf"))
	if err != nil {
		b.Fatal(err)
	}
	for _, batch := range []int{1, 8} {
		b.Run(fmt.Sprintf("batch-%d", batch), func(b *testing.B) {
			p, err := m.NewPace(batch, m.ContextLength, 1)
			if err != nil {
				b.Fatal(err)
			}
			var took [2][]time.Duration
			for i := 0; b.Loop(); i++ {
				if i%100 == 0 { // texts of like lengths on both sides
					if _, err := p.Prefill(32, time.Hour); err != nil {
						b.Fatal(err)
					}
				}
				for _, side := range [][]int{{0, 1}, {1, 0}}[i%2] {
					p.Committing = side == 1
					spent, err := p.Decode(1, time.Hour)
					if err != nil {
						b.Fatal(err)
					}
					took[side] = append(took[side], spent.Time)
				}
			}
			quartile := func(list []time.Duration) float64 { slices.Sort(list); return float64(list[len(list)/4]) }
			b.ReportMetric(100*(quartile(took[1])/quartile(took[0])-1), "%-with/without")
			b.ReportMetric(100*float64(leaves(p).Nanoseconds())/quartile(took[0]), "%-leaves-alone")
		})
	}
}

// leaves is what the folds and the leaves of one step of all texts take by themselves.
func leaves(p *Pace) time.Duration {
	const times = 10
	f := p.forward
	took := make([]time.Duration, 400)
	for i := range took {
		began := time.Now()
		for range times {
			for layer := range f.layers {
				f.fold(layer)
			}
			for text := range p.texts {
				receipt.Leaf(0, 0, digest(f.logits[text*f.Size():][:f.Size()]), f.folded(text))
			}
		}
		took[i] = time.Since(began) / times
	}
	slices.Sort(took)
	return took[len(took)/4]
}
