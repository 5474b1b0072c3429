package engine

import "github.com/koinon/koinon/internal/tensor"

// share is a part of a layer's attention that one thread computes: of a span, the
// heads of queries that share one head of keys and values, or else one panel of
// tokens of one head.
type share struct {
	span
	head int // of keys and values, or else of queries
	from int // token of the span, the first of a panel
}

// panelled is from how many tokens on panels are quicker: they read keys, values and
// scores once for all tokens of a panel, but compute a whole one.
const panelled = 8

// attend computes the attention of the spans' tokens, each over itself and all
// before it. Scores are dot products over the head's elements in ascending order,
// times 1/sqrt(elements); their softmax weighs the values in the order of positions.
func (f *forward) attend(index int, spans []span) {
	f.shares = f.shares[:0]
	for _, s := range spans {
		if len(s.tokens) < panelled {
			for head := range f.kvHeads {
				f.shares = append(f.shares, share{span: s, head: head})
			}
			continue
		}
		for from := 0; from < len(s.tokens); from += tensor.PanelWidth {
			for head := range f.heads {
				f.shares = append(f.shares, share{s, head, from})
			}
		}
	}
	tensor.Parallel(len(f.shares), f.workers, func(i int) {
		if s := f.shares[i]; len(s.tokens) < panelled {
			f.attendGroup(index, s)
		} else {
			f.attendPanel(index, s)
		}
	})
}

// attendGroup is the attention of few tokens: for the heads that share one head of
// keys and values side by side, token by token.
func (f *forward) attendGroup(index int, s share) {
	group := f.heads / f.kvHeads
	buffer := f.scratch.Get().(*[]float32)
	defer f.scratch.Put(buffer)
	for i := range s.tokens {
		first := (s.first+i)*f.heads*f.headDim + s.head*group*f.headDim
		sees := s.position + i + 1
		used := (sees + pageTokens - 1) / pageTokens
		across := used * pageTokens
		scores := resize(buffer, group*across)
		for i, p := range s.history.pages[:used] {
			keys, _ := p.head(f.Model, index, s.head)
			tensor.Strip(scores[i*pageTokens:], across, tensor.Left{Data: f.q[first:], Row: f.headDim, Col: 1}, group, keys, pageTokens, f.headDim, false)
		}
		for r := range group {
			tensor.Scale(scores[r*across:][:sees], f.dotScale())
		}
		tensor.SoftmaxRows(scores, across, group, sees)
		f.weigh(index, s.head, s.history.pages[:used], first, f.headDim, group, tensor.Left{Data: scores, Row: across, Col: 1}, sees)
	}
}

// attendPanel is the attention of a panel's tokens in one head: scores lie by
// position, the tokens' side by side.
func (f *forward) attendPanel(index int, s share) {
	const across = tensor.PanelWidth
	width, kvHead := f.heads*f.headDim, s.head/(f.heads/f.kvHeads)
	n, start := min(across, len(s.tokens)-s.from), s.position+s.from
	first, positions := (s.first+s.from)*width+s.head*f.headDim, start+n
	used := (positions + pageTokens - 1) / pageTokens
	buffer := f.scratch.Get().(*[]float32)
	defer f.scratch.Put(buffer)
	both := resize(buffer, (f.headDim+used*pageTokens)*across)
	queries, scores := both[:f.headDim*across], both[f.headDim*across:]
	clear(queries)
	for r := range n {
		for j, v := range f.q[first+r*width:][:f.headDim] {
			queries[j*across+r] = v
		}
	}
	for i, p := range s.history.pages[:used] {
		keys, _ := p.head(f.Model, index, kvHead)
		tensor.Strip(scores[i*pageTokens*across:], across, tensor.Left{Data: keys, Row: 1, Col: pageTokens}, pageTokens, queries, across, f.headDim, false)
	}
	scores = scores[:positions*across]
	tensor.Scale(scores, f.dotScale())
	tensor.SoftmaxColumns(scores, start+1)
	f.weigh(index, kvHead, s.history.pages[:used], first, width, n, tensor.Left{Data: scores, Row: 1, Col: across}, positions)
}

// dotScale is what scores are multiplied by.
func (f *forward) dotScale() float32 { return 1 / tensor.Sqrt(float32(f.headDim)) }

// weigh sums the values of positions, times their weights, for rows that lie stride
// apart in attn, the first at first. A weight of 0 changes no bit of a sum that began
// at zero.
func (f *forward) weigh(index, kvHead int, pages []*page, first, stride, rows int, weights tensor.Left, positions int) {
	all := weights.Data
	for i, p := range pages {
		_, values := p.head(f.Model, index, kvHead)
		weights.Data = all[i*pageTokens*weights.Col:]
		for j := 0; j < f.headDim; j += tensor.PanelWidth {
			tensor.Strip(f.attn[first+j:], stride, weights, rows, values[j*pageTokens:],
				min(tensor.PanelWidth, f.headDim-j), min(pageTokens, positions-i*pageTokens), i > 0)
		}
	}
}
