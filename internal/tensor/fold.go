package tensor

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// foldPrime is odd, so that no change of one element alone keeps a fold: of
// splitmix64's constants (Steele, Lea and Flood, 2014).
const foldPrime = 0xbf58476d1ce4e5b9

// Fold is a cheap digest of a vector's bits. Elements go in pairs, the second's
// bits above the first's, a last one alone with 0. Of four lanes, lane j begins at
// j and takes the pairs j, j+4, j+8, …, each by h = (h XOR pair) · foldPrime modulo
// 2⁶⁴; the first lane then takes the other three in the same way. It tells where
// two runs part. It binds nobody: a cryptographic digest beside it does.
//
// Every NaN counts as [QuietNaN]: which one an operation gives is the processor's
// choice.
func Fold(x []float32) uint64 {
	h := [4]uint64{0, 1, 2, 3}
	whole := len(x) / 8 * 8
	if !foldNumbers(&h, x[:whole]) {
		h = [4]uint64{0, 1, 2, 3}
		whole = 0
	}
	for i := whole; i < len(x); i += 2 {
		second := float32(0)
		if i+1 < len(x) {
			second = x[i+1]
		}
		lane := &h[i/2%4]
		*lane = (*lane ^ (uint64(CanonicalBits(x[i])) | uint64(CanonicalBits(second))<<32)) * foldPrime
	}
	for _, lane := range h[1:] {
		h[0] = (h[0] ^ lane) * foldPrime
	}
	return h[0]
}

// foldNumbers folds eight elements at a time; false if one of them is no number.
func foldNumbers(h *[4]uint64, x []float32) bool {
	// In a pair's halves: what magnitudes have, and infinity's with a bit above that
	// is lent to a larger one, as NaN's are.
	const magnitudes, guarded, guards = 0x7fffffff_7fffffff, 0xff800000_ff800000, 0x80000000_80000000
	h0, h1, h2, h3, kept := h[0], h[1], h[2], h[3], uint64(guards)
	for ; len(x) >= 8; x = x[8:] {
		b := (*[8]float32)(x)
		p0, p1, p2, p3 := pair(b[0], b[1]), pair(b[2], b[3]), pair(b[4], b[5]), pair(b[6], b[7])
		kept &= (guarded - p0&magnitudes) & (guarded - p1&magnitudes) & (guarded - p2&magnitudes) & (guarded - p3&magnitudes)
		h0, h1, h2, h3 = (h0^p0)*foldPrime, (h1^p1)*foldPrime, (h2^p2)*foldPrime, (h3^p3)*foldPrime
	}
	*h = [4]uint64{h0, h1, h2, h3}
	return kept == guards
}

func pair(a, b float32) uint64 {
	return uint64(math.Float32bits(a)) | uint64(math.Float32bits(b))<<32
}

// QuietNaN are the bits that every NaN counts as in digests.
const QuietNaN = 0x7fc00000

// CanonicalBits are a number's bits as digests have them.
func CanonicalBits(v float32) uint32 {
	if v != v {
		return QuietNaN
	}
	return math.Float32bits(v)
}

// AppendBits appends a vector's bits as digests have them, 4 bytes an element,
// little-endian.
func AppendBits(dst []byte, x []float32) []byte {
	if len(x) == 0 {
		return dst
	}
	if little && kernels[active].elements.magnitude(x) <= infinity {
		return append(dst, unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 4*len(x))...)
	}
	for _, v := range x {
		dst = binary.LittleEndian.AppendUint32(dst, CanonicalBits(v))
	}
	return dst
}

// infinity are the bits of what is larger than every number.
const infinity = 0x7f800000

// little says that this machine keeps numbers as digests have them.
var little = binary.NativeEndian.Uint16([]byte{1, 0}) == 1
