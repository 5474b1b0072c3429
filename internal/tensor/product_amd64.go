//go:build goexperiment.simd && amd64

package tensor

import (
	"encoding/binary"
	"math"
	"simd/archsimd"
	"unsafe"
)

// wide256 are the steps in AVX2.
var wide256 = steps{
	narrow: narrow256, wide: both256, pick: pick256, above: above256, scale: scale256, fold: fold256, half: half256, brain: brain256,
}

func load32(b []byte) archsimd.Uint8x32 { return archsimd.LoadUint8x32((*[32]byte)(b)) }

// repeat256 repeats four elements of an input eight times.
func repeat256(q []int8) archsimd.Int8x32 {
	four := binary.LittleEndian.Uint32(unsafe.Slice((*byte)(unsafe.Pointer(&q[0])), 4))
	return archsimd.BroadcastInt32x8(int32(four)).AsInt8x32()
}

// narrow256 multiplies weights of at most 6 bits: pairs of products fit int16.
//
//go:norace
func narrow256(s *sums, w []byte, q []int8, n int) {
	ones := archsimd.BroadcastInt16x16(1)
	s0, s1 := archsimd.LoadInt32x8((*[8]int32)(s[0:])), archsimd.LoadInt32x8((*[8]int32)(s[8:]))
	s2, s3 := archsimd.LoadInt32x8((*[8]int32)(s[16:])), archsimd.LoadInt32x8((*[8]int32)(s[24:]))
	for ; len(w) >= 128; w = w[128:] {
		a := repeat256(q[:4])
		s0 = s0.Add(load32(w).DotProductPairsSaturated(a).DotProductPairs(ones))
		s1 = s1.Add(load32(w[32:]).DotProductPairsSaturated(a).DotProductPairs(ones))
		s2 = s2.Add(load32(w[64:]).DotProductPairsSaturated(a).DotProductPairs(ones))
		s3 = s3.Add(load32(w[96:]).DotProductPairsSaturated(a).DotProductPairs(ones))
		if len(w) > 128 {
			q = q[4*n:]
		}
	}
	s0.Store((*[8]int32)(s[0:]))
	s1.Store((*[8]int32)(s[8:]))
	s2.Store((*[8]int32)(s[16:]))
	s3.Store((*[8]int32)(s[24:]))
	archsimd.ClearAVXUpperBits()
}

// both256 multiplies weights of 8 bits as two of 4.
//
//go:norace
func both256(s *sums, w []byte, q []int8, n int) {
	ones, sixteens, low := archsimd.BroadcastInt16x16(1), archsimd.BroadcastInt16x16(16), archsimd.BroadcastUint8x32(15)
	for at := 0; at < panelWidth; at += 8 {
		sum := archsimd.LoadInt32x8((*[8]int32)(s[at:]))
		for k := 0; k*128 < len(w); k++ {
			a := repeat256(q[4*n*k:][:4])
			both := load32(w[k*128+4*at:])
			high := both.AsUint16x16().ShiftAllRight(4).AsUint8x32().And(low)
			sum = sum.Add(both.And(low).DotProductPairsSaturated(a).DotProductPairs(ones))
			sum = sum.Add(high.DotProductPairsSaturated(a).DotProductPairs(sixteens))
		}
		sum.Store((*[8]int32)(s[at:]))
	}
	archsimd.ClearAVXUpperBits()
}

//go:norace
func pick256(dst, src []byte, shift int, mask byte) {
	m := archsimd.BroadcastUint8x32(mask)
	for ; len(dst) >= 32; dst, src = dst[32:], src[32:] {
		load32(src).AsUint16x16().ShiftAllRight(uint64(shift)).AsUint8x32().And(m).Store((*[32]byte)(dst))
	}
	archsimd.ClearAVXUpperBits()
}

//go:norace
func above256(dst, src []byte, shift int, mask byte) {
	m := archsimd.BroadcastUint8x32(mask)
	for ; len(dst) >= 32; dst, src = dst[32:], src[32:] {
		bits := load32(src).AsUint16x16().ShiftAllRight(uint64(shift)).AsUint8x32().And(m)
		load32(dst).Or(bits.AsUint16x16().ShiftAllLeft(4).AsUint8x32()).Store((*[32]byte)(dst))
	}
	archsimd.ClearAVXUpperBits()
}

//go:norace
func scale256(total, part *sums, scales *[panelWidth]int32) {
	for o := 0; o < panelWidth; o += 8 {
		t, p := (*[8]int32)(total[o:]), archsimd.LoadInt32x8((*[8]int32)(part[o:]))
		archsimd.LoadInt32x8(t).Add(p.Mul(archsimd.LoadInt32x8((*[8]int32)(scales[o:])))).Store(t)
	}
	archsimd.ClearAVXUpperBits()
}

// halves256 widens eight float16 that are numbers: their bits, read as a
// float32, are too small by 2¹¹², a factor that rounds nothing.
func halves256(src []byte) archsimd.Float32x8 {
	words := archsimd.LoadUint16x8((*[8]uint16)(unsafe.Pointer((*[16]byte)(src)))).ExtendToUint32()
	sign := words.And(archsimd.BroadcastUint32x8(0x8000)).ShiftAllLeft(16)
	rest := words.And(archsimd.BroadcastUint32x8(0x7fff)).ShiftAllLeft(13).AsFloat32x8()
	value := rest.Mul(archsimd.BroadcastFloat32x8(math.Float32frombits((127 + 112) << 23)))
	return value.AsInt32x8().AsUint32x8().Or(sign).AsFloat32x8()
}

//go:norace
func fold256(out []float32, s *sums, scales []byte, d float32) {
	factor := archsimd.BroadcastFloat32x8(d)
	for o := 0; o < panelWidth; o += 8 {
		scale := halves256(scales[2*o:]).Mul(factor)
		sum := archsimd.LoadInt32x8((*[8]int32)(s[o:])).ConvertToFloat32()
		at := (*[8]float32)(out[o:])
		archsimd.LoadFloat32x8(at).Add(sum.Mul(scale)).Store(at)
	}
	archsimd.ClearAVXUpperBits()
}

//go:norace
func half256(dst []float32, src []byte) {
	for ; len(dst) >= 8; dst, src = dst[8:], src[16:] {
		halves256(src).Store((*[8]float32)(dst))
	}
	archsimd.ClearAVXUpperBits()
}

//go:norace
func brain256(dst []float32, src []byte) {
	for ; len(dst) >= 8; dst, src = dst[8:], src[16:] {
		words := archsimd.LoadUint16x8((*[8]uint16)(unsafe.Pointer((*[16]byte)(src)))).ExtendToUint32()
		words.ShiftAllLeft(16).AsFloat32x8().Store((*[8]float32)(dst))
	}
	archsimd.ClearAVXUpperBits()
}
