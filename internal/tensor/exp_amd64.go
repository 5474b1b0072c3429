//go:build goexperiment.simd && amd64

package tensor

import "simd/archsimd"

// exp512 is Exp on sixteen lanes where none of them is special, and Exp itself
// for the rest.
//
//go:norace
func exp512(dst, src []float32) {
	low, high := archsimd.BroadcastFloat32x16(expMin), archsimd.BroadcastFloat32x16(expMax)
	round := archsimd.BroadcastFloat32x16(rounds)
	l2e := archsimd.BroadcastFloat32x16(log2E)
	hi, lo := archsimd.BroadcastFloat32x16(ln2Hi), archsimd.BroadcastFloat32x16(ln2Lo)
	c7, c6 := archsimd.BroadcastFloat32x16(exp7), archsimd.BroadcastFloat32x16(exp6)
	c5, c4 := archsimd.BroadcastFloat32x16(exp5), archsimd.BroadcastFloat32x16(exp4)
	c3, c2 := archsimd.BroadcastFloat32x16(exp3), archsimd.BroadcastFloat32x16(exp2)
	one := archsimd.BroadcastFloat32x16(1)
	bias := archsimd.BroadcastInt32x16(127)
	for len(src) >= 16 {
		x := archsimd.LoadFloat32x16((*[16]float32)(src))
		if x.GreaterEqual(low).And(x.LessEqual(high)).ToBits() != 0xffff {
			expGo(dst[:16], src[:16])
			src, dst = src[16:], dst[16:]
			continue
		}
		n := x.Mul(l2e).Add(round).Sub(round)
		r := x.Sub(n.Mul(hi)).Sub(n.Mul(lo))
		p := c7.Mul(r).Add(c6)
		p = p.Mul(r).Add(c5)
		p = p.Mul(r).Add(c4)
		p = p.Mul(r).Add(c3)
		p = p.Mul(r).Add(c2)
		p = p.Mul(r).Add(one)
		p = p.Mul(r).Add(one)
		whole := n.ConvertToInt32()
		half := whole.ShiftAllRight(1)
		p = p.Mul(half.Add(bias).ShiftAllLeft(23).AsFloat32x16())
		p = p.Mul(whole.Sub(half).Add(bias).ShiftAllLeft(23).AsFloat32x16())
		p.Store((*[16]float32)(dst))
		src, dst = src[16:], dst[16:]
	}
	archsimd.ClearAVXUpperBits()
	if len(src) > 0 { // the rest, in lanes that are filled up
		var rest [16]float32
		copy(rest[:], src)
		exp512(rest[:], rest[:])
		copy(dst, rest[:len(src)])
	}
}

// exp256 is exp512 on eight lanes.
//
//go:norace
func exp256(dst, src []float32) {
	low, high := archsimd.BroadcastFloat32x8(expMin), archsimd.BroadcastFloat32x8(expMax)
	round := archsimd.BroadcastFloat32x8(rounds)
	l2e := archsimd.BroadcastFloat32x8(log2E)
	hi, lo := archsimd.BroadcastFloat32x8(ln2Hi), archsimd.BroadcastFloat32x8(ln2Lo)
	c7, c6 := archsimd.BroadcastFloat32x8(exp7), archsimd.BroadcastFloat32x8(exp6)
	c5, c4 := archsimd.BroadcastFloat32x8(exp5), archsimd.BroadcastFloat32x8(exp4)
	c3, c2 := archsimd.BroadcastFloat32x8(exp3), archsimd.BroadcastFloat32x8(exp2)
	one := archsimd.BroadcastFloat32x8(1)
	bias := archsimd.BroadcastInt32x8(127)
	for len(src) >= 8 {
		x := archsimd.LoadFloat32x8((*[8]float32)(src))
		if x.GreaterEqual(low).And(x.LessEqual(high)).ToBits() != 0xff {
			expGo(dst[:8], src[:8])
			src, dst = src[8:], dst[8:]
			continue
		}
		n := x.Mul(l2e).Add(round).Sub(round)
		r := x.Sub(n.Mul(hi)).Sub(n.Mul(lo))
		p := c7.Mul(r).Add(c6)
		p = p.Mul(r).Add(c5)
		p = p.Mul(r).Add(c4)
		p = p.Mul(r).Add(c3)
		p = p.Mul(r).Add(c2)
		p = p.Mul(r).Add(one)
		p = p.Mul(r).Add(one)
		whole := n.ConvertToInt32()
		half := whole.ShiftAllRight(1)
		p = p.Mul(half.Add(bias).ShiftAllLeft(23).AsFloat32x8())
		p = p.Mul(whole.Sub(half).Add(bias).ShiftAllLeft(23).AsFloat32x8())
		p.Store((*[8]float32)(dst))
		src, dst = src[8:], dst[8:]
	}
	archsimd.ClearAVXUpperBits()
	if len(src) > 0 { // the rest, in lanes that are filled up
		var rest [8]float32
		copy(rest[:], src)
		exp256(rest[:], rest[:])
		copy(dst, rest[:len(src)])
	}
}
