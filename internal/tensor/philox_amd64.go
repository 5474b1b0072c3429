//go:build goexperiment.simd && amd64

package tensor

import (
	"math"
	"simd/archsimd"
)

// philox256 makes eight counters' words at a time. A word is the lower half of a
// lane, what the upper half has does not count. Lanes are in the order in which two
// halves of the words interleave to those of a counter.
//
//go:norace
func philox256(dst []uint32, counter [4]uint32, key [2]uint32) {
	order := [4]uint64{0, 2, 1, 3}
	half, lower := archsimd.BroadcastUint64x4(32), archsimd.BroadcastUint64x4(math.MaxUint32)
	first, second := archsimd.BroadcastUint64x4(philoxFirst).AsUint32x8(), archsimd.BroadcastUint64x4(philoxSecond).AsUint32x8()
	weyl, root := archsimd.BroadcastUint64x4(philoxWeyl), archsimd.BroadcastUint64x4(philoxSqrt)
	four := archsimd.BroadcastUint64x4(4)
	at := archsimd.BroadcastUint64x4(uint64(counter[2])).Add(archsimd.LoadUint64x4(&order))
	for ; len(dst) >= philoxRun; dst = dst[philoxRun:] {
		k0, k1 := archsimd.BroadcastUint64x4(uint64(key[0])), archsimd.BroadcastUint64x4(uint64(key[1]))
		a, b, d := archsimd.BroadcastUint64x4(uint64(counter[0])), archsimd.BroadcastUint64x4(uint64(counter[1])), archsimd.BroadcastUint64x4(uint64(counter[3]))
		c, e, f, g, h := at, a, b, at.Add(four), d
		at = g.Add(four)
		for range philoxRounds {
			x, y := a.AsUint32x8().MulEvenWiden(first), c.AsUint32x8().MulEvenWiden(second)
			a, b, c, d = y.ShiftRight(half).Xor(b).Xor(k0), y, x.ShiftRight(half).Xor(d).Xor(k1), x
			x, y = e.AsUint32x8().MulEvenWiden(first), g.AsUint32x8().MulEvenWiden(second)
			e, f, g, h = y.ShiftRight(half).Xor(f).Xor(k0), y, x.ShiftRight(half).Xor(h).Xor(k1), x
			k0, k1 = k0.Add(weyl), k1.Add(root)
		}
		run := (*[philoxRun]uint32)(dst)
		a, c = a.And(lower).Or(b.ShiftLeft(half)), c.And(lower).Or(d.ShiftLeft(half))
		e, g = e.And(lower).Or(f.ShiftLeft(half)), g.And(lower).Or(h.ShiftLeft(half))
		a.InterleaveLoGrouped(c).AsUint32x8().Store((*[8]uint32)(run[0:]))
		a.InterleaveHiGrouped(c).AsUint32x8().Store((*[8]uint32)(run[8:]))
		e.InterleaveLoGrouped(g).AsUint32x8().Store((*[8]uint32)(run[16:]))
		e.InterleaveHiGrouped(g).AsUint32x8().Store((*[8]uint32)(run[24:]))
	}
	archsimd.ClearAVXUpperBits()
}
