package engine

import (
	"slices"
	"sync"

	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/receipt"
)

// span is a run of tokens to be computed, at the end of one history.
type span struct {
	history  *history
	tokens   []int32
	position int // of the first token, set by forward
	first    int // its row in the batch, likewise
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

	wanted           []int  // rows of x whose last states are asked for, ascending
	runs             []span // of those rows, in the last layer
	selected, logits []float32
	folds            []uint64 // of each wanted row's states after each layer
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
// tokens. Of the given rows of the batch, ascending, the last states are then there,
// and if leaves are to be made of them the folds of every layer.
func (f *forward) run(spans []span, rows []int, leaves bool) {
	f.begin(spans, rows)
	for i := range f.layers {
		if i == len(f.layers)-1 && len(rows) < f.rows {
			if len(rows) == 0 {
				f.remember(i, spans)
				break
			}
			f.attendLast(i, spans)
		} else {
			f.attention(i, spans)
		}
		f.feedForward(&f.layers[i])
		if leaves {
			f.fold(i)
		}
	}
	for _, s := range spans {
		s.history.append(s.tokens)
	}
}

// begin makes room for a batch, and x the embeddings of its tokens.
func (f *forward) begin(spans []span, rows []int) {
	f.rows, f.turns, f.wanted = 0, f.turns[:0], append(f.wanted[:0], rows...)
	for i := range spans {
		s := &spans[i]
		s.first, s.position = f.rows, len(s.history.tokens)
		f.rows += len(s.tokens)
		for j := range s.tokens {
			f.turns = append(f.turns, f.rope.At(s.position+j))
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
	f.folds = slices.Grow(f.folds[:0], len(rows)*len(f.layers))[:len(rows)*len(f.layers)]
	for _, s := range spans {
		for i, token := range s.tokens {
			f.embedding.Row(f.x[(s.first+i)*f.dim:][:f.dim], int(token))
		}
	}
}

// each calls do for every row.
func (f *forward) each(do func(row int)) { tensor.Parallel(f.rows, f.workers, do) }

func (f *forward) normalise(w []float32) {
	const together = 8 // rows
	tensor.Parallel((f.rows+together-1)/together, f.workers, func(i int) {
		from, to := i*together*f.dim, min(f.rows, (i+1)*together)*f.dim
		tensor.RMSNormRows(f.normed[from:to], f.x[from:to], w, f.eps)
	})
	f.input.Set(f.normed, f.rows, f.dim)
}

// add ends a half of a layer: proj is added to x.
func (f *forward) add() { tensor.Add(f.x, f.proj) }

// attention is the first half of a layer.
func (f *forward) attention(index int, spans []span) {
	l := &f.layers[index]
	f.normalise(l.attnNorm)
	tensor.Multiply(&f.input, f.workers, tensor.Product{Matrix: l.q, Y: f.q}, tensor.Product{Matrix: l.k, Y: f.k}, tensor.Product{Matrix: l.v, Y: f.v})
	f.each(func(row int) {
		f.prepareQuery(l, row)
		f.prepareKey(l, row)
	})
	f.store(index, spans)
	f.mix(index, spans)
}

// attendLast is attention in the last layer: from the rows that are not wanted only
// keys and values come, so that the others alone go on.
func (f *forward) attendLast(index int, spans []span) {
	f.remember(index, spans)
	f.narrow(spans)
	l := &f.layers[index]
	f.input.Set(f.normed, f.rows, f.dim)
	l.q.Mul(f.q, &f.input, f.workers)
	f.each(func(row int) { f.prepareQuery(l, row) })
	f.mix(index, f.runs)
}

// remember makes all rows' keys and values of a layer.
func (f *forward) remember(index int, spans []span) {
	l := &f.layers[index]
	f.normalise(l.attnNorm)
	tensor.Multiply(&f.input, f.workers, tensor.Product{Matrix: l.k, Y: f.k}, tensor.Product{Matrix: l.v, Y: f.v})
	f.each(func(row int) { f.prepareKey(l, row) })
	f.store(index, spans)
}

// narrow drops the rows that are not wanted; of the others, those that follow each
// other in a span are a run.
func (f *forward) narrow(spans []span) {
	f.runs = f.runs[:0]
	for i, row := range f.wanted {
		copy(f.x[i*f.dim:][:f.dim], f.x[row*f.dim:][:f.dim])
		copy(f.normed[i*f.dim:][:f.dim], f.normed[row*f.dim:][:f.dim])
		f.turns[i], f.wanted[i] = f.turns[row], i
		for row >= spans[0].first+len(spans[0].tokens) {
			spans = spans[1:]
		}
		s, skipped := spans[0], row-spans[0].first
		if n := len(f.runs); n > 0 {
			if last := &f.runs[n-1]; last.history == s.history && last.position+len(last.tokens) == s.position+skipped {
				last.tokens = last.tokens[:len(last.tokens)+1]
				continue
			}
		}
		f.runs = append(f.runs, span{history: s.history, tokens: s.tokens[skipped:][:1], position: s.position + skipped, first: i})
	}
	f.rows = len(f.wanted)
	f.x, f.proj = f.x[:f.rows*f.dim], f.proj[:f.rows*f.dim]
}

// mix adds to x what the spans' queries find.
func (f *forward) mix(index int, spans []span) {
	f.attend(index, spans)
	f.input.Set(f.attn, f.rows, f.heads*f.headDim)
	f.layers[index].o.Mul(f.proj, &f.input, f.workers)
	f.add()
}

// prepareQuery finishes a row's queries: bias, norms of heads, and rotation, as far
// as the architecture has them.
func (f *forward) prepareQuery(l *layer, row int) {
	width := f.heads * f.headDim
	f.prepare(f.q[row*width:][:width], l.qBias, l.qNorm, f.turns[row])
}

// prepareKey does so with a row's keys, and the values' bias.
func (f *forward) prepareKey(l *layer, row int) {
	width := f.kvHeads * f.headDim
	f.prepare(f.k[row*width:][:width], l.kBias, l.kNorm, f.turns[row])
	if l.vBias != nil {
		tensor.Add(f.v[row*width:][:width], l.vBias)
	}
}

func (f *forward) prepare(heads, bias, norm []float32, turn tensor.Turn) {
	if bias != nil {
		tensor.Add(heads, bias)
	}
	if norm != nil {
		for at := 0; at < len(heads); at += f.headDim {
			tensor.RMSNorm(heads[at:at+f.headDim], heads[at:at+f.headDim], norm, f.eps)
		}
	}
	turn.Apply(heads)
}

// store puts the spans' keys and values into their pages.
func (f *forward) store(index int, spans []span) {
	for _, s := range spans {
		f.storeSpan(index, s)
	}
}

func (f *forward) storeSpan(index int, s span) {
	width := f.kvHeads * f.headDim
	for i := range s.tokens {
		position := s.position + i
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

// fold notes the wanted rows' states after a layer.
func (f *forward) fold(layer int) {
	for i, row := range f.wanted {
		f.folds[i*len(f.layers)+layer] = tensor.Fold(f.x[row*f.dim:][:f.dim])
	}
}

// folded is the digest over the layers of the i-th wanted row of the last run.
func (f *forward) folded(i int) receipt.Digest {
	return receipt.Fold(f.folds[i*len(f.layers):][:len(f.layers)])
}

// states returns the wanted rows of the last run after the last norm, valid until
// the next call.
func (f *forward) states() []float32 {
	selected := resize(&f.selected, len(f.wanted)*f.dim)
	for i, row := range f.wanted {
		copy(selected[i*f.dim:][:f.dim], f.x[row*f.dim:])
	}
	tensor.RMSNormRows(selected, selected, f.norm, f.eps)
	return selected
}

// predict returns the logits of what follows each of the wanted rows of the last
// run, valid until the next.
func (f *forward) predict() []float32 {
	f.input.Set(f.states(), len(f.wanted), f.dim)
	logits := resize(&f.logits, len(f.wanted)*f.Size())
	f.output.Mul(logits, &f.input, f.workers)
	return logits
}
