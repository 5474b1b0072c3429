package tensor

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// What vectors do, element after element, is what the plain loops do, at every
// length and for numbers that are none.
func TestElementwise(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	bits := func(x []float32) []uint32 {
		list := make([]uint32, len(x))
		for i, v := range x {
			if list[i] = math.Float32bits(v); v != v {
				list[i] = 0x7fc00000 // any of those that are no numbers
			}
		}
		return list
	}
	eachKernel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(18, 19))
		own, plain := &kernels[active].elements, &portableElements
		for n := 1; n < 70; n++ {
			x, w, u := random(r, n), random(r, n), random(r, n)
			switch n % 7 {
			case 3:
				x[r.IntN(n)] = nan
			case 4:
				x[0], x[r.IntN(n)] = inf, -inf
			case 5:
				x[0] = nan
			}
			for name, op := range map[string]func(e *elementwise, y []float32) []float32{
				"scale": func(e *elementwise, y []float32) []float32 { e.scale(y, 0.3); return y },
				"less":  func(e *elementwise, y []float32) []float32 { e.less(y, 0.3); return y },
				"add":   func(e *elementwise, y []float32) []float32 { e.add(y, w); return y },
				"norm":  func(e *elementwise, y []float32) []float32 { e.norm(y, y, w, 0.3); return y },
				"gate":  func(e *elementwise, y []float32) []float32 { e.gate(y, w, u); return y },
				"top":   func(e *elementwise, y []float32) []float32 { return []float32{e.top(y)} },
				"magnitude": func(e *elementwise, y []float32) []float32 {
					return []float32{math.Float32frombits(e.magnitude(y) >> 1)}
				},
			} {
				got, want := bits(op(own, slices.Clone(x))), bits(op(plain, slices.Clone(x)))
				if !slices.Equal(got, want) {
					t.Errorf("%s of %v: %x, want %x", name, x, got, want)
				}
			}
		}
		for step := 4; step <= 16; step += 12 {
			x, got, want := random(r, 32), make([]int8, 8*step), make([]int8, 8*step)
			x[5], x[6], x[7] = 0.5, 1.5, -2.5 // ties, with a factor of one
			for _, factor := range []float32{1, 40, -40, 0} {
				a, b := own.round(got, step, x, factor)
				c, d := plain.round(want, step, x, factor)
				if a != c || b != d || !slices.Equal(got, want) {
					t.Errorf("rounded %v, sums %d and %d; want %v, %d and %d", got, a, b, want, c, d)
				}
			}
		}
	})
}

// Columns have the softmax of each alone, whatever is above them, and 0 beyond it.
func TestSoftmaxColumns(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	eachKernel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(22, 23))
		for n := range 60 {
			rows := 1 + r.IntN(80)
			seen := max(1, rows-r.IntN(40))
			x := random(r, rows*panelWidth)
			for range n % 4 {
				x[r.IntN(len(x))] = []float32{nan, inf, -inf, -200}[r.IntN(4)]
			}
			want := make([]float32, len(x))
			for j := range panelWidth {
				var column []float32
				for row := range min(rows, seen+j) {
					column = append(column, x[row*panelWidth+j])
				}
				Softmax(column)
				for row, v := range column {
					want[row*panelWidth+j] = v
				}
			}
			SoftmaxColumns(x, seen)
			for at, v := range x {
				if CanonicalBits(v) != CanonicalBits(want[at]) {
					t.Fatalf("%d rows, %d seen: row %d of column %d is %g, want %g", rows, seen, at/panelWidth, at%panelWidth, v, want[at])
				}
			}
		}
	})
}

// Rows together have the softmax of each alone.
func TestSoftmaxRows(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(20, 21))
		for rows := range 11 {
			const stride = 40
			n := 1 + r.IntN(20)
			x := random(r, rows*stride)
			want := slices.Clone(x)
			for i := range rows {
				Softmax(want[i*stride:][:n])
			}
			SoftmaxRows(x, stride, rows, n)
			if at := differs(x, want); at >= 0 {
				t.Fatalf("%d rows of %d: element %d is %g, want %g", rows, n, at, x[at], want[at])
			}
		}
	})
}
