package tensor

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/koinon/koinon/internal/tensor/block"
)

// randomMatrix makes a matrix of a format, and returns its rows as float32.
func randomMatrix(t testing.TB, f block.Format, out, in int, r *rand.Rand) (*Matrix, []float32) {
	t.Helper()
	values := make([]float32, out*in)
	for i := range values {
		values[i] = float32(r.NormFloat64())
		if f == block.TQ1_0 || f == block.TQ2_0 {
			values[i] = float32(r.IntN(3)-1) * 0.7
		}
	}
	data := f.Append(nil, values)
	m, err := NewMatrix(f, data, out, in)
	if err != nil {
		t.Fatal(err)
	}
	f.Decode(values, data)
	return m, values
}

func inputs(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// A matrix gives back the rows that its file holds, bit for bit.
func TestRowsAreTheFiles(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, f := range block.Formats() {
		m, values := randomMatrix(t, f, 45, 512, r)
		row := make([]float32, 512)
		for o := range 45 {
			m.Row(row, o)
			for k, v := range row {
				if v != values[o*512+k] {
					t.Fatalf("%s: element (%d, %d) is %g, the file has %g", f, o, k, v, values[o*512+k])
				}
			}
		}
	}
}

// The product is nearly that of real numbers, as nearly as int8 inputs allow.
func TestProductsAreRight(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const out, in, rows = 45, 512, 6
	for _, f := range block.Formats() {
		m, values := randomMatrix(t, f, out, in, r)
		x := inputs(r, rows*in)
		y := make([]float32, rows*out)
		var input Input
		input.Set(x, rows, in)
		m.Mul(y, &input, 1)
		var noise, signal float64
		for i := range rows {
			for o := range out {
				var want float64
				for k := range in {
					want += float64(x[i*in+k]) * float64(values[o*in+k])
				}
				noise += math.Pow(want-float64(y[i*out+o]), 2)
				signal += want * want
			}
		}
		if e := math.Sqrt(noise / signal); e > 0.012 {
			t.Errorf("%s: relative error %.4f", f, e)
		} else {
			t.Logf("%s: relative error %.5f", f, e)
		}
	}
}

// Every kernel, thread count, and division into rows gives the same bits.
func TestProductsAreReproducible(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	const out, in, rows = 77, 768, 11
	defer func() { active = 0 }()
	for _, f := range block.Formats() {
		m, _ := randomMatrix(t, f, out, in, r)
		x := inputs(r, rows*in)
		var want []float32
		for kernel := range kernels {
			active = kernel
			for _, workers := range []int{1, 3} {
				for _, step := range []int{rows, 1, 5} {
					y := make([]float32, rows*out)
					var input Input
					for from := 0; from < rows; from += step {
						n := min(step, rows-from)
						input.Set(x[from*in:], n, in)
						m.Mul(y[from*out:], &input, workers)
					}
					if want == nil {
						want = y
					}
					if !slices.Equal(y, want) {
						t.Fatalf("%s: %s with %d threads, %d rows at once, gives other bits", f, kernels[kernel].name, workers, step)
					}
				}
			}
		}
	}
}

func TestNoNumbersAreRefused(t *testing.T) {
	for _, f := range block.Formats() {
		data := f.Append(nil, make([]float32, 256))
		for i := range data {
			data[i] = 0xff
		}
		if _, err := NewMatrix(f, data, 1, 256); err == nil {
			t.Errorf("%s: weights that are no numbers are taken", f)
		}
	}
}

func BenchmarkProduct(b *testing.B) {
	r := rand.New(rand.NewPCG(9, 10))
	const out, in = 2048, 2048
	for _, f := range block.Formats() {
		m, _ := randomMatrix(b, f, out, in, r)
		for _, rows := range []int{1, 64} {
			b.Run(f.String()+map[int]string{1: "/one", 64: "/many"}[rows], func(b *testing.B) {
				x, y := inputs(r, rows*in), make([]float32, rows*out)
				var input Input
				for b.Loop() {
					input.Set(x, rows, in)
					m.Mul(y, &input, 1)
				}
				b.SetBytes(int64(m.Bytes()))
				b.ReportMetric(2*float64(out)*float64(in)*float64(rows)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
