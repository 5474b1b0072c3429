//go:build goexperiment.simd && amd64

package tensor

import (
	"math"
	"simd/archsimd"
	"unsafe"
)

// elements256 are the operations in AVX2; what is left over at the end, fewer than
// eight, is done one by one.
var elements256 = elementwise{scale256All, less256, add256, norm256, gate256, top256, magnitude256, roundOne, lanes256, philox256}

// elements512 differ where AVX-512 has an instruction of its own.
func elements512() elementwise {
	l := elements256
	l.round = round512
	return l
}

func load8(x []float32) archsimd.Float32x8 { return archsimd.LoadFloat32x8((*[8]float32)(x)) }

//go:norace
func scale256All(x []float32, s float32) {
	factor := archsimd.BroadcastFloat32x8(s)
	for ; len(x) >= 8; x = x[8:] {
		load8(x).Mul(factor).Store((*[8]float32)(x))
	}
	archsimd.ClearAVXUpperBits()
	scaleOne(x, s)
}

//go:norace
func less256(x []float32, v float32) {
	minus := archsimd.BroadcastFloat32x8(v)
	for ; len(x) >= 8; x = x[8:] {
		load8(x).Sub(minus).Store((*[8]float32)(x))
	}
	archsimd.ClearAVXUpperBits()
	lessOne(x, v)
}

//go:norace
func add256(y, x []float32) {
	for ; len(x) >= 8; x, y = x[8:], y[8:] {
		load8(y).Add(load8(x)).Store((*[8]float32)(y))
	}
	archsimd.ClearAVXUpperBits()
	addOne(y, x)
}

//go:norace
func norm256(y, x, w []float32, s float32) {
	factor := archsimd.BroadcastFloat32x8(s)
	for ; len(x) >= 8; x, y, w = x[8:], y[8:], w[8:] {
		load8(x).Mul(factor).Mul(load8(w)).Store((*[8]float32)(y))
	}
	archsimd.ClearAVXUpperBits()
	normOne(y, x, w, s)
}

//go:norace
func gate256(y, gate, up []float32) {
	one := archsimd.BroadcastFloat32x8(1)
	for ; len(gate) >= 8; y, gate, up = y[8:], gate[8:], up[8:] {
		load8(gate).Div(one.Add(load8(y))).Mul(load8(up)).Store((*[8]float32)(y))
	}
	archsimd.ClearAVXUpperBits()
	gateOne(y, gate, up)
}

// top256 begins every lane with the first element, so that one that is no
// number counts where it would alone.
//
//go:norace
func top256(x []float32) float32 {
	top := archsimd.BroadcastFloat32x8(x[0])
	var eight [8]float32
	for ; len(x) >= 8; x = x[8:] {
		v := load8(x)
		top = v.Merge(top, v.Greater(top))
	}
	top.Store(&eight)
	archsimd.ClearAVXUpperBits()
	best := topOne(eight[:])
	for _, v := range x {
		if v > best {
			best = v
		}
	}
	return best
}

//go:norace
func magnitude256(x []float32) uint32 {
	mask := archsimd.BroadcastInt32x8(math.MaxInt32)
	top := archsimd.BroadcastInt32x8(0)
	var eight [8]int32
	for ; len(x) >= 8; x = x[8:] {
		top = top.Max(load8(x).AsInt32x8().And(mask))
	}
	top.Store(&eight)
	archsimd.ClearAVXUpperBits()
	best := magnitudeOne(x)
	for _, v := range eight {
		best = max(best, uint32(v))
	}
	return best
}

// lanes256 multiplies the halves of lanes by foldFactor one by one. It shifts by
// vectors: a number to shift by is loaded by an instruction that is slow beside wide
// registers. A NaN in any row stays in the sum of the rows; infinities may make one
// there, which costs time alone. The sum is stored before it is looked at: what is
// not stored, the compiler may compute after the wide registers were cleared.
//
//go:norace
func lanes256(x []float32) (h [foldLanes]uint64, sound bool) {
	var eight [8]float32
	half, factor := archsimd.BroadcastUint64x4(32), archsimd.BroadcastUint64x4(foldFactor).AsUint32x8()
	take := func(y archsimd.Uint64x4) archsimd.Uint64x4 {
		upper := y.ShiftRight(half)
		product := upper.AsUint32x8().MulEvenWiden(factor).ShiftLeft(half)
		return y.Xor(upper).AsUint32x8().MulEvenWiden(factor).Add(product)
	}
	h0, h1 := archsimd.LoadUint64x4((*[4]uint64)(foldStart[0:])), archsimd.LoadUint64x4((*[4]uint64)(foldStart[4:]))
	h2, h3 := archsimd.LoadUint64x4((*[4]uint64)(foldStart[8:])), archsimd.LoadUint64x4((*[4]uint64)(foldStart[12:]))
	even := h0.Xor(h0).AsFloat32x8() // zero; the constant is made by an instruction that is slow here
	odd := even
	for ; len(x) >= foldRow; x = x[foldRow:] {
		row := (*[foldRow]float32)(x)
		x0, x1, x2, x3 := load8(row[0:]), load8(row[8:]), load8(row[16:]), load8(row[24:])
		even, odd = even.Add(x0).Add(x1), odd.Add(x2).Add(x3)
		h0, h1 = take(h0.Xor(x0.AsUint64x4())), take(h1.Xor(x1.AsUint64x4()))
		h2, h3 = take(h2.Xor(x2.AsUint64x4())), take(h3.Xor(x3.AsUint64x4()))
	}
	h0.Store((*[4]uint64)(h[0:]))
	h1.Store((*[4]uint64)(h[4:]))
	h2.Store((*[4]uint64)(h[8:]))
	h3.Store((*[4]uint64)(h[12:]))
	even.Add(odd).Store(&eight)
	archsimd.ClearAVXUpperBits()
	sound = true
	for i := range eight {
		sound = sound && eight[i] == eight[i]
	}
	return h, sound
}

// round512 touches nothing but vectors until it clears them: what the compiler
// makes of other variables may be instructions that are slow while wide registers
// hold anything.
//
//go:norace
func round512(q []int8, step int, x []float32, factor float32) (first, second int32) {
	var words [8]uint32
	var sums [8]int32
	_ = q[7*step+3]
	by := archsimd.BroadcastFloat32x16(factor)
	magic, bias := archsimd.BroadcastFloat32x16(rounds), archsimd.BroadcastInt32x16(0x4b400000)
	most := archsimd.BroadcastInt32x16(127)
	low := archsimd.LoadFloat32x16((*[16]float32)(x)).Mul(by).Add(magic).AsInt32x16().Sub(bias).Min(most)
	high := archsimd.LoadFloat32x16((*[16]float32)(x[16:])).Mul(by).Add(magic).AsInt32x16().Sub(bias).Min(most)
	low.TruncateToInt8().AsUint32x4().Store((*[4]uint32)(words[:4]))
	high.TruncateToInt8().AsUint32x4().Store((*[4]uint32)(words[4:]))
	l, h := low.GetLo().Add(low.GetHi()), high.GetLo().Add(high.GetHi())
	l.GetLo().Add(l.GetHi()).Store((*[4]int32)(sums[:4]))
	h.GetLo().Add(h.GetHi()).Store((*[4]int32)(sums[4:]))
	archsimd.ClearAVXUpperBits()
	for i, w := range words {
		*(*uint32)(unsafe.Pointer(&q[i*step])) = w
	}
	return sums[0] + sums[1] + sums[2] + sums[3], sums[4] + sums[5] + sums[6] + sums[7]
}
