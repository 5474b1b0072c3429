package tensor

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestFoldSeesEveryBit changes each bit of vectors of all lengths about the lanes'.
func TestFoldSeesEveryBit(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := 1; n < 40; n++ {
		x := make([]float32, n)
		for i := range x {
			x[i] = random.Float32() - 0.5
		}
		want := Fold(x)
		for i := range x {
			kept := x[i]
			for bit := range 32 {
				x[i] = math.Float32frombits(math.Float32bits(kept) ^ 1<<bit)
				if Fold(x) == want {
					t.Fatalf("bit %d of element %d of %d does not count", bit, i, n)
				}
			}
			x[i] = kept
		}
	}
}

// TestFoldOfNaN: processors differ in the NaN that they give.
func TestFoldOfNaN(t *testing.T) {
	const n = 2*foldRow + 11 // whole rows are vectors' work, the rest is not
	for at := range n {
		x := make([]float32, n)
		folds := map[uint64]bool{}
		for _, nan := range []uint32{0xffc00000, QuietNaN, 0x7f800001, 0xffffffff} {
			x[at] = math.Float32frombits(nan)
			folds[Fold(x)] = true
		}
		x[at] = float32(math.Inf(1))
		folds[Fold(x)] = true
		x[at] = float32(math.Inf(-1))
		if folds[Fold(x)] = true; len(folds) != 3 {
			t.Errorf("NaNs and both infinities at %d give %d folds, not 3", at, len(folds))
		}
	}
}

// TestFoldVector pins the definition in every kernel; spec/engine.md has it in words.
func TestFoldVector(t *testing.T) {
	for _, kernel := range Kernels() {
		restore, err := Use(kernel)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 150 {
			x, bits := make([]float32, n), make([]uint64, n+1)
			for i := range x {
				x[i] = float32(i)/4 - 9
				bits[i] = uint64(math.Float32bits(x[i]))
				if n%3 == 0 && i == n/2 {
					x[i], bits[i] = math.Float32frombits(0xffc00001), 0x7fc00000
				}
			}
			var h [16]uint64
			for j := range h {
				h[j] = uint64(j)
			}
			for i := 0; i < n; i += 2 {
				y := h[i/2%16] ^ (bits[i] + bits[i+1]<<32)
				h[i/2%16] = (y ^ y>>32) * 0x7feb352d
			}
			want := h[0]
			for _, lane := range h[1:] {
				y := want ^ lane
				want = (y ^ y>>32) * 0x7feb352d
			}
			if got := Fold(x); got != want {
				t.Errorf("%s, %d elements: %#x, not %#x", kernel, n, got, want)
			}
		}
		restore()
	}
}

// TestFoldSeesTwoBits changes two bits at a time, as far as they may lie apart: none
// undoes another, the signs of two elements above all.
func TestFoldSeesTwoBits(t *testing.T) {
	x := make([]float32, 72)
	for i := range x {
		x[i] = float32(i) - 35.5
	}
	flip := func(bit int) { x[bit/32] = math.Float32frombits(math.Float32bits(x[bit/32]) ^ 1<<(bit%32)) }
	want := Fold(x)
	for a := range 32 * len(x) {
		flip(a)
		for b := range a {
			flip(b)
			if Fold(x) == want {
				t.Fatalf("bits %d and %d together do not count", b, a)
			}
			flip(b)
		}
		flip(a)
	}
}

// TestFolds: each span has its own, and what is left has one.
func TestFolds(t *testing.T) {
	x := make([]float32, 2*FoldSpan+1)
	for i := range x {
		x[i] = float32(i)
	}
	for n, want := range map[int][]uint64{
		1:            {Fold(x[:1])},
		FoldSpan:     {Fold(x[:FoldSpan])},
		FoldSpan + 1: {Fold(x[:FoldSpan]), Fold(x[FoldSpan:][:1])},
		len(x):       {Fold(x[:FoldSpan]), Fold(x[FoldSpan:][:FoldSpan]), Fold(x[2*FoldSpan:])},
	} {
		if got := Folds(nil, x[:n]); !slices.Equal(got, want) {
			t.Errorf("of %d logits: %x, not %x", n, got, want)
		}
	}
}

func BenchmarkFold(b *testing.B) {
	x := make([]float32, 2048)
	b.SetBytes(int64(4 * len(x)))
	for b.Loop() {
		Fold(x)
	}
}
