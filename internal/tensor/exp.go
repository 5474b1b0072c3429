package tensor

import "math"

// The constants of Exp: n = round(x/ln 2), r = x − n·ln 2 in two parts, then
// the Taylor polynomial of exp(r) for |r| ≤ ln 2 / 2.
const (
	log2E  = float32(1.44269504)
	ln2Hi  = float32(0.693359375)    // 9 bits, so that n·ln2Hi is exact
	ln2Lo  = float32(-2.12194440e-4) // ln 2 − ln2Hi
	rounds = float32(12582912)       // 1.5·2²³: adding and taking it away rounds to an integer, ties to even
	expMin = float32(-87.3)          // below, the result is 0: no subnormals
	expMax = float32(88.7)           // above, +Inf
	exp2   = float32(1.0 / 2)
	exp3   = float32(1.0 / 6)
	exp4   = float32(1.0 / 24)
	exp5   = float32(1.0 / 120)
	exp6   = float32(1.0 / 720)
	exp7   = float32(1.0 / 5040)
)

// Exp is e to the x: within 2 units in the last place, 0 below −87.3, +Inf
// above 88.7, NaN for NaN.
func Exp(x float32) float32 {
	switch {
	case x != x:
		return x
	case x < expMin:
		return 0
	case x > expMax:
		return float32(math.Inf(1))
	}
	n := float32(float32(x*log2E)+rounds) - rounds
	r := x - float32(n*ln2Hi)
	r = r - float32(n*ln2Lo)
	p := float32(exp7*r) + exp6
	p = float32(p*r) + exp5
	p = float32(p*r) + exp4
	p = float32(p*r) + exp3
	p = float32(p*r) + exp2
	p = float32(p*r) + 1
	p = float32(p*r) + 1
	// n is in [−126, 128]; two factors, as 2¹²⁸ is no float32.
	half := int32(n) >> 1
	return p * pow2(half) * pow2(int32(n)-half)
}

// pow2 is 2 to the n, for n of a normal float32.
func pow2(n int32) float32 { return math.Float32frombits(uint32(n+127) << 23) }

// ExpAll sets dst[i] to the exponential of src[i]. The slices have one length
// and may be the same.
func ExpAll(dst, src []float32) { kernels[active].exp(dst, src) }

//go:norace
func expGo(dst, src []float32) {
	for i, x := range src {
		dst[i] = Exp(x)
	}
}
