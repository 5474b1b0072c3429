package tensor

import "math"

// Angles and powers are computed once per model in float64, again without the
// library's functions and without contraction.

// π/2 and ln 2 in two parts each, for exact reduction of moderate arguments
// (Cody and Waite, 1980).
const (
	piHalfHi = 1.57079632673412561417e+00
	piHalfLo = 6.07710050650619224932e-11
	ln2Hi64  = 6.93147180369123816490e-01
	ln2Lo64  = 1.90821492927058770002e-10
)

// SinCos returns sine and cosine of x for |x| below 2²⁰, within 1e-13.
func SinCos(x float64) (sin, cos float64) {
	n := math.RoundToEven(x * (2 / math.Pi))
	r := x - float64(n*piHalfHi)
	r = r - float64(n*piHalfLo)
	s, c := r, 1.0
	term, square := r, float64(r*r)
	for k := 1; k <= 10; k++ {
		term = float64(-term*square) / float64((2*k)*(2*k+1))
		s += term
	}
	term = 1
	for k := 1; k <= 10; k++ {
		term = float64(-term*square) / float64((2*k-1)*(2*k))
		c += term
	}
	switch int64(n) & 3 {
	case 0:
		return s, c
	case 1:
		return c, -s
	case 2:
		return -s, -c
	default:
		return -c, s
	}
}

// exp64 is e to the x for |x| below 700, within 1e-14 relative.
func exp64(x float64) float64 {
	n := math.RoundToEven(x / math.Ln2)
	r := x - float64(n*ln2Hi64)
	r = r - float64(n*ln2Lo64)
	sum, term := 1.0, 1.0
	for k := 1; k <= 18; k++ {
		term = float64(term*r) / float64(k)
		sum += term
	}
	return math.Ldexp(sum, int(n))
}

// Log is the natural logarithm of a positive x, within 1e-14 relative.
func Log(x float64) float64 {
	fraction, exponent := math.Frexp(x) // x = fraction·2^exponent, fraction in [½, 1)
	if fraction < math.Sqrt2/2 {
		fraction, exponent = 2*fraction, exponent-1
	}
	// ln f = 2·artanh((f−1)/(f+1))
	z := (fraction - 1) / (fraction + 1)
	square, term, sum := float64(z*z), z, z
	for k := 3; k <= 41; k += 2 {
		term = float64(term * square)
		sum += term / float64(k)
	}
	e := float64(exponent)
	return float64(2*sum) + float64(float64(e*ln2Hi64)+float64(e*ln2Lo64))
}
