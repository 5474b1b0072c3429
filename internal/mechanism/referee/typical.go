package referee

import (
	"sort"

	"github.com/koinon/koinon/internal/mechanism/softfloat"
)

// Step 11: the range of candidates that typical_p keeps.

// expected is the sum, up to and with a chunk of candidates, of their probabilities
// times their scaled logits.
func (b *bench) expected(chunk uint64) float {
	sum := b.running(OpExpected, chunk)
	first, n := b.span(chunk)
	candidates := b.candidates()
	scaled := b.scaled(first, n)
	for i, p := range b.probabilities(first, n) {
		if first+uint64(i) >= candidates {
			break
		}
		sum = softfloat.Add(sum, softfloat.Mul(p, scaled[i]))
	}
	return sum
}

// candidates is how many there are before typical_p.
func (b *bench) candidates() uint64 { return min(b.state(OpSum, b.scans()).count, b.Shape.Vocabulary) }

// running is what a scan of one word shows after so many chunks.
func (b *bench) running(o Operator, chunks uint64) float {
	if chunks == 0 {
		return softfloat.Zero
	}
	return b.read(b.segment, o, 0, chunks-1, 1)[0]
}

// growth is a range so far, and the sum of its probabilities as they were taken.
type growth struct {
	low, high uint64
	sum       float
}

// typical is the range after RunKeys more candidates were taken, or all that are.
func (b *bench) typical(chunk uint64) growth {
	n := b.candidates()
	expected := b.running(OpExpected, b.scans())
	var g growth
	if chunk > 0 {
		words := b.words(b.segment, OpTypical, 0, 3*(chunk-1), 3)
		g = growth{uint64(words[0]), uint64(words[1]), float(words[2])}
	} else if n > 0 {
		// Scaled logits descend: the first that is not above what is expected.
		g.low = uint64(sort.Search(int(n-1), func(i int) bool { return !expected.Less(b.scaled(uint64(i), 1)[0]) }))
		g.high = g.low
	}
	for range RunKeys {
		enough := g.low < g.high && !g.sum.Less(bits(b.Receipt.Sampling.TypicalP))
		if enough || g.low == 0 && g.high >= n || g.low > g.high || g.high > n {
			return g
		}
		if g.high == n || g.low > 0 && g.high > g.low && b.nearer(g, expected) {
			g.low--
			g.sum = softfloat.Add(g.sum, b.probabilities(g.low, 1)[0])
		} else {
			g.sum = softfloat.Add(g.sum, b.probabilities(g.high, 1)[0])
			g.high++
		}
	}
	return g
}

// nearer says whether the neighbour on the left is as near to what is expected as that
// on the right, or nearer.
func (b *bench) nearer(g growth, expected float) bool {
	left := softfloat.Sub(b.scaled(g.low-1, 1)[0], expected)
	right := softfloat.Sub(expected, b.scaled(g.high, 1)[0])
	return !right.Less(left)
}

// ranged is the sum of the range's probabilities in order, up to and with a chunk of
// candidates.
func (b *bench) ranged(chunk uint64) float {
	sum := b.running(OpRange, chunk)
	first, n := b.span(chunk)
	low, high := b.stays()
	for i, p := range b.probabilities(first, n) {
		if at := first + uint64(i); at >= low && at < high {
			sum = softfloat.Add(sum, p)
		}
	}
	return sum
}

// stays is the range of candidates that typical_p keeps: all, without it.
func (b *bench) stays() (low, high uint64) {
	n := b.candidates()
	if !typical(&b.Receipt.Sampling) {
		return 0, n
	}
	words := b.words(b.segment, OpTypical, 0, 3*(b.scans()-1), 3)
	low = min(uint64(words[0]), b.Shape.Vocabulary-1)
	return low, min(max(low, uint64(words[1])), n)
}

// kept are candidates' probabilities after typical_p: over the sum of what it keeps.
func (b *bench) kept(first, n uint64) []float {
	list := b.probabilities(first, n)
	if !typical(&b.Receipt.Sampling) {
		return list
	}
	sum := b.running(OpRange, b.scans())
	for i, p := range list {
		list[i] = softfloat.Div(p, sum)
	}
	return list
}
