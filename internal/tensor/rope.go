package tensor

// RoPE turns pairs of a head's elements by angles that grow with the position
// (Su et al., 2021, section 3.2.2).
type RoPE struct {
	halves      bool
	frequencies []float64 // radians a position, by pair
}

// NewRoPE prepares heads of dim elements, dim even. The angle of pair i at
// position p is p·base^(−2i/dim). Pairs are adjacent, (0,1), (2,3), …, as files
// of architecture "llama" store them; or, with halves, an element of the first
// half and its counterpart in the second, (0,dim/2), (1,dim/2+1), …. Factors, if
// any, divide the angles of each pair, to stretch them over longer contexts.
func NewRoPE(dim int, base float64, halves bool, factors []float32) *RoPE {
	r := &RoPE{halves: halves, frequencies: make([]float64, dim/2)}
	logBase := Log(base)
	for i := range r.frequencies {
		r.frequencies[i] = exp64(float64(-2*float64(i)/float64(dim)) * logBase)
		if factors != nil {
			r.frequencies[i] /= float64(factors[i])
		}
	}
	return r
}

// Turn is the rotation of one position.
type Turn struct {
	halves   bool
	cos, sin []float32
}

// At computes a position's rotation, for positions below 2²⁰.
func (r *RoPE) At(position int) Turn {
	n := len(r.frequencies)
	both := make([]float32, 2*n)
	t := Turn{halves: r.halves, cos: both[:n], sin: both[n:]}
	for i, frequency := range r.frequencies {
		sin, cos := SinCos(float64(float64(position) * frequency))
		t.cos[i], t.sin[i] = float32(cos), float32(sin)
	}
	return t
}

// Values lists the cosines of the pairs, then their sines.
func (t Turn) Values() []float32 { return append(append([]float32{}, t.cos...), t.sin...) }

// Turns computes the rotations of positions 0 to n−1.
func (r *RoPE) Turns(n int) []Turn {
	list := make([]Turn, n)
	for p := range list {
		list[p] = r.At(p)
	}
	return list
}

// Apply turns every head in x, of shape [heads, dim].
func (t Turn) Apply(x []float32) { t.turn(x, 1) }

// Undo turns back: the inverse of Apply and, as rotations are orthogonal, its
// gradient.
func (t Turn) Undo(x []float32) { t.turn(x, -1) }

func (t Turn) turn(x []float32, sign float32) {
	n := len(t.cos)
	for ; len(x) >= 2*n; x = x[2*n:] {
		for i, c := range t.cos {
			s := sign * t.sin[i]
			first, second := 2*i, 2*i+1
			if t.halves {
				first, second = i, n+i
			}
			a, b := x[first], x[second]
			x[first] = float32(a*c) - float32(b*s)
			x[second] = float32(a*s) + float32(b*c)
		}
	}
}
