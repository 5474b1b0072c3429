package tensor

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// foldAsWritten is spec/engine.md's text in code.
func foldAsWritten(x []float32) (lanes Fold, joined uint64, wide [32]byte) {
	for j := range uint32(32) {
		lanes[j] = j
	}
	for i, v := range x {
		bits := math.Float32bits(v)
		if v != v {
			bits = 0x7fc00000
		}
		lanes[i%32] = (lanes[i%32] ^ bits) * 0x9e3779b1
	}
	for i := 0; i < 32; i += 2 {
		joined = (joined ^ (uint64(lanes[i]) + uint64(lanes[i+1])<<32)) * 0xbf58476d1ce4e5b9
	}
	for k := range 4 {
		h := uint64(0)
		for i := 8 * k; i < 8*k+8; i += 2 {
			h = (h ^ (uint64(lanes[i]) + uint64(lanes[i+1])<<32)) * 0xbf58476d1ce4e5b9
		}
		binary.LittleEndian.PutUint64(wide[8*k:], h)
	}
	return lanes, joined, wide
}

// TestFolds compares every kernel with the specification, on vectors of all lengths
// about the lanes', with what is no number in every place.
func TestFolds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, kernel := range Kernels() {
		restore, err := Use(kernel)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 200 {
			x := make([]float32, n)
			for i := range x {
				x[i] = random.Float32() - 0.5
			}
			check := func() {
				t.Helper()
				lanes, joined, wide := foldAsWritten(x)
				if got := FoldOf(x); got != lanes || got.Joined() != joined || got.Wide() != wide {
					t.Fatalf("%s, %d elements: %x, not %x", kernel, n, got, lanes)
				}
			}
			check()
			for i := range x {
				kept := x[i]
				for _, odd := range []uint32{0xffc00000, 0x7fc00001, 0x7f800001, 0x7f800000, 0xff800000, 0x80000000, 1} {
					x[i] = math.Float32frombits(odd)
					check()
				}
				x[i] = kept
			}
		}
		restore()
	}
}

// TestFoldSeesEveryBit changes each bit of each element.
func TestFoldSeesEveryBit(t *testing.T) {
	x := make([]float32, 75)
	for i := range x {
		x[i] = float32(i) / 7
	}
	want := FoldOf(x).Joined()
	for i := range x {
		kept := x[i]
		for bit := range 32 {
			x[i] = math.Float32frombits(math.Float32bits(kept) ^ 1<<bit)
			if FoldOf(x).Joined() == want {
				t.Fatalf("bit %d of element %d does not count", bit, i)
			}
		}
		x[i] = kept
	}
}

func BenchmarkFold(b *testing.B) {
	x := make([]float32, 16384)
	b.SetBytes(int64(4 * len(x)))
	for b.Loop() {
		FoldOf(x)
	}
}
