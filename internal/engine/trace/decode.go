package trace

import (
	"slices"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/tensor"
)

// span is how many positions share a page of keys and values: a panel's width.
const span = tensor.PanelWidth

// mixPages is after how many pages the sums of weighted values are shown:
// referee's 64 positions.
const mixPages = 64 / span

// decoder computes positions operator by operator, with the keys and values of all
// that were computed before. It is the engine's arithmetic; what it gives is tested
// to be the engine's bits.
type decoder struct {
	engine.Decoder
	workers int
	// keys and values, by layer and head, in pages as tensor.Strip wants them.
	keys, values [][]float32
	across       int // elements of a head, in whole panels
	// outputs are each layer's, at the last position of the last run.
	outputs [][]float32
	input   tensor.Input
}

// emit takes an operator's output at one row of a batch. It is called for several
// rows at once.
type emit func(row int, values []float32)

func newDecoder(m *engine.Model, positions, workers int) *decoder {
	d := &decoder{Decoder: m.Decoder(), workers: max(1, workers)}
	pages := (positions + span - 1) / span
	d.across = (d.HeadDim + span - 1) / span * span
	for range len(d.Layers) * d.KVHeads {
		d.keys = append(d.keys, make([]float32, pages*span*d.HeadDim))
		d.values = append(d.values, make([]float32, pages*span*d.across))
	}
	return d
}

// each shows all rows of an operator's output.
func (d *decoder) each(rows int, values []float32, show emit) {
	width := len(values) / rows
	tensor.Parallel(rows, d.workers, func(row int) { show(row, values[row*width:][:width]) })
}

// run computes tokens at positions from first on, and shows each operator's output
// in the trace's order.
func (d *decoder) run(first int, tokens []int32, show emit) {
	rows := len(tokens)
	x := make([]float32, rows*d.Dim)
	for i, id := range tokens {
		d.Embedding.Row(x[i*d.Dim:][:d.Dim], int(id))
	}
	d.each(rows, x, show)
	d.outputs = d.outputs[:0]
	for i := range d.Layers {
		d.attention(i, first, rows, x, show)
		d.feedForward(&d.Layers[i], rows, x, show)
		d.outputs = append(d.outputs, slices.Clone(x[len(x)-d.Dim:]))
	}
}

func (d *decoder) norm(rows int, x, w []float32) []float32 {
	y := make([]float32, len(x))
	tensor.Parallel(rows, d.workers, func(row int) {
		tensor.RMSNorm(y[row*d.Dim:][:d.Dim], x[row*d.Dim:][:d.Dim], w, d.Epsilon)
	})
	return y
}

// multiply is products of an input with matrices.
func (d *decoder) multiply(rows int, x []float32, matrices ...*tensor.Matrix) [][]float32 {
	d.input.Set(x, rows, len(x)/rows)
	products := make([]tensor.Product, len(matrices))
	results := make([][]float32, len(matrices))
	for i, m := range matrices {
		results[i] = make([]float32, rows*m.Out())
		products[i] = tensor.Product{Matrix: m, Y: results[i]}
	}
	tensor.Multiply(&d.input, d.workers, products...)
	return results
}

func (d *decoder) attention(index, first, rows int, x []float32, show emit) {
	l := &d.Layers[index]
	n := d.norm(rows, x, l.AttnNorm)
	d.each(rows, n, show)
	products := d.multiply(rows, n, l.Q, l.K, l.V)
	for i, bias := range [][]float32{l.QBias, l.KBias, l.VBias} {
		if bias != nil {
			for row := range rows {
				tensor.Add(products[i][row*len(bias):][:len(bias)], bias)
			}
		}
		d.each(rows, products[i], show)
	}
	q, k, v := products[0], products[1], products[2]
	for row := range rows {
		turn := d.RoPE.At(first + row)
		d.turn(q[row*len(q)/rows:][:len(q)/rows], l.QNorm, turn)
		d.turn(k[row*len(k)/rows:][:len(k)/rows], l.KNorm, turn)
		d.store(index, first+row, k[row*len(k)/rows:], v[row*len(v)/rows:])
	}
	d.each(rows, q, show)
	d.each(rows, k, show)
	width := d.Heads * d.HeadDim
	mixed := make([]float32, rows*width)
	tensor.Parallel(rows, d.workers, func(row int) {
		d.attend(index, first+row, q[row*width:][:width], mixed[row*width:][:width], func(values []float32) { show(row, values) })
	})
	tensor.Add(x, d.multiply(rows, mixed, l.O)[0])
	d.each(rows, x, show)
}

