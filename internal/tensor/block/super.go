package block

import "math"

// The K formats: 256 elements in sub-blocks with scales of their own, which are
// integers times the scale of the whole.

// Scales unpacks the eight scales and eight minima, of 6 bits each, of Q4_K
// and Q5_K from their 12 bytes. The first four of each are the low bits of
// bytes 0–3 and 4–7, whose upper two bits are those of the last four, whose
// lower four share bytes 8–11.
func Scales(src []byte) (scales, mins [8]byte) {
	for i := range 4 {
		scales[i], mins[i] = src[i]&63, src[4+i]&63
		scales[4+i] = src[8+i]&15 | src[i]>>6<<4
		mins[4+i] = src[8+i]>>4 | src[4+i]>>6<<4
	}
	return scales, mins
}

// PutScales packs them again.
func PutScales(dst []byte, scales, mins [8]byte) {
	for i := range 4 {
		dst[i] = scales[i] | scales[4+i]>>4<<6
		dst[4+i] = mins[i] | mins[4+i]>>4<<6
		dst[8+i] = scales[4+i]&15 | mins[4+i]&15<<4
	}
}

// Q4_K: d and dmin in float16, 12 bytes of [Scales], 128 bytes of which byte
// 32·g+i holds element 64·g+i in its low and 64·g+32+i in its high half.
// Element = d·scale·q − dmin·min, for sub-blocks of 32.
func decodeQ4K(dst []float32, src []byte) {
	decodeMinimum(dst, src, func(g, i int) (low, high byte) {
		b := src[16+32*g+i]
		return b & 15, b >> 4
	})
}

// Q5_K: as Q4_K, with 32 bytes before the 128 that hold the fifth bits: bit 2g
// of byte i that of element 64·g+i, bit 2g+1 that of element 64·g+32+i.
func decodeQ5K(dst []float32, src []byte) {
	decodeMinimum(dst, src, func(g, i int) (low, high byte) {
		b, fifth := src[48+32*g+i], src[16+i]>>(2*g)
		return b&15 | fifth&1<<4, b>>4 | fifth>>1&1<<4
	})
}

func decodeMinimum(dst []float32, src []byte, pair func(g, i int) (low, high byte)) {
	d, dmin := Half(order.Uint16(src)), Half(order.Uint16(src[2:]))
	scales, mins := Scales(src[4:16])
	for g := range 4 {
		lowScale, lowMin := d*float32(scales[2*g]), float32(dmin*float32(mins[2*g]))
		highScale, highMin := d*float32(scales[2*g+1]), float32(dmin*float32(mins[2*g+1]))
		for i := range 32 {
			low, high := pair(g, i)
			dst[64*g+i] = float32(lowScale*float32(low)) - lowMin
			dst[64*g+32+i] = float32(highScale*float32(high)) - highMin
		}
	}
}

func encodeQ4K(dst []byte, src []float32) {
	q := encodeMinimum(dst, src, 15)
	for g := range 4 {
		for i := range 32 {
			dst[16+32*g+i] = q[64*g+i] | q[64*g+32+i]<<4
		}
	}
}

func encodeQ5K(dst []byte, src []float32) {
	q := encodeMinimum(dst, src, 31)
	clear(dst[16:48])
	for g := range 4 {
		for i := range 32 {
			low, high := q[64*g+i], q[64*g+32+i]
			dst[48+32*g+i] = low&15 | high<<4
			dst[16+i] |= (low>>4 | high>>4<<1) << (2 * g)
		}
	}
}

// encodeMinimum writes the scales of Q4_K or Q5_K and returns the elements as
// integers up to top. A sub-block's minimum is at most zero, so that zero is
// nearly exact; its scale is the one of a few around the full range that has
// the least squared error.
func encodeMinimum(dst []byte, src []float32, top int) (q [256]byte) {
	var scales, mins [8]float32
	for s := range 8 {
		scales[s], mins[s] = fit(src[32*s:][:32], top)
	}
	d, inverse := steps(largest(scales[:]), 63)
	dmin, inverseMin := steps(largest(mins[:]), 63)
	order.PutUint16(dst, ToHalf(d))
	order.PutUint16(dst[2:], ToHalf(dmin))
	d, dmin = Half(order.Uint16(dst)), Half(order.Uint16(dst[2:]))
	var scale, minimum [8]byte
	for s := range 8 {
		scale[s] = byte(min(63, int(float32(scales[s]*inverse)+0.5)))
		minimum[s] = byte(min(63, int(float32(mins[s]*inverseMin)+0.5)))
		step, low := d*float32(scale[s]), float32(dmin*float32(minimum[s]))
		if step == 0 {
			continue
		}
		for i, v := range src[32*s:][:32] {
			q[32*s+i] = byte(max(0, min(top, int(math.RoundToEven(float64((v+low)/step))))))
		}
	}
	PutScales(dst[4:16], scale, minimum)
	return q
}

// fit chooses scale and minimum, a positive number to be taken away, of one
// sub-block.
func fit(values []float32, top int) (scale, minimum float32) {
	low, high := float32(0), float32(0)
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	if high == low {
		return 0, -low
	}
	best := float32(math.Inf(1))
	for try := range 9 { // from 5/6 to a little over the full range
		part := float32(0.04 * float32(try))
		step := (high - low) / (float32(top) * (1.15 - part))
		var sum float32
		for _, v := range values {
			q := max(0, min(top, int(float32((v-low)/step)+0.5)))
			e := float32(float32(step*float32(q))+low) - v
			sum += float32(e * e)
		}
		if sum < best {
			best, scale = sum, step
		}
	}
	return scale, -low
}

// Q6_K: 128 bytes of low halves, 64 of upper two bits, 16 int8 scales of
// sub-blocks of 16, and d in float16. Each half of 128 elements has 64 bytes of
// low and 32 of upper bits: element 32·r+i takes its low four bits from the low
// (r < 2) or high half of byte 32·(r mod 2)+i, and bits 2r of upper byte i.
// Element = d·scale·(q−32).
func decodeQ6K(dst []float32, src []byte) {
	d := Half(order.Uint16(src[208:]))
	for i := range dst {
		scale := d * float32(int8(src[192+i/16]))
		dst[i] = scale * float32(int(sixBits(src, i))-32)
	}
}

func sixBits(src []byte, i int) byte {
	half, r, l := i/128, i%128/32, i%32
	low := src[64*half+32*(r%2)+l] >> (4 * (r / 2)) & 15
	return low | src[128+32*half+l]>>(2*r)&3<<4
}

func encodeQ6K(dst []byte, src []float32) {
	var scales [16]float32
	for s := range 16 {
		scales[s] = extreme(src[16*s:][:16]) / -32
	}
	d := extreme(scales[:]) / -128
	order.PutUint16(dst[208:], ToHalf(d))
	d = Half(order.Uint16(dst[208:]))
	clear(dst[:192])
	for s := range 16 {
		if d == 0 {
			dst[192+s] = 0
			continue
		}
		whole := max(-128, min(127, int(math.RoundToEven(float64(scales[s]/d)))))
		dst[192+s] = byte(int8(whole))
		step := d * float32(whole)
		for j, v := range src[16*s:][:16] {
			q := byte(32)
			if step != 0 {
				q = byte(max(0, min(63, int(math.RoundToEven(float64(v/step)))+32)))
			}
			i := 16*s + j
			half, r, l := i/128, i%128/32, i%32
			dst[64*half+32*(r%2)+l] |= q & 15 << (4 * (r / 2))
			dst[128+32*half+l] |= q >> 4 << (2 * r)
		}
	}
}
