package tensor

import "math"

// FoldSpan is how many logits one fold is of: few enough that a dispute can show
// them all.
const FoldSpan = 1024

// foldFactor is odd, so that no change of one element alone keeps a fold, and has
// 32 bits, so that vectors multiply by it in two steps: of Wellons' lowbias32 (2018).
const foldFactor = 0x7feb352d

// foldLanes are as many as four vectors of AVX2 hold: their products overlap.
// A row is what the lanes take in one turn.
const (
	foldLanes = 16
	foldRow   = 2 * foldLanes
)

// Fold is a cheap digest of a vector's bits. Elements go in pairs, the second's
// bits above the first's, a last one alone with 0. Of sixteen lanes, lane j begins at
// j and takes the pairs j, j+16, j+32, …, each by y = h XOR pair, then h = (y XOR its
// upper half) · foldFactor modulo 2⁶⁴; the first lane then takes the others in the
// same way. Two runs that part by accident have other folds; who knows the numbers
// can make others with their fold, and gains nothing by it (spec/engine.md, "Fold").
//
// Every NaN counts as [QuietNaN]: which one an operation gives is the processor's
// choice.
func Fold(x []float32) uint64 {
	whole := len(x) / foldRow * foldRow
	h, sound := kernels[active].elements.lanes(x[:whole])
	if !sound {
		whole, h = 0, foldStart
	}
	for i := whole; i < len(x); i += 2 {
		pair := uint64(CanonicalBits(x[i]))
		if i+1 < len(x) {
			pair |= uint64(CanonicalBits(x[i+1])) << 32
		}
		h[i/2%foldLanes] = take(h[i/2%foldLanes], pair)
	}
	for _, lane := range h[1:] {
		h[0] = take(h[0], lane)
	}
	return h[0]
}

// take is how a lane takes a pair. The product alone never lets upper bits reach
// lower ones: two signs that are turned would undo each other.
func take(h, pair uint64) uint64 {
	y := h ^ pair
	return (y ^ y>>32) * foldFactor
}

// foldStart is what the lanes begin at.
var foldStart = [foldLanes]uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// lanesOne are the lanes of a [Fold] after whole rows.
func lanesOne(x []float32) (h [foldLanes]uint64, sound bool) {
	if magnitudeOne(x) > infinity {
		return h, false
	}
	h = foldStart
	for ; len(x) >= foldRow; x = x[foldRow:] {
		row := (*[foldRow]float32)(x)
		for j := range h {
			h[j] = take(h[j], uint64(math.Float32bits(row[2*j]))|uint64(math.Float32bits(row[2*j+1]))<<32)
		}
	}
	return h, true
}

// Folds are the folds of a step's logits, one of each [FoldSpan] of them and of
// what is left, appended to dst.
func Folds(dst []uint64, logits []float32) []uint64 {
	for ; len(logits) > FoldSpan; logits = logits[FoldSpan:] {
		dst = append(dst, Fold(logits[:FoldSpan]))
	}
	return append(dst, Fold(logits))
}

// infinity are the bits of what is larger than every number.
const infinity = 0x7f800000

// QuietNaN are the bits that every NaN counts as in digests.
const QuietNaN = 0x7fc00000

// CanonicalBits are a number's bits as digests have them.
func CanonicalBits(v float32) uint32 {
	if v != v {
		return QuietNaN
	}
	return math.Float32bits(v)
}