// turn normalises heads, if they are, and rotates them.
func (d *decoder) turn(x, norm []float32, turn tensor.Turn) {
	for at := 0; norm != nil && at < len(x); at += d.HeadDim {
		tensor.RMSNorm(x[at:at+d.HeadDim], x[at:at+d.HeadDim], norm, d.Epsilon)
	}
	turn.Apply(x)
}

// store puts a position's keys and values into their pages: keys as [elements][span],
// values as [elements/span][span][span].
func (d *decoder) store(index, position int, k, v []float32) {
	slot := position % span
	for head := range d.KVHeads {
		at := index*d.KVHeads + head
		keys, values := d.keys[at][position/span*span*d.HeadDim:], d.values[at][position/span*span*d.across:]
		for j := range d.HeadDim {
			keys[j*span+slot] = k[head*d.HeadDim+j]
			values[j/span*span*span+slot*span+j%span] = v[head*d.HeadDim+j]
		}
	}
}

// attend shows scores, their softmax and the sums of weighted values of one
// position, and puts the last sums into mixed.
func (d *decoder) attend(index, position int, q, mixed []float32, show func(values []float32)) {
	sees := position + 1
	pages := (sees + span - 1) / span
	group := d.Heads / d.KVHeads
	scores := make([]float32, d.Heads*sees)
	padded := make([]float32, d.Heads*pages*span)
	for head := range d.KVHeads {
		keys := d.keys[index*d.KVHeads+head]
		for i := range pages {
			left := tensor.Left{Data: q[head*group*d.HeadDim:], Row: d.HeadDim, Col: 1}
			tensor.Strip(padded[(head*group*pages+i)*span:], pages*span, left, group, keys[i*span*d.HeadDim:], span, d.HeadDim, false)
		}
	}
	scale := 1 / tensor.Sqrt(float32(d.HeadDim))
	for h := range d.Heads {
		row := scores[h*sees:][:sees]
		copy(row, padded[h*pages*span:])
		tensor.Scale(row, scale)
	}
	show(scores)
	for h := range d.Heads {
		tensor.Softmax(scores[h*sees:][:sees])
	}
	show(scores)
	sums := make([]float32, 0, (pages+mixPages-1)/mixPages*len(mixed))
	for i := range pages {
		d.mix(index, i, sees, scores, mixed)
		if (i+1)%mixPages == 0 || i+1 == pages {
			sums = append(sums, mixed...)
		}
	}
	show(sums)
}

// mix adds a page's values, times their weights, to the sums of all heads.
func (d *decoder) mix(index, page, sees int, weights, sums []float32) {
	group := d.Heads / d.KVHeads
	for head := range d.KVHeads {
		values := d.values[index*d.KVHeads+head][page*span*d.across:]
		left := tensor.Left{Data: weights[head*group*sees+page*span:], Row: sees, Col: 1}
		for j := 0; j < d.HeadDim; j += span {
			tensor.Strip(sums[head*group*d.HeadDim+j:], d.HeadDim, left, group, values[j*span:], min(span, d.HeadDim-j), min(span, sees-page*span), page > 0)
		}
	}
}

func (d *decoder) feedForward(l *engine.DecoderLayer, rows int, x []float32, show emit) {
	n := d.norm(rows, x, l.FFNNorm)
	d.each(rows, n, show)
	products := d.multiply(rows, n, l.Gate, l.Up)
	d.each(rows, products[0], show)
	d.each(rows, products[1], show)
	act := make([]float32, len(products[0]))
	tensor.SwiGLU(act, products[0], products[1])
	d.each(rows, act, show)
	tensor.Add(x, d.multiply(rows, act, l.Down)[0])
	d.each(rows, x, show)
}
