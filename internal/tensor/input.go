package tensor

import (
	"math"

	"github.com/koinon/koinon/internal/tensor/block"
)

// groupRows is how many rows of an input lie side by side, so that a kernel
// uses what it unpacked of a weight for all of them. The rows that are left over
// lie alone. A matter of speed alone.
const groupRows = 4

// floatRows is that for inputs that stay floats, which lie as they stand.
const floatRows = 8

func groupSize(left int) int {
	if left >= groupRows {
		return groupRows
	}
	return 1
}

// activations is how a format of weights wants its input.
type activations int

const (
	asFloat  activations = iota
	asBrain              // rounded to bfloat16
	asBytes              // int8 in blocks of 32
	asSupers             // int8 in blocks of 256
)

// Input is the left operand of products with matrices of any format: rows of
// float32, and what is rounded from them when a matrix first asks for it.
//
// For Q8_0 and Q4_0, each 32 elements become int8 with the scale d = max|x|/127
// rounded to float16; q = x·(127/max|x|), to the nearest, ties to even. For the
// K and ternary formats, each 256 elements become int8 with d = 1/s,
// s = −127/m, m the first element of the largest magnitude; q = x·s likewise, at
// most 127. So does llama.cpp, as Q8_0 and Q8_K. For BF16, elements are rounded
// to bfloat16. A magnitude below 2⁻¹⁰⁰ counts as zero.
type Input struct {
	values      []float32
	rows, width int
	ready       [4]bool
	operands    [4]operand
}

// operand is an input in one form. The elements of a group of n rows lie as
// [width/4][n][4], its scales and sums as [blocks][n].
type operand struct {
	rows   int
	floats []float32 // asFloat and asBrain: as they stand
	q      []int8
	d      []float32
	// off are the sums of a block's elements, or of each 16 in a super-block,
	// for the constants that unsigned weights carry; pairs are those of each 32
	// in a super-block, two to a word.
	off   []int32
	pairs []int16
}

// Set makes rows of the given width the input. It keeps the slice, which must
// not change until the next Set.
func (x *Input) Set(values []float32, rows, width int) {
	x.values, x.rows, x.width = values[:rows*width], rows, width
	clear(x.ready[:])
}

// operand makes the input ready in one form.
func (x *Input) operand(form activations, workers int) {
	o := &x.operands[form]
	if x.ready[form] {
		return
	}
	x.ready[form], o.rows = true, x.rows
	switch form {
	case asFloat:
		o.floats = x.values
	case asBrain:
		o.floats = resize(o.floats, len(x.values))
		for i, v := range x.values {
			o.floats[i] = brain(block.ToBrain(v))
		}
	case asBytes:
		o.q, o.d, o.off = resize(o.q, len(x.values)), resize(o.d, len(x.values)/32), resize(o.off, len(x.values)/32)
		x.each(workers, func(row, group, n, r int) { x.bytes(o, row, group, n, r) })
	case asSupers:
		o.q, o.d, o.off = resize(o.q, len(x.values)), resize(o.d, len(x.values)/256), resize(o.off, len(x.values)/16)
		o.pairs = resize(o.pairs, len(x.values)/32)
		x.each(workers, func(row, group, n, r int) { x.supers(o, row, group, n, r) })
	}
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// each visits rows with their group: its first row, its size, and the row's
// place in it.
func (x *Input) each(workers int, visit func(row, group, n, r int)) {
	Parallel(x.rows, workers, func(row int) {
		group, n := row/groupRows*groupRows, groupRows
		if group+n > x.rows { // left over
			group, n = row, 1
		}
		visit(row, group, n, row-group)
	})
}

// bytes rounds one row in blocks of 32.
func (x *Input) bytes(o *operand, row, group, n, r int) {
	values := x.values[row*x.width:][:x.width]
	q := o.q[group*x.width:][:n*x.width]
	blocks := x.width / 32
	elements := &kernels[active].elements
	for b := range blocks {
		run := values[b*32:][:32]
		top := magnitude(run)
		inverse := float32(0)
		if top != 0 {
			inverse = 127 / top
		}
		first, second := elements.round(q[(b*8*n+r)*4:], 4*n, run, inverse)
		at := group*blocks + b*n + r
		o.d[at], o.off[at] = block.Half(block.ToHalf(top/127)), first+second
	}
}

// supers rounds one row in blocks of 256.
func (x *Input) supers(o *operand, row, group, n, r int) {
	values := x.values[row*x.width:][:x.width]
	q := o.q[group*x.width:][:n*x.width]
	blocks := x.width / 256
	elements := &kernels[active].elements
	for b := range blocks {
		run := values[b*256:][:256]
		inverse, d := float32(0), float32(0)
		if m := first(run, magnitude(run)); m != 0 {
			inverse = -127 / m
			d = 1 / inverse
		}
		o.d[group*blocks+b*n+r] = d
		for s := range 8 { // sub-blocks of 32
			low, high := elements.round(q[((b*8+s)*8*n+r)*4:], 4*n, run[32*s:], inverse)
			o.off[group*blocks*16+(b*16+2*s)*n+r] = low
			o.off[group*blocks*16+(b*16+2*s+1)*n+r] = high
			o.pairs[group*blocks*8+((b*8+s)/2*n+r)*2+s%2] = int16(low + high)
		}
	}
}

// brain widens a bfloat16.
func brain(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// magnitude is the largest absolute value, 0 if that is tiny: its inverse would
// overflow.
func magnitude(values []float32) float32 {
	top := kernels[active].elements.magnitude(values)
	if top < 27<<23 {
		return 0
	}
	return math.Float32frombits(top)
}

// first is the first value of a magnitude.
func first(values []float32, magnitude float32) float32 {
	for _, v := range values {
		if v == magnitude || v == -magnitude {
			return v
		}
	}
	return 0
}

// nearest rounds to an integer, ties to even, for |v| below 2²².
func nearest(v float32) int32 {
	const magic = 12582912 // 1.5·2²³
	return int32(math.Float32bits(v+magic)) - 0x4b400000
}
