package referee

import (
	"encoding/binary"

	"github.com/koinon/koinon/internal/mechanism/softfloat"
)

// widen converts a row of a plain format.
func widen(f Format, row []byte) []float {
	n := len(row) / int(f.size(1))
	list := make([]float, n)
	for i := range list {
		switch f {
		case F32:
			list[i] = float(binary.LittleEndian.Uint32(row[4*i:]))
		case F16:
			list[i] = softfloat.FromHalf(binary.LittleEndian.Uint16(row[2*i:]))
		case BF16:
			list[i] = softfloat.FromBrain(binary.LittleEndian.Uint16(row[2*i:]))
		}
	}
	return list
}

// dot is the product of a row with x, in the form and order that spec/engine.md
// gives the format.
func (f Format) dot(row []byte, x []float) (sum float) {
	switch f {
	case F32, F16:
		return dot(x, widen(f, row))
	case BF16:
		rounded := make([]float, len(x))
		for i, v := range x {
			rounded[i] = softfloat.FromBrain(v.ToBrain())
		}
		return dot(rounded, widen(f, row))
	}
	elements, bytes := f.block()
	for len(x) > 0 {
		sum = f.add(sum, row[:bytes], x[:elements])
		row, x = row[bytes:], x[elements:]
	}
	return sum
}

// add adds the product of one block with as many elements of x.
func (f Format) add(sum float, block []byte, x []float) float {
	var a [256]int32
	var d float
	if len(x) == 32 {
		d = bytesOf(a[:32], x)
	} else {
		d = supersOf(a[:], x)
	}
	w := f.unpack(block)
	var total, below int32
	for s := 0; s < len(x); s += w.span {
		var products, plain int32
		for i := s; i < s+w.span; i++ {
			products += w.q[i] * a[i]
			plain += a[i]
		}
		total += w.scales[s/w.span] * products
		below += w.mins[s/w.span] * plain
	}
	sum = fold(sum, total, w.d, d)
	if f == Q4_K || f == Q5_K {
		sum = fold(sum, below, w.dmin, d.Neg())
	}
	return sum
}

// fold adds an integer times the scales of weights and input.
func fold(sum float, of int32, weights, input float) float {
	return softfloat.Add(sum, softfloat.Mul(softfloat.FromInt(int64(of)), softfloat.Mul(weights, input)))
}

// tiny is 2⁻¹⁰⁰: a block whose magnitude is below it counts as zero.
const tiny = float(27 << 23)

// bytesOf rounds a block of 32 to integers, and returns its scale.
func bytesOf(a []int32, x []float) float {
	top := softfloat.Zero
	for _, v := range x {
		top = max(top, v.Abs()) // absolute values compare as their bits
	}
	if top < tiny {
		return softfloat.Zero
	}
	const most = float(0x42fe0000) // 127
	round(a, x, softfloat.Div(most, top))
	return softfloat.FromHalf(softfloat.Div(top, most).ToHalf())
}

// supersOf rounds a block of 256.
func supersOf(a []int32, x []float) float {
	var m float
	for _, v := range x {
		if v.Abs() > m.Abs() { // the first of the largest
			m = v
		}
	}
	if m.Abs() < tiny {
		return softfloat.Zero
	}
	const least = float(0xc2fe0000) // −127
	inverse := softfloat.Div(least, m)
	round(a, x, inverse)
	return softfloat.Div(softfloat.One, inverse)
}

func round(a []int32, x []float, factor float) {
	for i, v := range x {
		a[i] = min(127, softfloat.Mul(v, factor).Nearest())
	}
}

// element is one element of a block, as the embedding uses it.
func (f Format) element(block []byte, i uint64) float {
	if f.elements() == 1 {
		return widen(f, block)[0]
	}
	w := f.unpack(block)
	s := int(i) / w.span
	q := softfloat.FromInt(int64(w.q[i]))
	switch f {
	case Q4_K, Q5_K:
		step := softfloat.Mul(w.d, softfloat.FromInt(int64(w.scales[s])))
		least := softfloat.Mul(w.dmin, softfloat.FromInt(int64(w.mins[s])))
		return softfloat.Sub(softfloat.Mul(step, q), least)
	case Q6_K:
		return softfloat.Mul(softfloat.Mul(w.d, softfloat.FromInt(int64(w.scales[s]))), q)
	}
	return softfloat.Mul(q, w.d)
}
