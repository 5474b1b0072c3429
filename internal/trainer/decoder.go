package trainer

import (
	"math"

	"github.com/koinon/koinon/internal/tensor"
)

// decoder runs batches of sequences of one length forward and backward.
type decoder struct {
	Architecture
	workers int
	turns   []tensor.Turn // by position
	w, grad *weights

	seqs, length int       // shape of the batch
	final, x     []float32 // [tokens, dim]: normalised and plain end of the residual stream
	finalScale   []float32 // [tokens]
	logits       []float32 // [tokens, vocab], then their gradient
	losses       []float32 // [tokens]
	layers       []layerState

	// scratch of the backward pass
	dx, dn, dAttn, dQ, dK, dV []float32
	dGate, dUp, dAct          []float32
	panels                    tensor.Panels
	heads                     []headState
}

// layerState is what the backward pass needs of a layer's forward pass; all
// are [tokens, …].
type layerState struct {
	in, attnIn, q, k, v, attn []float32
	mid, ffnIn, gate, up, act []float32
	attnScale, ffnScale       []float32
	probs                     []float32 // [seqs, heads, length, length]
}

// headState is one thread's scratch for one key-value head of one sequence.
type headState struct {
	k, v, rows tensor.Panels
	dProbs     []float32
}

func newDecoder(a Architecture, w, grad *weights, seqs, length, workers int) *decoder {
	n := seqs * length
	floats := func(width int) []float32 { return make([]float32, n*width) }
	d := &decoder{
		Architecture: a, workers: workers, turns: tensor.NewRoPE(a.headDim(), ropeBase, false, nil).Turns(a.Context),
		w: w, grad: grad, seqs: seqs, length: length,
		final: floats(a.Dim), x: floats(a.Dim), finalScale: floats(1), logits: floats(a.Vocab), losses: floats(1),
		dx: floats(a.Dim), dn: floats(a.Dim), dAttn: floats(a.Dim), dQ: floats(a.Dim), dK: floats(a.kvDim()), dV: floats(a.kvDim()),
		dGate: floats(a.Hidden), dUp: floats(a.Hidden), dAct: floats(a.Hidden),
		heads: make([]headState, seqs*a.KVHeads),
	}
	for range a.Layers {
		d.layers = append(d.layers, layerState{
			in: floats(a.Dim), attnIn: floats(a.Dim), q: floats(a.Dim), k: floats(a.kvDim()), v: floats(a.kvDim()), attn: floats(a.Dim),
			mid: floats(a.Dim), ffnIn: floats(a.Dim), gate: floats(a.Hidden), up: floats(a.Hidden), act: floats(a.Hidden),
			attnScale: floats(1), ffnScale: floats(1), probs: make([]float32, seqs*a.Heads*length*length),
		})
	}
	return d
}

// forward computes the loss of each token of targets given those before it in
// inputs, in nats; both hold seqs sequences of the decoder's length.
func (d *decoder) forward(inputs, targets []int32) []float32 {
	for i, token := range inputs {
		copy(d.x[i*d.Dim:][:d.Dim], d.w.embedding[int(token)*d.Dim:][:d.Dim])
	}
	for i := range d.layers {
		d.forwardLayer(&d.layers[i], d.w.layers[i])
	}
	d.normalise(d.final, d.x, d.w.norm, d.finalScale)
	d.linear(d.logits, d.final, d.w.embedding, d.Vocab, d.Dim)
	tensor.Parallel(len(targets), d.workers, func(i int) {
		row := d.logits[i*d.Vocab:][:d.Vocab]
		tensor.Softmax(row)
		d.losses[i] = float32(-math.Log(max(float64(row[targets[i]]), 1e-30)))
	})
	return d.losses
}

