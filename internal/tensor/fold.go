package tensor

import (
	"encoding/binary"
	"math"
)

// foldLanes are the accumulators of a [Fold]: as many as keep wide vectors busy.
const foldLanes = 32

// Odd numbers, so that no change of one element, or of one lane, alone keeps a
// fold: the first of xxHash's (Collet, 2012), and one of splitmix64's (Steele, Lea
// and Flood, 2014).
const (
	foldPrime32 = 0x9e3779b1
	foldPrime64 = 0xbf58476d1ce4e5b9
)

// quietNaN are the bits that every NaN counts as in digests: which one an
// operation gives is the processor's choice.
const quietNaN = 0x7fc00000

// Fold is a cheap digest of a vector's bits. Of its 32 lanes, lane j begins at j and
// takes the elements j, j+32, j+64, …, each by h = (h XOR bits) · 0x9e3779b1 modulo
// 2³². Every NaN has the bits 0x7fc00000.
//
// Whoever has not computed the vector cannot tell its fold, and that is what it is
// for: it is compared with what another computed. Whoever has computed it can make
// other vectors of the same fold, so that it names none.
type Fold [foldLanes]uint32

// FoldOf folds a vector.
func FoldOf(x []float32) (f Fold) {
	for j := range f {
		f[j] = uint32(j)
	}
	whole := len(x) / foldLanes * foldLanes
	kernels[active].elements.fold(&f, x[:whole])
	foldOne(&f, x[whole:])
	return f
}

// Joined is the fold in 64 bits: the lanes in pairs, the second's bits above the
// first's, each taken by h = (h XOR pair) · 0xbf58476d1ce4e5b9 modulo 2⁶⁴, from 0.
func (f Fold) Joined() uint64 { return join(f[:]) }

// Wide is the fold in 256 bits: what each eight lanes give when they are joined
// alone, 8 bytes each, little-endian.
func (f Fold) Wide() (wide [32]byte) {
	for i := range 4 {
		binary.LittleEndian.PutUint64(wide[8*i:], join(f[8*i:8*i+8]))
	}
	return wide
}

func join(lanes []uint32) (h uint64) {
	for i := 0; i < len(lanes); i += 2 {
		h = (h ^ (uint64(lanes[i]) | uint64(lanes[i+1])<<32)) * foldPrime64
	}
	return h
}

func foldOne(f *Fold, x []float32) {
	for ; len(x) >= foldLanes; x = x[foldLanes:] {
		for i, v := range (*[foldLanes]float32)(x) {
			f[i] = (f[i] ^ CanonicalBits(v)) * foldPrime32
		}
	}
	for i, v := range x {
		f[i] = (f[i] ^ CanonicalBits(v)) * foldPrime32
	}
}

// CanonicalBits are a number's bits as digests have them.
func CanonicalBits(v float32) uint32 {
	if v != v {
		return quietNaN
	}
	return math.Float32bits(v)
}
