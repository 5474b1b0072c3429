package referee

import (
	"encoding/binary"

	"github.com/koinon/koinon/internal/mechanism/softfloat"
)

// weights are a block's elements as integers, in sub-blocks with integers for
// scales, and the scale of the whole.
type weights struct {
	q            [256]int32
	span         int // elements of a sub-block
	scales, mins [16]int32
	d, dmin      float
}

// unpack reads a block of a quantised format, as internal/tensor/block writes it.
func (f Format) unpack(block []byte) (w weights) {
	half := func(at int) float { return softfloat.FromHalf(binary.LittleEndian.Uint16(block[at:])) }
	w.span, w.scales[0] = int(f.elements()), 1
	switch f {
	case Q8_0:
		w.d = half(0)
		for i := range 32 {
			w.q[i] = int32(int8(block[2+i]))
		}
	case Q4_0:
		w.d = half(0)
		for i, b := range block[2:18] {
			w.q[i], w.q[i+16] = int32(b&15)-8, int32(b>>4)-8
		}
	case Q4_K, Q5_K:
		w.d, w.dmin = half(0), half(2)
		w.sub(f, block)
	case Q6_K:
		w.d = half(208)
		w.six(block)
	case TQ1_0:
		w.d = half(52)
		for i := range w.q {
			w.q[i] = trit(block, i)
		}
	case TQ2_0:
		w.d = half(64)
		for i := range w.q {
			w.q[i] = int32(block[32*(i/128)+i%32]>>(2*(i%128/32))&3) - 1
		}
	}
	return w
}

// sub reads the sub-blocks of Q4_K, and with the fifth bits those of Q5_K.
func (w *weights) sub(f Format, block []byte) {
	w.span = 32
	packed := block[4:16]
	for i := range 4 {
		w.scales[i], w.mins[i] = int32(packed[i]&63), int32(packed[4+i]&63)
		w.scales[4+i] = int32(packed[8+i]&15 | packed[i]>>6<<4)
		w.mins[4+i] = int32(packed[8+i]>>4 | packed[4+i]>>6<<4)
	}
	low := block[16:]
	if f == Q5_K {
		low = block[48:]
	}
	for i := range w.q {
		group, high := i/64, i%64/32
		w.q[i] = int32(low[32*group+i%32] >> (4 * high) & 15)
		if f == Q5_K {
			w.q[i] |= int32(block[16+i%32]>>(i/32)&1) << 4
		}
	}
}

// six reads Q6_K, less the 32 by which its elements are too large.
func (w *weights) six(block []byte) {
	w.span = 16
	for i := range w.scales {
		w.scales[i] = int32(int8(block[192+i]))
	}
	for i := range w.q {
		half, r, l := i/128, i%128/32, i%32
		low := block[64*half+32*(r%2)+l] >> (4 * (r / 2)) & 15
		w.q[i] = int32(low|block[128+32*half+l]>>(2*r)&3<<4) - 32
	}
}

// trit is an element of TQ1_0, whose bytes hold five digits to the base 3.
func trit(block []byte, i int) int32 {
	at, digit := 48+(i-240)%4, (i-240)/4
	switch {
	case i < 160:
		at, digit = i%32, i/32
	case i < 240:
		at, digit = 32+(i-160)%16, (i-160)/16
	}
	power := [...]byte{1, 3, 9, 27, 81}[digit]
	return int32(uint16(block[at]*power)*3>>8) - 1
}
