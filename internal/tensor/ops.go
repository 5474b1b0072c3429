package tensor

import "math"

// RMSNorm sets y = x / rms(x) · w and returns 1/rms, with
// rms = sqrt(mean(x²) + eps) (Zhang and Sennrich, 2019). All have one length;
// y may be x.
func RMSNorm(y, x, w []float32, eps float32) float32 {
	var sum float32
	for _, v := range x {
		sum += float32(v * v)
	}
	scale := 1 / Sqrt(sum/float32(len(x))+eps)
	for i, v := range x {
		y[i] = float32(v*scale) * w[i]
	}
	return scale
}

// Sqrt is the correctly rounded square root (IEEE 754), which every processor
// gives alike.
func Sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// Softmax replaces x by exp(x−max)/Σexp(x−max), summed in ascending order.
func Softmax(x []float32) {
	if len(x) == 0 {
		return
	}
	top := x[0]
	for _, v := range x[1:] {
		if v > top {
			top = v
		}
	}
	for i, v := range x {
		x[i] = v - top
	}
	ExpAll(x, x)
	var sum float32
	for _, v := range x {
		sum += v
	}
	scale := 1 / sum
	for i, v := range x {
		x[i] = v * scale
	}
}

// SwiGLU sets y = silu(gate)·up, with silu(v) = v/(1+exp(−v)) (Shazeer, 2020).
// All have one length; y may be neither input.
func SwiGLU(y, gate, up []float32) {
	for i, v := range gate {
		y[i] = -v
	}
	ExpAll(y, y)
	for i, v := range gate {
		y[i] = v / (1 + y[i]) * up[i]
	}
}

// Add adds x to y, element by element.
func Add(y, x []float32) {
	for i, v := range x {
		y[i] += v
	}
}

// Scale multiplies x by s.
func Scale(x []float32, s float32) {
	for i := range x {
		x[i] *= s
	}
}
