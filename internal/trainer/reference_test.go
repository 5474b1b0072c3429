package trainer

import (
	"math"
	"math/rand/v2"
	"testing"
)

// reference is the decoder's loss once more, in float64, with loops in place of
// kernels and one sequence at a time: what the fast code is held against.
type reference struct {
	Architecture
	w *weights
}

// meanLoss is the mean loss of one sequence in nats a token.
func (r reference) meanLoss(inputs, targets []int32) float64 {
	x := make([][]float64, len(inputs))
	for i, token := range inputs {
		x[i] = widen(r.w.embedding[int(token)*r.Dim:][:r.Dim])
	}
	for _, l := range r.w.layers {
		r.layer(x, l)
	}
	var loss float64
	for i, target := range targets {
		logits := product(normal(x[i], r.w.norm), r.w.embedding, r.Vocab)
		var sum float64
		for _, v := range logits {
			sum += math.Exp(v)
		}
		loss += math.Log(sum) - logits[target]
	}
	return loss / float64(len(targets))
}

func (r reference) layer(x [][]float64, l layerWeights) {
	hd, group := r.headDim(), r.Heads/r.KVHeads
	q, k, v := make([][]float64, len(x)), make([][]float64, len(x)), make([][]float64, len(x))
	for i := range x {
		in := normal(x[i], l.attnNorm)
		q[i], k[i], v[i] = product(in, l.q, r.Dim), product(in, l.k, r.kvDim()), product(in, l.v, r.kvDim())
		rotate(q[i], hd, i)
		rotate(k[i], hd, i)
	}
	for i := range x {
		attn := make([]float64, r.Dim)
		for head := range r.Heads {
			qh, kv := q[i][head*hd:][:hd], head/group*hd
			scores, sum := make([]float64, i+1), 0.0
			for j := range scores {
				for c := range hd {
					scores[j] += qh[c] * k[j][kv+c]
				}
				scores[j] = math.Exp(scores[j] / math.Sqrt(float64(hd)))
				sum += scores[j]
			}
			for j, p := range scores {
				for c := range hd {
					attn[head*hd+c] += p / sum * v[j][kv+c]
				}
			}
		}
		add(x[i], product(attn, l.o, r.Dim))
		in := normal(x[i], l.ffnNorm)
		gate, up := product(in, l.gate, r.Hidden), product(in, l.up, r.Hidden)
		for j, g := range gate {
			up[j] *= g / (1 + math.Exp(-g))
		}
		add(x[i], product(up, l.down, r.Dim))
	}
}

func widen(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

func add(y, x []float64) {
	for i, v := range x {
		y[i] += v
	}
}

func product(x []float64, w []float32, out int) []float64 {
	y := make([]float64, out)
	for j := range y {
		for k, v := range x {
			y[j] += v * float64(w[j*len(x)+k])
		}
	}
	return y
}

func normal(x []float64, w []float32) []float64 {
	var sum float64
	for _, v := range x {
		sum += v * v
	}
	y, scale := make([]float64, len(x)), 1/math.Sqrt(sum/float64(len(x))+normEps)
	for i, v := range x {
		y[i] = v * scale * float64(w[i])
	}
	return y
}

func rotate(x []float64, hd, position int) {
	for i := 0; i < len(x); i += 2 {
		angle := float64(position) * math.Pow(ropeBase, -float64(i%hd)/float64(hd))
		sin, cos := math.Sincos(angle)
		x[i], x[i+1] = x[i]*cos-x[i+1]*sin, x[i]*sin+x[i+1]*cos
	}
}

// TestAgainstReference holds the loss, and single parameters' gradients, of
// every kind against the reference and its finite differences.
func TestAgainstReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	a := small
	a.Context = 12
	w, _ := newWeights(a)
	grad, _ := newWeights(a)
	w.initialise(a, rng)
	for i := range w.all { // far from the start, where gradients are small
		w.all[i] += 0.3 * (rng.Float32() - 0.5)
	}
	inputs, targets := make([]int32, a.Context), make([]int32, a.Context)
	for i := range inputs {
		inputs[i], targets[i] = int32(rng.IntN(a.Vocab)), int32(rng.IntN(a.Vocab))
	}
	d := newDecoder(a, w, grad, 1, a.Context, 2)
	var loss float64
	for _, l := range d.forward(inputs, targets) {
		loss += float64(l) / float64(len(inputs))
	}
	ref := reference{a, w}
	if want := ref.meanLoss(inputs, targets); math.Abs(loss-want) > 1e-5 {
		t.Fatalf("loss %.7f, reference %.7f", loss, want)
	}
	d.backward(inputs, targets, 1)

	l, g := w.layers[1], grad.layers[1]
	for _, kind := range []struct {
		name    string
		w, grad []float32
	}{
		{"embedding", w.embedding[int(inputs[0])*a.Dim:][:a.Dim], grad.embedding[int(inputs[0])*a.Dim:][:a.Dim]},
		{"output", w.embedding[int(targets[0])*a.Dim:][:a.Dim], grad.embedding[int(targets[0])*a.Dim:][:a.Dim]},
		{"norm", w.norm, grad.norm}, {"attnNorm", l.attnNorm, g.attnNorm}, {"ffnNorm", l.ffnNorm, g.ffnNorm},
		{"q", l.q, g.q}, {"k", l.k, g.k}, {"v", l.v, g.v}, {"o", l.o, g.o},
		{"gate", l.gate, g.gate}, {"up", l.up, g.up}, {"down", l.down, g.down},
		{"first q", w.layers[0].q, grad.layers[0].q}, {"first v", w.layers[0].v, grad.layers[0].v},
	} {
		for range 6 {
			i := rng.IntN(len(kind.w))
			old := kind.w[i]
			kind.w[i] = old + 1e-3
			up, high := float64(kind.w[i]), ref.meanLoss(inputs, targets)
			kind.w[i] = old - 1e-3
			down, low := float64(kind.w[i]), ref.meanLoss(inputs, targets)
			kind.w[i] = old
			slope := (high - low) / (up - down)
			if got := float64(kind.grad[i]); math.Abs(got-slope) > 1e-5+1e-3*math.Abs(slope) {
				t.Errorf("%s[%d]: gradient %.7f, slope %.7f", kind.name, i, got, slope)
			}
		}
	}
}
