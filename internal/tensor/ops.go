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
	kernels[active].elements.norm(y, x, w, scale)
	return scale
}

// RMSNormRows is [RMSNorm] of rows as long as w. Four sums run side by side: alone,
// each addition waits for the one before.
func RMSNormRows(y, x, w []float32, eps float32) {
	n := len(w)
	for ; len(x) >= 4*n; x, y = x[4*n:], y[4*n:] {
		a, b, c, d := x[:n], x[n:][:n], x[2*n:][:n], x[3*n:][:n]
		var sums [4]float32
		for i, v := range a {
			sums[0] += float32(v * v)
			sums[1] += float32(b[i] * b[i])
			sums[2] += float32(c[i] * c[i])
			sums[3] += float32(d[i] * d[i])
		}
		for r, sum := range sums {
			kernels[active].elements.norm(y[r*n:][:n], x[r*n:][:n], w, 1/Sqrt(sum/float32(n)+eps))
		}
	}
	for ; len(x) >= n; x, y = x[n:], y[n:] {
		RMSNorm(y[:n], x[:n], w, eps)
	}
}

// Sqrt is the correctly rounded square root (IEEE 754), which every processor
// gives alike.
func Sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// Softmax replaces x by exp(x−max)/Σexp(x−max), summed in ascending order.
func Softmax(x []float32) {
	if len(x) == 0 {
		return
	}
	exponentials(x)
	var sum float32
	for _, v := range x {
		sum += v
	}
	Scale(x, 1/sum)
}

// exponentials are those of a softmax, not yet divided by their sum.
func exponentials(x []float32) {
	l := &kernels[active].elements
	l.less(x, l.top(x))
	ExpAll(x, x)
}

// SoftmaxRows is [Softmax] of rows of n elements that lie stride apart. Four sums
// run side by side: alone, each addition waits for the one before.
func SoftmaxRows(x []float32, stride, rows, n int) {
	for ; rows >= 4 && n > 0; rows -= 4 {
		a, b, c, d := x[:n], x[stride:][:n], x[2*stride:][:n], x[3*stride:][:n]
		for _, row := range [][]float32{a, b, c, d} {
			exponentials(row)
		}
		var sums [4]float32
		for i, v := range a {
			sums[0] += v
			sums[1] += b[i]
			sums[2] += c[i]
			sums[3] += d[i]
		}
		for r, row := range [][]float32{a, b, c, d} {
			Scale(row, 1/sums[r])
		}
		if rows > 4 {
			x = x[4*stride:]
		}
	}
	for r := range rows {
		Softmax(x[r*stride:][:n])
	}
}

// SwiGLU sets y = silu(gate)·up, with silu(v) = v/(1+exp(−v)) (Shazeer, 2020).
// All have one length; y may be neither input.
func SwiGLU(y, gate, up []float32) {
	copy(y, gate)
	Scale(y, -1)
	ExpAll(y, y)
	kernels[active].elements.gate(y, gate, up)
}

// Add adds x to y, element by element.
func Add(y, x []float32) { kernels[active].elements.add(y, x) }

// Scale multiplies x by s.
func Scale(x []float32, s float32) { kernels[active].elements.scale(x, s) }
