// Package softfloat is IEEE 754 binary32 arithmetic in integers: what a ledger
// computes with, since no two processors need agree about anything but integers.
// Results are rounded to nearest, ties to even; subnormal numbers are kept. Every
// result that is not a number is [NaN], whatever went in.
package softfloat

import "math/bits"

// Float is a binary32, by its bits.
type Float uint32

// Some numbers.
const (
	Zero Float = 0
	One  Float = 0x3f800000
	Inf  Float = 0x7f800000
	NaN  Float = 0x7fc00000
	// Max is the largest finite number.
	Max Float = 0x7f7fffff
)

const sign = Float(1 << 31)

// IsNaN says whether a is not a number.
func (a Float) IsNaN() bool { return a&^sign > Inf }

// Neg changes the sign.
func (a Float) Neg() Float {
	if a.IsNaN() {
		return NaN
	}
	return a ^ sign
}

// Abs clears the sign.
func (a Float) Abs() Float { return a &^ sign }

// Canonical is a, or [NaN] for anything that is not a number.
func (a Float) Canonical() Float {
	if a.IsNaN() {
		return NaN
	}
	return a
}

// Less is a < b: false if either is not a number; zeros are equal.
func (a Float) Less(b Float) bool {
	return !a.IsNaN() && !b.IsNaN() && a.order() < b.order()
}

// Equal is a == b: false if either is not a number; zeros are equal.
func (a Float) Equal(b Float) bool {
	return !a.IsNaN() && !b.IsNaN() && a.order() == b.order()
}

// order ascends with the number.
func (a Float) order() int32 {
	if a&sign != 0 {
		return -int32(a &^ sign)
	}
	return int32(a)
}

// split is a finite number as ±significand·2^exponent.
func (a Float) split() (negative Float, significand uint64, exponent int) {
	negative, significand, exponent = a&sign, uint64(a&0x7fffff), int(a>>23&0xff)
	if exponent == 0 {
		return negative, significand, -149
	}
	return negative, significand | 1<<23, exponent - 150
}

// normal is split with a significand of 24 bits, unless it is zero.
func (a Float) normal() (negative Float, significand uint64, exponent int) {
	negative, significand, exponent = a.split()
	if significand != 0 {
		shift := 24 - bits.Len64(significand)
		significand, exponent = significand<<shift, exponent-shift
	}
	return negative, significand, exponent
}

// round is the nearest number to ±significand·2^exponent. The lowest bit of a
// significand of 26 bits or more may stand for any that were lost below it.
func round(negative Float, significand uint64, exponent int) Float {
	if significand == 0 {
		return negative
	}
	length := bits.Len64(significand)
	shift := length - 24 // what leaves 24 bits
	if exponent+shift < -149 {
		shift = -149 - exponent // a subnormal number has fewer
	}
	switch {
	case shift > length: // below half of the smallest
		return negative
	case shift > 0:
		kept, lost, half := significand>>shift, significand&(1<<shift-1), uint64(1)<<(shift-1)
		if lost > half || lost == half && kept&1 == 1 {
			kept++ // 2^24 is read as the next exponent below
		}
		significand = kept
	default:
		significand <<= -shift
	}
	biased := exponent + shift + 149 // 0 for subnormal numbers and the smallest normal ones
	if biased >= 0xfe {
		return negative | Inf
	}
	return negative | min(Inf, Float(biased)<<23+Float(significand))
}

// Add is a + b.
func Add(a, b Float) Float {
	switch {
	case a.IsNaN() || b.IsNaN():
		return NaN
	case a.Abs() == Inf && b.Abs() == Inf && a != b:
		return NaN
	case a.Abs() == Inf:
		return a
	case b.Abs() == Inf:
		return b
	}
	signA, sigA, expA := a.split()
	signB, sigB, expB := b.split()
	switch {
	case sigA == 0 && sigB == 0:
		return a & b
	case sigA == 0:
		return b
	case sigB == 0:
		return a
	}
	if expA < expB {
		signA, sigA, expA, signB, sigB, expB = signB, sigB, expB, signA, sigA, expA
	}
	const room = 38
	shift := expA - expB
	if shift > room { // then b is less than a quarter of a's last place
		shift, sigB = room, 1
	}
	sigA, expA = sigA<<shift, expA-shift
	switch {
	case signA == signB:
		return round(signA, sigA+sigB, expA)
	case sigA == sigB:
		return Zero
	case sigA > sigB:
		return round(signA, sigA-sigB, expA)
	}
	return round(signB, sigB-sigA, expA)
}

// Sub is a − b.
func Sub(a, b Float) Float { return Add(a, b.Neg()) }

// Mul is a · b.
func Mul(a, b Float) Float {
	negative := (a ^ b) & sign
	switch {
	case a.IsNaN() || b.IsNaN():
		return NaN
	case a.Abs() == Inf || b.Abs() == Inf:
		if a.Abs() == 0 || b.Abs() == 0 {
			return NaN
		}
		return negative | Inf
	}
	_, sigA, expA := a.split()
	_, sigB, expB := b.split()
	return round(negative, sigA*sigB, expA+expB)
}

// Div is a / b.
func Div(a, b Float) Float {
	negative := (a ^ b) & sign
	switch {
	case a.IsNaN() || b.IsNaN():
		return NaN
	case a.Abs() == Inf && b.Abs() == Inf, a.Abs() == 0 && b.Abs() == 0:
		return NaN
	case a.Abs() == Inf || b.Abs() == 0:
		return negative | Inf
	case a.Abs() == 0 || b.Abs() == Inf:
		return negative
	}
	_, sigA, expA := a.normal()
	_, sigB, expB := b.normal()
	const more = 32
	quotient, rest := sigA<<more/sigB, sigA<<more%sigB
	if rest != 0 {
		quotient |= 1
	}
	return round(negative, quotient, expA-expB-more)
}

// Sqrt is the square root; that of −0 is −0.
func Sqrt(a Float) Float {
	switch {
	case a.Abs() == 0 || a == Inf:
		return a
	case a.IsNaN() || a&sign != 0:
		return NaN
	}
	_, significand, exponent := a.normal()
	shift := 38 // leaves 62 bits, whose root has 31
	if (exponent-shift)%2 != 0 {
		shift--
	}
	significand, exponent = significand<<shift, exponent-shift
	root := uint64(0)
	for bit := uint64(1) << 31; bit != 0; bit >>= 1 {
		if next := root | bit; next*next <= significand {
			root = next
		}
	}
	if root*root != significand {
		root |= 1
	}
	return round(0, root, exponent/2)
}
