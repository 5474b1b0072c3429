package logprobs

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// What was packed is read again within half a step of the grid, and takes no
// more than 16 bytes a token.
func TestPackAndUnpack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var steps []Step
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			s := Step{Drawn: -rapid.Float32Range(0, 60).Draw(t, "drawn")}
			before := float32(0)
			ids := rapid.SliceOfNDistinct(rapid.Int32Range(0, 1<<18-2), 0, Alternatives, rapid.ID[int32]).Draw(t, "ids")
			for _, id := range ids {
				before -= rapid.Float32Range(0, 20).Draw(t, "gap")
				s.Top = append(s.Top, Chance{id, before})
			}
			steps = append(steps, s)
		}
		packed, err := Pack(steps)
		if err != nil {
			t.Fatal(err)
		}
		if len(packed) > 16*len(steps) {
			t.Fatalf("%d bytes for %d tokens", len(packed), len(steps))
		}
		again, err := Unpack(packed)
		if err != nil || len(again) != len(steps) {
			t.Fatalf("%d steps, %v", len(again), err)
		}
		for i, s := range steps {
			if math.Abs(float64(again[i].Drawn-s.Drawn)) > 0.5/drawnGrid+1e-5 || len(again[i].Top) != len(s.Top) {
				t.Fatalf("step %d: %+v, was %+v", i, again[i], s)
			}
			for k, c := range s.Top {
				if got := again[i].Top[k]; got.ID != c.ID || math.Abs(float64(got.Logprob-c.Logprob)) > 0.5/topGrid+1e-5 {
					t.Fatalf("step %d: %+v, was %+v", i, got, c)
				}
			}
		}
	})
}

func TestPackRefuses(t *testing.T) {
	nan := float32(math.NaN())
	for name, s := range map[string]Step{
		"a certainty above one": {Drawn: 0.1},
		"no number":             {Drawn: nan},
		"an alternative above":  {Top: []Chance{{1, 0.5}}},
		"one that is no number": {Top: []Chance{{1, nan}}},
		"the likeliest last":    {Top: []Chance{{1, -2}, {2, -1}}},
		"the same token twice":  {Top: []Chance{{1, -1}, {1, -2}}},
	} {
		if _, err := Pack([]Step{s}); !errors.Is(err, ErrStep) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Infinite surprise is the largest level; ids beyond the form are left out.
func TestPackAtTheEnds(t *testing.T) {
	packed, err := Pack([]Step{{Drawn: float32(math.Inf(-1)), Top: []Chance{{1 << 18, -1}, {5, -2}, {6, float32(math.Inf(-1))}}}})
	if err != nil {
		t.Fatal(err)
	}
	steps, err := Unpack(packed)
	if err != nil || len(steps[0].Top) != 2 || steps[0].Top[0].ID != 5 || steps[0].Drawn > -63 {
		t.Fatalf("%+v, %v", steps, err)
	}
}

// Nothing but what Pack writes is read.
func FuzzUnpack(f *testing.F) {
	seed, err := Pack([]Step{{-1, []Chance{{1, -1}, {2, -2}, {3, -3}}}, {-0.5, nil}, {0, []Chance{{9, 0}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{255}, StepBytes))
	f.Add(make([]byte, StepBytes))
	f.Fuzz(func(t *testing.T, data []byte) {
		steps, err := Unpack(data)
		if err != nil {
			if !errors.Is(err, ErrForm) {
				t.Fatal(err)
			}
			return
		}
		again, err := Pack(steps)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x reads as %+v, which packs as %x: %v", data, steps, again, err)
		}
	})
}
