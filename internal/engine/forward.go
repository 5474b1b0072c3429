package engine

import (
	"sync"

	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/receipt"
)

// span is a run of tokens to be computed, at the end of one history.
type span struct {
	history *history
	tokens  []int32
	folded  int // of the last tokens, whose layers are folded for their leaves
	first   int // row in the batch, set by forward
}

// forward runs a model over batches of spans. What a span gives does not depend
// on what else is in its batch. It is not safe for concurrent use.
type forward struct {
	*Model
	workers int

	rows                                     int
	x, normed, q, k, v, attn, proj, gate, up []float32
	input                                    tensor.Input
	turns                                    []tensor.Turn
	scratch                                  sync.Pool // of *[]float32
	shares                                   []share

	selected, logits []float32
	folds            []uint64 // of the states after each layer, row by row
}

func (m *Model) newForward(workers int) *forward {
	f := &forward{Model: m, workers: max(1, workers)}
	f.scratch.New = func() any { return new([]float32) }
	return f
}

func resize(s *[]float32, n int) []float32 {
	if cap(*s) < n {
		*s = make([]float32, n)
	}
	*s = (*s)[:n]
	return *s
}

// run computes the spans, whose histories have room for them, and appends their
// tokens. The last states of all rows are then in x.
func (f *forward) run(spans []span) {
	f.rows = 0
	f.turns = f.turns[:0]
	for i := range spans {
		spans[i].first = f.rows
		f.rows += len(spans[i].tokens)
		for j := range spans[i].tokens {
			f.turns = append(f.turns, f.rope.At(len(spans[i].history.tokens)+j))
		}
	}
	for _, buffer := range []*[]float32{&f.x, &f.normed, &f.proj} {
		resize(buffer, f.rows*f.dim)
	}
	for _, buffer := range []*[]float32{&f.q, &f.attn} {
		resize(buffer, f.rows*f.heads*f.headDim)
	}
	for _, buffer := range []*[]float32{&f.k, &f.v} {
		resize(buffer, f.rows*f.kvHeads*f.headDim)
	}
	for _, buffer := range []*[]float32{&f.gate, &f.up} {
		resize(buffer, f.rows*f.hidden)
	}
	if n := f.rows * len(f.layers); cap(f.folds) < n {
		f.folds = make([]uint64, n)
	}
	f.folds = f.folds[:f.rows*len(f.layers)]
	for _, s := range spans {
		for i, token := range s.tokens {
			f.embedding.Row(f.x[(s.first+i)*f.dim:][:f.dim], int(token))
		}
	}
	for i := range f.layers {
		f.attention(i, spans)
		f.feedForward(&f.layers[i])
		f.fold(i, spans)
	}
	for _, s := range spans {
		s.history.append(s.tokens)
	}
}

// each calls do for every row.
func (f *forward) each(do func(row int)) { tensor.Parallel(f.rows, f.workers, do) }

func (f *forward) normalise(w []float32) {
	f.each(func(row int) {
		tensor.RMSNorm(f.normed[row*f.dim:][:f.dim], f.x[row*f.dim:][:f.dim], w, f.eps)
	})
	f.input.Set(f.normed, f.rows, f.dim)
}

// add ends a half of a layer: proj is added to x.
func (f *forward) add() { tensor.Add(f.x, f.proj) }

func (f *forward) attention(index int, spans []span) {
	l := &f.layers[index]
	f.normalise(l.attnNorm)
	tensor.Multiply(&f.input, f.workers, tensor.Product{Matrix: l.q, Y: f.q}, tensor.Product{Matrix: l.k, Y: f.k}, tensor.Product{Matrix: l.v, Y: f.v})
	qWidth, kvWidth := f.heads*f.headDim, f.kvHeads*f.headDim
	f.each(func(row int) {
		q, k, v := f.q[row*qWidth:][:qWidth], f.k[row*kvWidth:][:kvWidth], f.v[row*kvWidth:][:kvWidth]
		f.prepare(l, q, k, v, f.turns[row])
	})
	for _, s := range spans {
		f.store(index, s)
	}
	f.attend(index, spans)
	f.input.Set(f.attn, f.rows, qWidth)
	l.o.Mul(f.proj, &f.input, f.workers)
	f.add()
}

