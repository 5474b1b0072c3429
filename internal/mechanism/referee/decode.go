package referee

import (
	"fmt"

	"github.com/koinon/koinon/internal/mechanism/softfloat"
)

// The operators of the decoder, one element at a time.

func (b *bench) embed(i uint64) float {
	token := uint64(b.tokenAt(b.segment - 1))
	if token >= b.Shape.Vocabulary {
		b.fail(fmt.Errorf("%w: token %d in a vocabulary of %d", ErrAnswer, token, b.Shape.Vocabulary))
		return softfloat.NaN
	}
	f := b.Shape.Embedding
	row := b.row(tensorEmbedding, 0, token, f, b.Shape.Dim)
	elements, bytes := f.block()
	return f.element(row[i/elements*bytes:][:bytes], i%elements)
}

// norm is element i of RMSNorm: (x·s)·w, with s = 1/√(Σx²/n + ε).
func (b *bench) norm(x, w []float, i uint64) float {
	return softfloat.Mul(softfloat.Mul(x[i], b.scaleOf(x)), w[i])
}

// scaleOf is the s of a norm.
func (b *bench) scaleOf(x []float) float {
	var sum float
	for _, v := range x {
		sum = softfloat.Add(sum, softfloat.Mul(v, v))
	}
	mean := softfloat.Div(sum, softfloat.FromInt(int64(len(x))))
	return softfloat.Div(softfloat.One, softfloat.Sqrt(softfloat.Add(mean, float(b.Shape.Epsilon))))
}

// product is the product of x with a row of a matrix.
func (b *bench) product(t tensor, layer uint64, f Format, x []float, row uint64) float {
	return f.dot(b.row(t, layer, row, f, uint64(len(x))), x)
}

// biased is element i of queries, keys or values, with their bias if there is one.
func (b *bench) biased(t, bias tensor, layer, i uint64) float {
	m := b.Shape.Matrices[layer]
	f := [...]Format{m.Q, m.K, m.V}[t-tensorQ]
	v := b.product(t, layer, f, b.all(OpAttnNorm, layer, b.Shape.Dim), i)
	if b.Shape.Biases {
		n := b.Shape.count(t)
		v = softfloat.Add(v, b.vector(bias, layer, n)[i])
	}
	return v
}

// turn is element i of queries or keys after the norm of their head, if there is
// one, and the rotation of the pair that it belongs to.
func (b *bench) turn(of Operator, norm tensor, layer, i uint64) float {
	n := b.Shape.HeadDim
	head := b.read(b.segment, of, layer, i/n*n, n)
	if b.Shape.HeadNorms {
		w := b.vector(norm, layer, n)
		scale := b.scaleOf(head)
		for j := range head {
			head[j] = softfloat.Mul(softfloat.Mul(head[j], scale), w[j])
		}
	}
	at := i % n
	pair, first, second := at/2, at/2*2, at/2*2+1
	if b.Shape.Halves {
		pair = at % (n / 2)
		first, second = pair, n/2+pair
	}
	turn := widen(F32, b.row(tensorTurns, 0, b.segment-1, F32, n))
	cos, sin := turn[pair], turn[n/2+pair]
	if at == first {
		return softfloat.Sub(softfloat.Mul(head[first], cos), softfloat.Mul(head[second], sin))
	}
	return softfloat.Add(softfloat.Mul(head[first], sin), softfloat.Mul(head[second], cos))
}

// score is the attention's score of head i/sees for position i mod sees.
func (b *bench) score(layer, i uint64) float {
	n, sees := b.Shape.HeadDim, b.segment
	head, position := i/sees, i%sees
	kvHead := head / (b.Shape.Heads / b.Shape.KVHeads)
	q := b.read(b.segment, OpTurnQ, layer, head*n, n)
	k := b.read(position+1, OpTurnK, layer, kvHead*n, n)
	scale := softfloat.Div(softfloat.One, softfloat.Sqrt(softfloat.FromInt(int64(n))))
	return softfloat.Mul(dot(q, k), scale)
}

// weight is the softmax of a head's scores at one position.
func (b *bench) weight(layer, i uint64) float {
	sees := b.segment
	scores := b.read(b.segment, OpScores, layer, i/sees*sees, sees)
	top := scores[0] // the first of the largest, or the first of all if that is no number
	for _, v := range scores[1:] {
		if top.Less(v) {
			top = v
		}
	}
	var sum, own float
	for j, v := range scores {
		e := exp(softfloat.Sub(v, top))
		sum = softfloat.Add(sum, e)
		if uint64(j) == i%sees {
			own = e
		}
	}
	return softfloat.Mul(own, softfloat.Div(softfloat.One, sum))
}

// mix is an element of the sum of weighted values up to the end of a span of
// positions.
func (b *bench) mix(layer, i uint64) float {
	n, sees, width := b.Shape.HeadDim, b.segment, b.Shape.Heads*b.Shape.HeadDim
	span, head, at := i/width, i%width/n, i%n
	kvHead := head / (b.Shape.Heads / b.Shape.KVHeads)
	var sum float
	if span > 0 {
		sum = b.one(OpMix, layer, i-width)
	}
	from := span * mixSpan
	weights := b.read(b.segment, OpWeights, layer, head*sees+from, min(mixSpan, sees-from))
	for j, w := range weights {
		v := b.read(from+uint64(j)+1, OpV, layer, kvHead*n+at, 1)[0]
		sum = softfloat.Add(sum, softfloat.Mul(w, v))
	}
	return sum
}

// swiGLU is gate / (1 + Exp(−gate)) · up.
func swiGLU(gate, up float) float {
	below := softfloat.Add(softfloat.One, exp(gate.Neg()))
	return softfloat.Mul(softfloat.Div(gate, below), up)
}

// dot is the sum of products in ascending order.
func dot(x, y []float) (sum float) {
	for i, v := range x {
		sum = softfloat.Add(sum, softfloat.Mul(v, y[i]))
	}
	return sum
}

// exp is spec/engine.md's Exp.
func exp(x float) float {
	const (
		log2E = float(0x3fb8aa3b) // 1.44269504
		ln2Hi = float(0x3f318000) // 0.693359375
		ln2Lo = float(0xb95e8083) // −2.12194440e-4
		least = float(0xc2ae999a) // −87.3
		most  = float(0x42b16666) // 88.7
	)
	// 1/k! for k = 7 … 0.
	coefficients := [...]float{0x39500d01, 0x3ab60b61, 0x3c088889, 0x3d2aaaab, 0x3e2aaaab, 0x3f000000, softfloat.One, softfloat.One}
	switch {
	case x.IsNaN():
		return softfloat.NaN
	case x.Less(least):
		return softfloat.Zero
	case most.Less(x):
		return softfloat.Inf
	}
	n := softfloat.Mul(x, log2E).Nearest()
	r := softfloat.Sub(x, softfloat.Mul(softfloat.FromInt(int64(n)), ln2Hi))
	r = softfloat.Sub(r, softfloat.Mul(softfloat.FromInt(int64(n)), ln2Lo))
	p := coefficients[0]
	for _, c := range coefficients[1:] {
		p = softfloat.Add(softfloat.Mul(p, r), c)
	}
	half := n >> 1
	return softfloat.Scale(softfloat.Scale(p, half), n-half)
}
