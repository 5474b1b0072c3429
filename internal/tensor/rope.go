package tensor

// RoPE turns pairs of a head's elements by angles that grow with the position
// (Su et al., 2021, section 3.2.2). Pairs are adjacent, as files of
// architecture "llama" store them: (0,1), (2,3), …
type RoPE struct {
	dim      int
	cos, sin []float32 // [positions, dim/2]
}

// NewRoPE prepares positions 0 to positions−1 for heads of dim elements, dim
// even. The angle of pair i at position p is p·base^(−2i/dim).
func NewRoPE(dim, positions int, base float64) *RoPE {
	half := dim / 2
	r := &RoPE{dim: dim, cos: make([]float32, positions*half), sin: make([]float32, positions*half)}
	logBase := Log(base)
	for i := range half {
		frequency := exp64(float64(-2*float64(i)/float64(dim)) * logBase)
		for p := range positions {
			sin, cos := SinCos(float64(p) * frequency)
			r.sin[p*half+i], r.cos[p*half+i] = float32(sin), float32(cos)
		}
	}
	return r
}

// Apply turns every head in x, of shape [heads, dim], for the position.
func (r *RoPE) Apply(x []float32, position int) { r.turn(x, position, 1) }

// Undo turns back: the inverse of Apply and, as rotations are orthogonal, its
// gradient.
func (r *RoPE) Undo(x []float32, position int) { r.turn(x, position, -1) }

func (r *RoPE) turn(x []float32, position int, sign float32) {
	half := r.dim / 2
	cos, sin := r.cos[position*half:][:half], r.sin[position*half:][:half]
	for ; len(x) >= r.dim; x = x[r.dim:] {
		for i, c := range cos {
			s := sign * sin[i]
			a, b := x[2*i], x[2*i+1]
			x[2*i] = float32(a*c) - float32(b*s)
			x[2*i+1] = float32(a*s) + float32(b*c)
		}
	}
}
