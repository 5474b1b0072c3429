//go:build goexperiment.simd && amd64

package tensor

import "simd/archsimd"

// columns256 are the operations in AVX2, a row in four vectors.
var columns256 = columnwise{topColumns256, lessColumns256, sumColumns256, scaleColumns256}

func loadRow(x *columns) (a, b, c, d archsimd.Float32x8) {
	return load8(x[0:]), load8(x[8:]), load8(x[16:]), load8(x[24:])
}

func storeRow(x *columns, a, b, c, d archsimd.Float32x8) {
	a.Store((*[8]float32)(x[0:]))
	b.Store((*[8]float32)(x[8:]))
	c.Store((*[8]float32)(x[16:]))
	d.Store((*[8]float32)(x[24:]))
}

//go:norace
func topColumns256(x []float32) (top columns) {
	a, b, c, d := loadRow((*columns)(x))
	for ; len(x) >= panelWidth; x = x[panelWidth:] {
		e, f, g, h := loadRow((*columns)(x))
		a, b = e.Merge(a, e.Greater(a)), f.Merge(b, f.Greater(b))
		c, d = g.Merge(c, g.Greater(c)), h.Merge(d, h.Greater(d))
	}
	storeRow(&top, a, b, c, d)
	archsimd.ClearAVXUpperBits()
	return top
}

//go:norace
func lessColumns256(x []float32, v columns) {
	a, b, c, d := loadRow(&v)
	for ; len(x) >= panelWidth; x = x[panelWidth:] {
		row := (*columns)(x)
		e, f, g, h := loadRow(row)
		storeRow(row, e.Sub(a), f.Sub(b), g.Sub(c), h.Sub(d))
	}
	archsimd.ClearAVXUpperBits()
}

//go:norace
func sumColumns256(x []float32, sums columns) columns {
	a, b, c, d := loadRow(&sums)
	for ; len(x) >= panelWidth; x = x[panelWidth:] {
		e, f, g, h := loadRow((*columns)(x))
		a, b, c, d = a.Add(e), b.Add(f), c.Add(g), d.Add(h)
	}
	storeRow(&sums, a, b, c, d)
	archsimd.ClearAVXUpperBits()
	return sums
}

//go:norace
func scaleColumns256(x []float32, v columns) {
	a, b, c, d := loadRow(&v)
	for ; len(x) >= panelWidth; x = x[panelWidth:] {
		row := (*columns)(x)
		e, f, g, h := loadRow(row)
		storeRow(row, e.Mul(a), f.Mul(b), g.Mul(c), h.Mul(d))
	}
	archsimd.ClearAVXUpperBits()
}
