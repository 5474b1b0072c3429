package referee

import (
	"bytes"
	"errors"
	"testing"

	"github.com/koinon/koinon/receipt"
)

func sampleShape() Shape {
	return Shape{
		Dim: 256, Hidden: 512, Heads: 4, KVHeads: 2, HeadDim: 64, Layers: 2, Vocabulary: 300, Context: 128, Epsilon: 0x3727c5ac,
		HeadNorms: true, Embedding: F16, Output: Q6_K,
		Matrices: []Matrices{{Q4_K, Q4_K, Q6_K, Q4_K, Q8_0, Q8_0, F32}, {BF16, F16, F32, Q4_0, TQ1_0, TQ2_0, Q5_K}},
	}
}

func FuzzParseShape(f *testing.F) {
	f.Add(sampleShape().Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseShape(data)
		if err != nil {
			if !errors.Is(err, ErrShape) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(s.Bytes(), data) {
			t.Fatal("two encodings of one shape")
		}
		tr, err := NewTrace(s, receipt.Receipt{PromptTokens: 1, CompletionTokens: 1}, 0)
		if err != nil {
			t.Fatal(err)
		}
		for segment := range tr.Segments() {
			last := tr.Chunks(segment) - 1
			if n := tr.Words(segment, last); n == 0 || n > ChunkWords {
				t.Fatalf("the last chunk of segment %d has %d words", segment, n)
			}
		}
	})
}

// Every row under the root belongs to one tensor, without gaps.
func TestRowsAreWithoutGaps(t *testing.T) {
	s := sampleShape()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	next := uint64(0)
	for _, r := range s.Tensors() {
		if r.First != next {
			t.Fatalf("%q begins at row %d, not %d", r.Name, r.First, next)
		}
		next += r.Count
	}
	if next != s.RowCount() {
		t.Fatalf("%d rows, not %d", next, s.RowCount())
	}
}

func TestHostileShapes(t *testing.T) {
	for name, spoil := range map[string]func(*Shape){
		"no width":       func(s *Shape) { s.Dim = 0 },
		"no layers":      func(s *Shape) { s.Layers = 0 },
		"odd head":       func(s *Shape) { s.HeadDim = 63 },
		"sharing":        func(s *Shape) { s.KVHeads = 3 },
		"epsilon":        func(s *Shape) { s.Epsilon = 0x7fc00000 },
		"part of blocks": func(s *Shape) { s.Hidden = 100 },
		"unknown format": func(s *Shape) { s.Output = 99 },
		"tied":           func(s *Shape) { s.Tied = true },
		"wide":           func(s *Shape) { s.Vocabulary = 1 << 40 },
		"missing layer":  func(s *Shape) { s.Matrices = s.Matrices[:1] },
	} {
		s := sampleShape()
		spoil(&s)
		if err := s.Validate(); !errors.Is(err, ErrShape) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
