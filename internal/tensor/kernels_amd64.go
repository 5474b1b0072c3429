//go:build goexperiment.simd && amd64

package tensor

import (
	"maps"
	"simd/archsimd"
)

// The vector kernels end by clearing the wide registers: on some processors
// SHA-256's instructions are fifty times slower while those hold anything, and
// every step ends with some.

func vectorKernels() []kernel {
	var found []kernel
	fastest := wide256.products() // what has no AVX-512 of its own
	maps.Copy(fastest, vnniProducts())
	if archsimd.X86.AVX512() {
		maps.Copy(fastest, wordProducts())
		tiles := []tileKernel{floats512(8, f32x8), floats512(4, f32x4), floats512(1, f32x1)}
		found = append(found, kernel{"avx512", tiles, exp512, elements512(), columns256, fastest})
	}
	if archsimd.X86.AVX2() {
		found = append(found, kernel{"avx2", []tileKernel{{4, four256}, {1, one256}}, exp256, elements256, columns256, wide256.products()})
	}
	return found
}

// four256 computes a panel's columns in two halves, as the accumulators of a
// whole one would not fit the sixteen registers.
//
//go:norace
func four256(t tile, row int) {
	for from := 0; from < panelWidth; from += 16 {
		c0 := t.c[(row+0)*t.stride+from:][:16]
		c1 := t.c[(row+1)*t.stride+from:][:16]
		c2 := t.c[(row+2)*t.stride+from:][:16]
		c3 := t.c[(row+3)*t.stride+from:][:16]
		var a0, a1, b0, b1, d0, d1, e0, e1 archsimd.Float32x8
		if t.accumulate {
			a0, a1 = archsimd.LoadFloat32x8Slice(c0), archsimd.LoadFloat32x8Slice(c0[8:])
			b0, b1 = archsimd.LoadFloat32x8Slice(c1), archsimd.LoadFloat32x8Slice(c1[8:])
			d0, d1 = archsimd.LoadFloat32x8Slice(c2), archsimd.LoadFloat32x8Slice(c2[8:])
			e0, e1 = archsimd.LoadFloat32x8Slice(c3), archsimd.LoadFloat32x8Slice(c3[8:])
		}
		at, step := row*t.row, t.col
		x0, x1 := t.a[at:], t.a[at+t.row:]
		x2, x3 := t.a[at+2*t.row:], t.a[at+3*t.row:]
		i := 0
		for p := t.panel; len(p) >= panelWidth; p = p[panelWidth:] {
			half := (*[16]float32)(p[from:])
			y0, y1 := archsimd.LoadFloat32x8((*[8]float32)(half[:])), archsimd.LoadFloat32x8((*[8]float32)(half[8:]))
			x := archsimd.BroadcastFloat32x8(x0[i])
			a0, a1 = a0.Add(x.Mul(y0)), a1.Add(x.Mul(y1))
			x = archsimd.BroadcastFloat32x8(x1[i])
			b0, b1 = b0.Add(x.Mul(y0)), b1.Add(x.Mul(y1))
			x = archsimd.BroadcastFloat32x8(x2[i])
			d0, d1 = d0.Add(x.Mul(y0)), d1.Add(x.Mul(y1))
			x = archsimd.BroadcastFloat32x8(x3[i])
			e0, e1 = e0.Add(x.Mul(y0)), e1.Add(x.Mul(y1))
			i += step
		}
		a0.StoreSlice(c0)
		a1.StoreSlice(c0[8:])
		b0.StoreSlice(c1)
		b1.StoreSlice(c1[8:])
		d0.StoreSlice(c2)
		d1.StoreSlice(c2[8:])
		e0.StoreSlice(c3)
		e1.StoreSlice(c3[8:])
	}
	archsimd.ClearAVXUpperBits()
}

//go:norace
func one256(t tile, row int) {
	c := t.c[row*t.stride:][:panelWidth]
	var a0, a1, a2, a3 archsimd.Float32x8
	if t.accumulate {
		a0, a1 = archsimd.LoadFloat32x8Slice(c), archsimd.LoadFloat32x8Slice(c[8:])
		a2, a3 = archsimd.LoadFloat32x8Slice(c[16:]), archsimd.LoadFloat32x8Slice(c[24:])
	}
	a, i := t.a[row*t.row:], 0
	for p := t.panel; len(p) >= panelWidth; p = p[panelWidth:] {
		x := archsimd.BroadcastFloat32x8(a[i])
		a0 = a0.Add(x.Mul(archsimd.LoadFloat32x8((*[8]float32)(p))))
		a1 = a1.Add(x.Mul(archsimd.LoadFloat32x8((*[8]float32)(p[8:]))))
		a2 = a2.Add(x.Mul(archsimd.LoadFloat32x8((*[8]float32)(p[16:]))))
		a3 = a3.Add(x.Mul(archsimd.LoadFloat32x8((*[8]float32)(p[24:]))))
		i += t.col
	}
	a0.StoreSlice(c)
	a1.StoreSlice(c[8:])
	a2.StoreSlice(c[16:])
	a3.StoreSlice(c[24:])
	archsimd.ClearAVXUpperBits()
}
