package tensor

import "math"

// elementwise are operations on one element after the other, whose lanes are the
// elements: what no order of sums forbids to do side by side.
type elementwise struct {
	scale func(x []float32, s float32)       // x·s
	less  func(x []float32, v float32)       // x − v
	add   func(y, x []float32)               // y + x
	norm  func(y, x, w []float32, s float32) // (x·s)·w
	gate  func(y, gate, up []float32)        // gate/(1+y)·up
	// top is the first of the largest elements, or the first of all if that is
	// no number.
	top func(x []float32) float32
	// magnitude is the largest of the elements' bits without the sign.
	magnitude func(x []float32) uint32
	// round rounds 32 elements times a factor to integers of at most 127, ties to
	// even, stores four at each step bytes, and returns the sums of both halves.
	round func(q []int8, step int, x []float32, factor float32) (first, second int32)
	// lanes are those of a [Fold] after whole rows. If sound is false they are of no
	// use: there is a NaN, or numbers so large that their sum may be none.
	lanes func(x []float32) (h [foldLanes]uint64, sound bool)
	// philox is [PhiloxAll] of whole runs.
	philox func(dst []uint32, counter [4]uint32, key [2]uint32)
}

var portableElements = elementwise{scaleOne, lessOne, addOne, normOne, gateOne, topOne, magnitudeOne, roundOne, lanesOne, philoxOne}

func scaleOne(x []float32, s float32) {
	for i := range x {
		x[i] *= s
	}
}

func lessOne(x []float32, v float32) {
	for i := range x {
		x[i] -= v
	}
}

func addOne(y, x []float32) {
	for i, v := range x {
		y[i] += v
	}
}

func normOne(y, x, w []float32, s float32) {
	for i, v := range x {
		y[i] = float32(v*s) * w[i]
	}
}

func gateOne(y, gate, up []float32) {
	for i, v := range gate {
		y[i] = v / (1 + y[i]) * up[i]
	}
}

func topOne(x []float32) float32 {
	top := x[0]
	for _, v := range x[1:] {
		if v > top {
			top = v
		}
	}
	return top
}

func magnitudeOne(x []float32) uint32 {
	var top uint32 // absolute values compare as their bits
	for _, v := range x {
		top = max(top, math.Float32bits(v)&0x7fffffff)
	}
	return top
}

func roundOne(q []int8, step int, x []float32, factor float32) (first, second int32) {
	for i, v := range x[:32] {
		k := min(127, nearest(float32(v*factor)))
		q[i/4*step+i%4] = int8(k)
		if i < 16 {
			first += k
		} else {
			second += k
		}
	}
	return first, second
}
