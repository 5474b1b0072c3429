package softfloat

// FromInt is the nearest number to v.
func FromInt(v int64) Float {
	if v < 0 {
		return round(sign, uint64(-v), 0)
	}
	return round(0, uint64(v), 0)
}

// Nearest rounds to an integer, ties to even. A number of 2²² or more, in size, is
// taken as 2²² there, and NaN as 0.
func (a Float) Nearest() int32 {
	if a.IsNaN() {
		return 0
	}
	const most = 0x4a800000 // 2²²
	if a.Abs() >= most {
		a = a&sign | most
	}
	const magic = Float(0x4b400000) // 1.5·2²³
	return int32(Add(a, magic)) - int32(magic)
}

// Scale is a · 2ⁿ, n of a normal number: −126 to 127.
func Scale(a Float, n int32) Float { return Mul(a, Float(n+127)<<23) }

// FromHalf widens a binary16.
func FromHalf(h uint16) Float {
	negative, exponent, fraction := Float(h>>15)<<31, int(h>>10)&0x1f, uint64(h&0x3ff)
	switch exponent {
	case 0x1f:
		if fraction != 0 {
			return NaN
		}
		return negative | Inf
	case 0:
		return round(negative, fraction, -24)
	}
	return round(negative, fraction|1<<10, exponent-25)
}

// ToHalf rounds to the nearest binary16, ties to even; what is too large becomes
// infinite, what is not a number 7e00 with its sign cleared.
func (a Float) ToHalf() uint16 {
	if a.IsNaN() {
		return 0x7e00
	}
	negative := uint16(a >> 16 & 0x8000)
	magnitude := a.Abs()
	switch {
	case magnitude >= 0x477ff000: // rounds to 65536 or more
		return negative | 0x7c00
	case magnitude < 0x38800000: // subnormal: a multiple of 2⁻²⁴
		return negative | uint16(Mul(magnitude, 0x4b800000).Nearest())
	}
	rounded := magnitude + 0xfff + magnitude>>13&1
	return negative | uint16(rounded>>13-112<<10)
}

// FromBrain widens a bfloat16.
func FromBrain(b uint16) Float { return (Float(b) << 16).Canonical() }

// ToBrain rounds to the nearest bfloat16, ties to even.
func (a Float) ToBrain() uint16 {
	if a.IsNaN() {
		return 0x7fc0
	}
	return uint16((a + 0x7fff + a>>16&1) >> 16)
}
