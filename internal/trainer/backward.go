package trainer

import "github.com/koinon/koinon/internal/tensor"

// backward adds to d.grad the gradient of the mean loss of the last forward
// pass, times weight.
func (d *decoder) backward(inputs, targets []int32, weight float32) {
	share := weight / float32(len(targets))
	tensor.Parallel(len(targets), d.workers, func(i int) {
		row := d.logits[i*d.Vocab:][:d.Vocab] // holds the probabilities
		row[targets[i]]--
		tensor.Scale(row, share)
	})
	clear(d.dn)
	d.linearBack(d.dn, d.grad.embedding, d.logits, d.final, d.w.embedding, d.Vocab, d.Dim)
	clear(d.dx)
	d.normaliseBack(d.dx, d.grad.norm, d.dn, d.x, d.w.norm, d.finalScale)
	for i := len(d.layers) - 1; i >= 0; i-- {
		d.backwardLayer(&d.layers[i], d.w.layers[i], d.grad.layers[i])
	}
	for i, token := range inputs {
		tensor.Add(d.grad.embedding[int(token)*d.Dim:][:d.Dim], d.dx[i*d.Dim:][:d.Dim])
	}
}

// backwardLayer turns d.dx from the gradient of a layer's output into that of
// its input: the residual stream passes it on, each branch adds its own.
func (d *decoder) backwardLayer(s *layerState, w, g layerWeights) {
	clear(d.dAct)
	d.linearBack(d.dAct, g.down, d.dx, s.act, w.down, d.Dim, d.Hidden)
	tensor.Parallel(d.seqs*d.length, d.workers, func(i int) { d.swigluBack(s, i*d.Hidden) })
	clear(d.dn)
	d.linearBack(d.dn, g.gate, d.dGate, s.ffnIn, w.gate, d.Hidden, d.Dim)
	d.linearBack(d.dn, g.up, d.dUp, s.ffnIn, w.up, d.Hidden, d.Dim)
	d.normaliseBack(d.dx, g.ffnNorm, d.dn, s.mid, w.ffnNorm, s.ffnScale)

	clear(d.dAttn)
	d.linearBack(d.dAttn, g.o, d.dx, s.attn, w.o, d.Dim, d.Dim)
	d.attentionBack(s)
	tensor.Parallel(d.seqs*d.length, d.workers, func(i int) {
		turn := d.turns[i%d.length]
		turn.Undo(d.dQ[i*d.Dim:][:d.Dim])
		turn.Undo(d.dK[i*d.kvDim():][:d.kvDim()])
	})
	clear(d.dn)
	d.linearBack(d.dn, g.q, d.dQ, s.attnIn, w.q, d.Dim, d.Dim)
	d.linearBack(d.dn, g.k, d.dK, s.attnIn, w.k, d.kvDim(), d.Dim)
	d.linearBack(d.dn, g.v, d.dV, s.attnIn, w.v, d.kvDim(), d.Dim)
	d.normaliseBack(d.dx, g.attnNorm, d.dn, s.in, w.attnNorm, s.attnScale)
}

// linearBack adds the gradients of y = x·wᵀ: dx += dy·w and dw += dyᵀ·x.
func (d *decoder) linearBack(dx, dw, dy, x, w []float32, out, in int) {
	rows := len(x) / in
	tensor.Gemm(dx, in, tensor.Left{Data: dy, Row: out, Col: 1}, rows, d.panels.PackN(w, in, out, in), in, out, true, d.workers)
	tensor.Gemm(dw, in, tensor.Left{Data: dy, Row: 1, Col: out}, out, d.panels.PackN(x, in, rows, in), in, rows, true, d.workers)
}

