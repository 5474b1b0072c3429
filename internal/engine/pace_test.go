package engine

import (
	"testing"
	"time"

	"github.com/koinon/koinon/internal/engine/gguf"
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
