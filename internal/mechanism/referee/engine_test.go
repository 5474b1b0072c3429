package referee

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/koinon/koinon/internal/mechanism/softfloat"
	kernels "github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/internal/tensor/block"
)

// Exp is the engine's, bit by bit, over all magnitudes and around its bounds.
func TestExpIsTheEngines(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 9))
	check := func(bits uint32) {
		want := softfloat.Float(kernels.CanonicalBits(kernels.Exp(math.Float32frombits(bits))))
		if got := exp(softfloat.Float(bits)); got != want {
			t.Fatalf("Exp(%08x) is %08x, the engine gives %08x", bits, got, want)
		}
	}
	for range 300_000 {
		check(random.Uint32())
		check(math.Float32bits(float32(random.Float64()*180 - 90)))
	}
	for _, bound := range []float32{-87.3, 88.7, 0, -17.5, 1, float32(math.Ln2) / 2} {
		for i := range uint32(100) {
			check(math.Float32bits(bound) + i - 50)
		}
	}
}

// Elements of every format are the engine's, whatever bytes their blocks have.
func TestElementsAreTheEngines(t *testing.T) {
	random := rand.New(rand.NewPCG(10, 11))
	for _, kind := range block.Formats() {
		f := Format(kind)
		elements, size := f.block()
		data, want := make([]byte, size), make([]float32, elements)
		for range 200 {
			for i := range data {
				data[i] = byte(random.Uint32())
			}
			kind.Decode(want, data)
			for i, v := range want {
				if got := f.element(data, uint64(i)); got.Canonical() != softfloat.Float(kernels.CanonicalBits(v)) {
					t.Fatalf("%s: element %d of %x is %08x, not %08x", kind, i, data, got, math.Float32bits(v))
				}
			}
		}
	}
}

// Products with every format are the engine's, also of inputs that round to the ends
// of a byte, are tiny, or all of one size.
func TestProductsAreTheEngines(t *testing.T) {
	random := rand.New(rand.NewPCG(12, 13))
	const in = 512
	for _, kind := range block.Formats() {
		for round := range 60 {
			x, w := make([]float32, in), make([]float32, in)
			for i := range x {
				x[i], w[i] = float32(random.NormFloat64()), float32(random.NormFloat64())
				switch round % 4 {
				case 1:
					x[i] = float32(math.Ldexp(float64(x[i]), random.IntN(60)-30))
				case 2:
					x[i] = float32(math.Ldexp(float64(x[i]), -101))
				case 3:
					x[i] = float32(random.IntN(3) - 1)
				}
			}
			row := kind.Append(nil, w)
			m, err := kernels.NewMatrix(kind, row, 1, in)
			if err != nil {
				t.Fatal(err)
			}
			var input kernels.Input
			input.Set(x, 1, in)
			want := make([]float32, 1)
			m.Mul(want, &input, 1)
			soft := make([]float, in)
			for i, v := range x {
				soft[i] = float(math.Float32bits(v))
			}
			if got := Format(kind).dot(row, soft); got != float(kernels.CanonicalBits(want[0])) {
				t.Fatalf("%s, round %d: %08x, the engine gives %08x", kind, round, got, math.Float32bits(want[0]))
			}
		}
	}
}
