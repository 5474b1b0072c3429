package block

import "math"

// Q8_0: a scale d in float16, and 32 int8. Element = q·d.
func decodeQ8(dst []float32, src []byte) {
	d := Half(order.Uint16(src))
	for i := range dst {
		dst[i] = float32(int8(src[2+i])) * d
	}
}

func encodeQ8(dst []byte, src []float32) {
	scale, inverse := steps(largest(src), 127)
	order.PutUint16(dst, ToHalf(scale))
	for i, v := range src {
		dst[2+i] = byte(int8(math.Round(float64(v * inverse))))
	}
}

// Q4_0: a scale d in float16, and 16 bytes, of which byte i holds element i in
// its low half and element i+16 in its high half. Element = (q−8)·d.
func decodeQ4(dst []float32, src []byte) {
	d := Half(order.Uint16(src))
	for i := range 16 {
		b := src[2+i]
		dst[i] = float32(int(b&15)-8) * d
		dst[i+16] = float32(int(b>>4)-8) * d
	}
}

// encodeQ4 gives the element of the largest magnitude, whose sign the scale
// takes on, the end of the range that is further from zero.
func encodeQ4(dst []byte, src []float32) {
	d := extreme(src) / -8
	inverse := float32(0)
	if d != 0 {
		inverse = 1 / d
	}
	order.PutUint16(dst, ToHalf(d))
	q := func(v float32) byte { return byte(min(15, int(float32(v*inverse)+8.5))) }
	for i := range 16 {
		dst[2+i] = q(src[i]) | q(src[i+16])<<4
	}
}

// largest is the largest magnitude.
func largest(values []float32) float32 {
	var top float32
	for _, v := range values {
		top = max(top, float32(math.Abs(float64(v))))
	}
	return top
}

// extreme is the first value of the largest magnitude, with its sign.
func extreme(values []float32) float32 {
	var top, found float32
	for _, v := range values {
		if a := float32(math.Abs(float64(v))); a > top {
			top, found = a, v
		}
	}
	return found
}

// steps is the scale that spreads a range over n steps, and its inverse.
func steps(width float32, n float32) (scale, inverse float32) {
	scale = width / n
	if scale != 0 {
		inverse = 1 / scale
	}
	return scale, inverse
}

// TQ2_0: 64 bytes of four elements of two bits each, then a scale d in float16.
// Element 128·h + 32·l + m is at bits 2l of byte 32·h + m. Element = (q−1)·d.
func decodeTQ2(dst []float32, src []byte) {
	d := Half(order.Uint16(src[64:]))
	for i := range dst {
		half, l, m := i/128, i%128/32, i%32
		dst[i] = float32(int(src[32*half+m]>>(2*l)&3)-1) * d
	}
}

func encodeTQ2(dst []byte, src []float32) {
	d := encodeTernary(src, func(i int, q byte) {
		half, l, m := i/128, i%128/32, i%32
		if l == 0 {
			dst[32*half+m] = 0
		}
		dst[32*half+m] |= q << (2 * l)
	})
	order.PutUint16(dst[64:], d)
}

// encodeTernary hands over each element as 0, 1 or 2, and returns the scale.
func encodeTernary(src []float32, put func(i int, q byte)) (d uint16) {
	scale, inverse := steps(largest(src), 1)
	for i, v := range src {
		put(i, byte(int(math.Round(float64(v*inverse)))+1))
	}
	return ToHalf(scale)
}

// TQ1_0: 52 bytes of ternary digits, then a scale d in float16. A byte holds up
// to five digits as the fraction 0.abcde in base 3, scaled to 256 and rounded
// up, so that multiplying by 3 carries the next digit out of the byte. Digits
// come in runs of 32, 16 and 4 bytes: digit n of byte m of a run is its
// element n·(bytes of the run) + m. Element = (digit−1)·d.
func decodeTQ1(dst []float32, src []byte) {
	d := Half(order.Uint16(src[52:]))
	for i := range dst {
		at, digit := ternaryPlace(i)
		dst[i] = float32(int(uint16(src[at]*powers[digit])*3>>8)-1) * d
	}
}

var powers = [5]byte{1, 3, 9, 27, 81}

// ternaryPlace is where an element of TQ1_0 lies: its byte, its digit there.
func ternaryPlace(i int) (at, digit int) {
	switch {
	case i < 160:
		return i % 32, i / 32
	case i < 240:
		return 32 + (i-160)%16, (i - 160) / 16
	default:
		return 48 + (i-240)%4, (i - 240) / 4
	}
}

func encodeTQ1(dst []byte, src []float32) {
	var digits [52][5]byte
	d := encodeTernary(src, func(i int, q byte) {
		at, digit := ternaryPlace(i)
		digits[at][digit] = q
	})
	for at, list := range digits {
		sum := 0
		for _, q := range list {
			sum = sum*3 + int(q)
		}
		dst[at] = byte((sum*256 + 242) / 243)
	}
	order.PutUint16(dst[52:], d)
}

// TernaryPairs rewrites a block of TQ1_0 as TQ2_0: the same elements and scale.
func TernaryPairs(dst, src []byte) {
	clear(dst[:64])
	for i := range 256 {
		at, digit := ternaryPlace(i)
		q := byte(uint16(src[at]*powers[digit]) * 3 >> 8)
		half, l, m := i/128, i%128/32, i%32
		dst[32*half+m] |= q << (2 * l)
	}
	copy(dst[64:66], src[52:54])
}