// prepare finishes one row's queries, keys and values: biases, norms of heads,
// and rotation, as far as the architecture has them.
func (f *forward) prepare(l *layer, q, k, v []float32, turn tensor.Turn) {
	if l.qBias != nil {
		tensor.Add(q, l.qBias)
		tensor.Add(k, l.kBias)
		tensor.Add(v, l.vBias)
	}
	if l.qNorm != nil {
		for at := 0; at < len(q); at += f.headDim {
			tensor.RMSNorm(q[at:at+f.headDim], q[at:at+f.headDim], l.qNorm, f.eps)
		}
		for at := 0; at < len(k); at += f.headDim {
			tensor.RMSNorm(k[at:at+f.headDim], k[at:at+f.headDim], l.kNorm, f.eps)
		}
	}
	turn.Apply(q)
	turn.Apply(k)
}

// store puts a span's keys and values into its pages.
func (f *forward) store(index int, s span) {
	width := f.kvHeads * f.headDim
	for i := range s.tokens {
		position := len(s.history.tokens) + i
		slot := position % pageTokens
		for head := range f.kvHeads {
			at := (s.first+i)*width + head*f.headDim
			keys, values := s.history.pages[position/pageTokens].head(f.Model, index, head)
			for j, v := range f.k[at:][:f.headDim] {
				keys[j*pageTokens+slot] = v
			}
			for j := 0; j < f.headDim; j += tensor.PanelWidth {
				n := min(tensor.PanelWidth, f.headDim-j)
				copy(values[j*pageTokens+slot*tensor.PanelWidth:], f.v[at+j:][:n])
			}
		}
	}
}

func (f *forward) feedForward(l *layer) {
	f.normalise(l.ffnNorm)
	tensor.Multiply(&f.input, f.workers, tensor.Product{Matrix: l.gate, Y: f.gate}, tensor.Product{Matrix: l.up, Y: f.up})
	f.each(func(row int) {
		buffer := f.scratch.Get().(*[]float32) // a row at a time: a third array of all rows is memory for nothing
		gate := f.gate[row*f.hidden:][:f.hidden]
		act := resize(buffer, f.hidden)
		tensor.SwiGLU(act, gate, f.up[row*f.hidden:][:f.hidden])
		copy(gate, act)
		f.scratch.Put(buffer)
	})
	f.input.Set(f.gate, f.rows, f.hidden)
	l.down.Mul(f.proj, &f.input, f.workers)
	f.add()
}

// fold notes the states after a layer of those tokens that are to have leaves.
func (f *forward) fold(layer int, spans []span) {
	for _, s := range spans {
		end := s.first + len(s.tokens)
		for row := end - s.folded; row < end; row++ {
			f.folds[row*len(f.layers)+layer] = tensor.Fold(f.x[row*f.dim:][:f.dim])
		}
	}
}

// folded is the digest over the layers of a row of the last run.
func (f *forward) folded(row int) receipt.Digest {
	return receipt.Fold(f.folds[row*len(f.layers):][:len(f.layers)])
}

// states returns the given rows of the last run after the last norm, valid until
// the next call.
func (f *forward) states(rows []int) []float32 {
	selected := resize(&f.selected, len(rows)*f.dim)
	for i, row := range rows {
		tensor.RMSNorm(selected[i*f.dim:][:f.dim], f.x[row*f.dim:][:f.dim], f.norm, f.eps)
	}
	return selected
}

// predict returns the logits of what follows each of the given rows of the last
// run, valid until the next.
func (f *forward) predict(rows []int) []float32 {
	f.input.Set(f.states(rows), len(rows), f.dim)
	logits := resize(&f.logits, len(rows)*f.Size())
	f.output.Mul(logits, &f.input, f.workers)
	return logits
}