func (d *decoder) forwardLayer(s *layerState, w layerWeights) {
	copy(s.in, d.x)
	d.normalise(s.attnIn, s.in, w.attnNorm, s.attnScale)
	d.linear(s.q, s.attnIn, w.q, d.Dim, d.Dim)
	d.linear(s.k, s.attnIn, w.k, d.kvDim(), d.Dim)
	d.linear(s.v, s.attnIn, w.v, d.kvDim(), d.Dim)
	tensor.Parallel(d.seqs*d.length, d.workers, func(i int) {
		turn := d.turns[i%d.length]
		turn.Apply(s.q[i*d.Dim:][:d.Dim])
		turn.Apply(s.k[i*d.kvDim():][:d.kvDim()])
	})
	d.attention(s)
	d.linear(d.x, s.attn, w.o, d.Dim, d.Dim)
	tensor.Add(d.x, s.in)

	copy(s.mid, d.x)
	d.normalise(s.ffnIn, s.mid, w.ffnNorm, s.ffnScale)
	d.linear(s.gate, s.ffnIn, w.gate, d.Hidden, d.Dim)
	d.linear(s.up, s.ffnIn, w.up, d.Hidden, d.Dim)
	tensor.Parallel(d.seqs*d.length, d.workers, func(i int) {
		at := i * d.Hidden
		tensor.SwiGLU(s.act[at:at+d.Hidden], s.gate[at:at+d.Hidden], s.up[at:at+d.Hidden])
	})
	d.linear(d.x, s.act, w.down, d.Dim, d.Hidden)
	tensor.Add(d.x, s.mid)
}

// linear is y = x·wᵀ with w of shape [out, in].
func (d *decoder) linear(y, x, w []float32, out, in int) {
	tensor.MatMul(y, x, d.panels.PackT(w, in, out, in), len(x)/in, d.workers)
}

func (d *decoder) normalise(y, x, w, scales []float32) {
	tensor.Parallel(len(scales), d.workers, func(i int) {
		scales[i] = tensor.RMSNorm(y[i*d.Dim:][:d.Dim], x[i*d.Dim:][:d.Dim], w, normEps)
	})
}

// attentionRows is how many queries attention takes at once, so that it need
// not compute scores for keys that lie in all of their futures.
const attentionRows = 64

// attention fills s.probs and s.attn: causal, each query head with the key and
// value head it shares.
func (d *decoder) attention(s *layerState) {
	dim, kvDim, hd := d.Dim, d.kvDim(), d.headDim()
	group := d.Heads / d.KVHeads
	scale := 1 / tensor.Sqrt(float32(hd))
	tensor.Parallel(d.seqs*d.KVHeads, d.workers, func(unit int) {
		seq, kv := unit/d.KVHeads, unit%d.KVHeads
		first := seq * d.length
		h := &d.heads[unit]
		keys := h.k.PackT(s.k[first*kvDim+kv*hd:], kvDim, d.length, hd)
		values := h.v.PackN(s.v[first*kvDim+kv*hd:], kvDim, d.length, hd)
		for head := kv * group; head < (kv+1)*group; head++ {
			probs := d.probsOf(s, seq, head)
			for from := 0; from < d.length; from += attentionRows {
				to := min(from+attentionRows, d.length)
				q := tensor.Left{Data: s.q[(first+from)*dim+head*hd:], Row: dim, Col: 1}
				block := probs[from*d.length:]
				tensor.Gemm(block, d.length, q, to-from, keys, to, hd, false, 1)
				for i := from; i < to; i++ {
					row := probs[i*d.length:][:d.length]
					tensor.Scale(row[:i+1], scale)
					tensor.Softmax(row[:i+1])
					clear(row[i+1:])
				}
				out := s.attn[(first+from)*dim+head*hd:]
				tensor.Gemm(out, dim, tensor.Left{Data: block, Row: d.length, Col: 1}, to-from, values, hd, to, false, 1)
			}
		}
	})
}

func (d *decoder) probsOf(s *layerState, seq, head int) []float32 {
	size := d.length * d.length
	return s.probs[(seq*d.Heads+head)*size:][:size]
}
