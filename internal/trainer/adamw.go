package trainer

import (
	"math"

	"github.com/koinon/koinon/internal/tensor"
)

// AdamW's constants (Loshchilov and Hutter, 2019).
const (
	beta1       = 0.9
	beta2       = 0.95
	adamEps     = 1e-8
	weightDecay = 0.1
	clipNorm    = 1.0
)

// optimizer holds AdamW's moments, one element a parameter.
type optimizer struct {
	first, second []float32
	decayed       int // parameters before this index decay
	workers       int
}

// stepChunk is how many parameters one thread updates at a time, and over how
// many the norm's partial sums run; the latter is part of the arithmetic.
const stepChunk = 1 << 14

// norm is the Euclidean norm of x, summed in chunks and the chunks in order.
func norm(x []float32, workers int) float64 {
	sums := make([]float64, (len(x)+stepChunk-1)/stepChunk)
	tensor.Parallel(len(sums), workers, func(i int) {
		var sum float64
		for _, v := range x[i*stepChunk : min(len(x), (i+1)*stepChunk)] {
			sum += float64(float64(v) * float64(v))
		}
		sums[i] = sum
	})
	var sum float64
	for _, s := range sums {
		sum += s
	}
	return math.Sqrt(sum)
}

// step updates w from the gradient g, clipped to clipNorm, at a learning rate;
// t counts steps from 1. It returns the gradient's norm before clipping.
func (o *optimizer) step(w, g []float32, rate float64, t int) float64 {
	length := norm(g, o.workers)
	clip := float32(1)
	if length > clipNorm {
		clip = float32(clipNorm / length)
	}
	correct1, correct2 := 1.0, 1.0
	for range t {
		correct1, correct2 = correct1*beta1, correct2*beta2
	}
	rate1 := float32(rate / (1 - correct1))
	scale2 := float32(1 / (1 - correct2))
	shrink := float32(1 - float64(rate*weightDecay))
	tensor.Parallel((len(w)+stepChunk-1)/stepChunk, o.workers, func(chunk int) {
		for i := chunk * stepChunk; i < min(len(w), (chunk+1)*stepChunk); i++ {
			v := g[i] * clip
			m := float32(beta1*o.first[i]) + float32((1-beta1)*v)
			s := float32(beta2*o.second[i]) + float32(float32((1-beta2)*v)*v)
			o.first[i], o.second[i] = m, s
			p := w[i]
			if i < o.decayed {
				p = float32(p * shrink)
			}
			w[i] = p - float32(rate1*m)/(tensor.Sqrt(float32(s*scale2))+adamEps)
		}
	})
	return length
}

// learningRate rises linearly over warm-up steps to peak, then falls along a
// cosine to a twentieth of it at the last step (Loshchilov and Hutter, 2017).
// Steps count from 1.
func learningRate(step, warmUp, steps int, peak float64) float64 {
	if step <= warmUp {
		return peak * float64(step) / float64(warmUp)
	}
	_, cos := tensor.SinCos(math.Pi * float64(step-warmUp) / float64(max(1, steps-warmUp)))
	const floor = 0.05
	return peak * (floor + float64((1-floor)*0.5*(1+cos)))
}