// normaliseBack adds the gradients of y = x·s·w, s = 1/rms(x): with
// m = Σ dy·w·x, dx += s·w·dy − x·s³·m/dim and dw += Σ dy·x·s.
func (d *decoder) normaliseBack(dx, dw, dy, x, w, scales []float32) {
	tensor.Parallel(len(scales), d.workers, func(i int) {
		at := i * d.Dim
		dxi, dyi, xi, s := dx[at:at+d.Dim], dy[at:at+d.Dim], x[at:at+d.Dim], scales[i]
		var m float32
		for j, v := range xi {
			m += float32(float32(dyi[j]*w[j]) * v)
		}
		c := float32(float32(s*s)*s) * m / float32(d.Dim)
		for j, v := range xi {
			dxi[j] += float32(float32(s*w[j])*dyi[j]) - float32(v*c)
		}
	})
	const columns = 32
	tensor.Parallel((d.Dim+columns-1)/columns, d.workers, func(block int) {
		from, to := block*columns, min((block+1)*columns, d.Dim)
		for i, s := range scales {
			for j := from; j < to; j++ {
				dw[j] += float32(float32(dy[i*d.Dim+j]*x[i*d.Dim+j]) * s)
			}
		}
	})
}

// swigluBack sets dGate and dUp of one token from dAct: with σ the logistic
// function, silu' = σ·(1 + g·(1−σ)).
func (d *decoder) swigluBack(s *layerState, at int) {
	gate, up, dAct := s.gate[at:][:d.Hidden], s.up[at:][:d.Hidden], d.dAct[at:][:d.Hidden]
	dGate, dUp := d.dGate[at:][:d.Hidden], d.dUp[at:][:d.Hidden]
	for j, g := range gate {
		dGate[j] = -g
	}
	tensor.ExpAll(dGate, dGate)
	for j, g := range gate {
		sigma := 1 / (1 + dGate[j])
		silu := float32(g * sigma)
		slope := float32(sigma * (1 + float32(g*(1-sigma))))
		dGate[j] = float32(dAct[j]*up[j]) * slope
		dUp[j] = dAct[j] * silu
	}
}

// attentionBack sets dQ, dK and dV from dAttn. With P the probabilities and dP
// their gradient, that of the scores is P∘(dP − Σ P∘dP).
func (d *decoder) attentionBack(s *layerState) {
	dim, kvDim, hd := d.Dim, d.kvDim(), d.headDim()
	group := d.Heads / d.KVHeads
	scale := 1 / tensor.Sqrt(float32(hd))
	clear(d.dQ)
	clear(d.dK)
	clear(d.dV)
	tensor.Parallel(d.seqs*d.KVHeads, d.workers, func(unit int) {
		seq, kv := unit/d.KVHeads, unit%d.KVHeads
		first := seq * d.length
		h := &d.heads[unit]
		if h.dProbs == nil {
			h.dProbs = make([]float32, attentionRows*d.length)
		}
		keys := h.k.PackN(s.k[first*kvDim+kv*hd:], kvDim, d.length, hd)
		values := h.v.PackT(s.v[first*kvDim+kv*hd:], kvDim, d.length, hd)
		dK, dV := d.dK[first*kvDim+kv*hd:], d.dV[first*kvDim+kv*hd:]
		for head := kv * group; head < (kv+1)*group; head++ {
			probs := d.probsOf(s, seq, head)
			for from := 0; from < d.length; from += attentionRows {
				to := min(from+attentionRows, d.length)
				n, at := to-from, (first+from)*dim+head*hd
				block := probs[from*d.length:]
				across := tensor.Left{Data: block, Row: 1, Col: d.length}

				dOut := d.dAttn[at:]
				tensor.Gemm(dV, kvDim, across, to, h.rows.PackN(dOut, dim, n, hd), hd, n, true, 1)
				tensor.Gemm(h.dProbs, d.length, tensor.Left{Data: dOut, Row: dim, Col: 1}, n, values, to, hd, false, 1)
				for i := range n {
					softmaxBack(h.dProbs[i*d.length:][:to], block[i*d.length:][:to], scale)
				}
				scores := tensor.Left{Data: h.dProbs, Row: d.length, Col: 1}
				tensor.Gemm(d.dQ[at:], dim, scores, n, keys, hd, to, true, 1)
				across.Data = h.dProbs
				tensor.Gemm(dK, kvDim, across, to, h.rows.PackN(s.q[at:], dim, n, hd), hd, n, true, 1)
			}
		}
	})
}

// softmaxBack turns the gradient of probabilities into that of unscaled scores.
func softmaxBack(grad, probs []float32, scale float32) {
	var sum float32
	for j, p := range probs {
		sum += float32(p * grad[j])
	}
	for j, p := range probs {
		grad[j] = float32(p*(grad[j]-sum)) * scale
	}
}
