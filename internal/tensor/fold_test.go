package tensor

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
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
	for at := range 11 {
		x := make([]float32, 11)
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

// TestFoldVector pins the definition; spec/engine.md has it in words.
func TestFoldVector(t *testing.T) {
	x := make([]float32, 11)
	for i := range x {
		x[i] = float32(i) / 4
	}
	bits := make([]uint64, 12)
	for i, v := range x {
		bits[i] = uint64(math.Float32bits(v))
	}
	h := [4]uint64{0, 1, 2, 3}
	for i := 0; i < 12; i += 2 {
		h[i/2%4] = (h[i/2%4] ^ (bits[i] + bits[i+1]<<32)) * 0xbf58476d1ce4e5b9
	}
	want := h[0]
	for _, lane := range h[1:] {
		want = (want ^ lane) * 0xbf58476d1ce4e5b9
	}
	if got := Fold(x); got != want {
		t.Errorf("%#x, not %#x", got, want)
	}
}

func BenchmarkFold(b *testing.B) {
	x := make([]float32, 2048)
	b.SetBytes(int64(4 * len(x)))
	for b.Loop() {
		Fold(x)
	}
}

// TestAppendBits: as they are, but for what is no number, in every kernel.
func TestAppendBits(t *testing.T) {
	for _, kernel := range Kernels() {
		restore, err := Use(kernel)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 40 {
			for odd := range n + 1 {
				x := make([]float32, n)
				var want []byte
				for i := range x {
					x[i] = float32(i) - 7.5
					bits := math.Float32bits(x[i])
					if i == odd {
						x[i], bits = math.Float32frombits(0xffc00001), 0x7fc00000
					}
					want = binary.LittleEndian.AppendUint32(want, bits)
				}
				if got := AppendBits([]byte{1}, x); string(got[1:]) != string(want) {
					t.Fatalf("%s, %d elements, the %dth no number: %x, not %x", kernel, n, odd, got[1:], want)
				}
			}
		}
		restore()
	}
}
