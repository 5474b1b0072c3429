package trainer

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// Architecture is the shape of a Llama decoder with tied embeddings.
type Architecture struct {
	Vocab   int `json:"vocab"`
	Context int `json:"context"` // tokens
	Dim     int `json:"dim"`     // width of the residual stream
	Layers  int `json:"layers"`
	Heads   int `json:"heads"`    // query heads
	KVHeads int `json:"kv_heads"` // key and value heads
	Hidden  int `json:"hidden"`   // width of the feed-forward layer
}

const (
	ropeBase = 10000
	normEps  = 1e-5
)

func (a Architecture) headDim() int { return a.Dim / a.Heads }
func (a Architecture) kvDim() int   { return a.KVHeads * a.headDim() }

// ErrArchitecture is returned for a shape that cannot be trained or stored.
var ErrArchitecture = errors.New("impossible architecture")

func (a Architecture) validate() error {
	switch {
	case a.Vocab < 258 || a.Context < 8 || a.Dim < 32 || a.Layers < 1 || a.Heads < 1 || a.KVHeads < 1 || a.Hidden < 32:
		return fmt.Errorf("%w: %+v has a part that is too small", ErrArchitecture, a)
	case a.Dim%a.Heads != 0 || a.headDim()%2 != 0:
		return fmt.Errorf("%w: dim %d does not divide into %d heads of even size", ErrArchitecture, a.Dim, a.Heads)
	case a.Heads%a.KVHeads != 0:
		return fmt.Errorf("%w: %d heads do not share %d key-value heads evenly", ErrArchitecture, a.Heads, a.KVHeads)
	case a.Dim%32 != 0 || a.Hidden%32 != 0:
		return fmt.Errorf("%w: dim %d and hidden %d must be multiples of 32, the block of Q8_0", ErrArchitecture, a.Dim, a.Hidden)
	}
	return nil
}

// weights are a model's parameters, or their gradients: views into one slice.
type weights struct {
	all       []float32
	embedding []float32 // [vocab, dim], also the output
	norm      []float32 // [dim]
	layers    []layerWeights
}

type layerWeights struct {
	attnNorm, ffnNorm []float32 // [dim]
	q, o              []float32 // [dim, dim]
	k, v              []float32 // [kvDim, dim]
	gate, up          []float32 // [hidden, dim]
	down              []float32 // [dim, hidden]
}

// newWeights lays out the parameters. The norms come last, from index
// decayed on, as weight decay leaves them alone.
func newWeights(a Architecture) (w *weights, decayed int) {
	matrix, norms := 2*a.Dim*a.Dim+2*a.kvDim()*a.Dim+3*a.Hidden*a.Dim, 2*a.Dim
	decayed = a.Vocab*a.Dim + a.Layers*matrix
	w = &weights{all: make([]float32, decayed+a.Layers*norms+a.Dim)}
	rest := w.all
	take := func(n int) []float32 {
		part := rest[:n:n]
		rest = rest[n:]
		return part
	}
	w.embedding = take(a.Vocab * a.Dim)
	for range a.Layers {
		w.layers = append(w.layers, layerWeights{
			q: take(a.Dim * a.Dim), o: take(a.Dim * a.Dim),
			k: take(a.kvDim() * a.Dim), v: take(a.kvDim() * a.Dim),
			gate: take(a.Hidden * a.Dim), up: take(a.Hidden * a.Dim), down: take(a.Dim * a.Hidden),
		})
	}
	for i := range w.layers {
		w.layers[i].attnNorm, w.layers[i].ffnNorm = take(a.Dim), take(a.Dim)
	}
	w.norm = take(a.Dim)
	return w, decayed
}

// initialise draws matrices uniformly with standard deviation 0.02, those that
// end a residual branch less by √(2·layers) (Radford et al., 2019); norms are
// one. Uniform, as normal variates need library functions whose bits vary.
func (w *weights) initialise(a Architecture, rng *rand.Rand) {
	draw := func(m []float32, deviation float64) {
		bound := float32(deviation * math.Sqrt(3))
		for i := range m {
			m[i] = float32(float32(bound*2)*rng.Float32()) - bound
		}
	}
	const deviation = 0.02
	branch := deviation / math.Sqrt(float64(2*a.Layers))
	draw(w.embedding, deviation)
	for _, l := range w.layers {
		for _, m := range [][]float32{l.q, l.k, l.v, l.gate, l.up} {
			draw(m, deviation)
		}
		draw(l.o, branch)
		draw(l.down, branch)
		for i := range l.attnNorm {
			l.attnNorm[i], l.ffnNorm[i] = 1, 1
		}
	}
	for i := range w.norm {
		w.norm[i] = 1
	}
}
