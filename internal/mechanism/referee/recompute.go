package referee

import (
	"errors"
	"fmt"

	"github.com/koinon/koinon/internal/mechanism/softfloat"
)

// ErrPlace is returned for a word that the trace does not have.
var ErrPlace = errors.New("the trace has no such word")

type float = softfloat.Float

// bench computes one word. The first failure to read an input stays, and makes
// the result worthless.
type bench struct {
	*Trace
	source  Source
	segment uint64
	// index and claimed are those of the chunk that is judged: what precedes the word
	// in it is read here. Claimed is nil where nothing is.
	index   uint64
	claimed []uint32
	failed  error
	// list has the runs of the segment that was read last.
	list   []Run
	listed uint64
}

// Runs is the trace's, without making the same list again and again.
func (b *bench) Runs(segment uint64) []Run {
	if b.list == nil || b.listed != segment {
		b.list, b.listed = b.Trace.Runs(segment), segment
	}
	return b.list
}

// Judge says whether a word of a chunk of the trace, whose words are claimed, is
// what its operator gives, computed again in the order that spec/engine.md fixes
// from inputs that all lie before it: in earlier chunks, and in what is claimed of
// its own. Refusals: [ErrPlace], and those of the source.
func (t *Trace) Judge(at Place, claimed []uint32, source Source) (bool, error) {
	if err := t.check(at); err != nil {
		return false, err
	}
	if n := t.Words(at.Segment, at.Chunk); uint64(len(claimed)) != n {
		return false, fmt.Errorf("%w: %d words are claimed of %d", ErrPlace, len(claimed), n)
	}
	r := t.find(at.Segment, at.Chunk)
	b := &bench{Trace: t, source: source, segment: at.Segment, index: at.Chunk, claimed: claimed}
	var right bool
	if r.Operator.tokens() {
		right = b.follows(r, at.Chunk-r.First, claimed)
	} else {
		right = b.compute(r, (at.Chunk-r.First)*ChunkWords+at.Word) == claimed[at.Word]
	}
	return right && b.failed == nil, b.reason(at)
}

// Compute is a word of the trace, but of the tokens, which nothing computes.
// Refusals are those of Judge.
func (t *Trace) Compute(at Place, source Source) (uint32, error) {
	if err := t.check(at); err != nil {
		return 0, err
	}
	r := t.find(at.Segment, at.Chunk)
	b := &bench{Trace: t, source: source, segment: at.Segment}
	word := b.compute(r, (at.Chunk-r.First)*ChunkWords+at.Word)
	return word, b.reason(at)
}

// check refuses a place that the trace does not have.
func (t *Trace) check(at Place) error {
	if at.Segment >= t.Segments() || at.Chunk >= t.Chunks(at.Segment) || at.Word >= t.Words(at.Segment, at.Chunk) {
		return fmt.Errorf("%w: word %d of chunk %d in segment %d", ErrPlace, at.Word, at.Chunk, at.Segment)
	}
	return nil
}

// reason is why a word could not be computed, if it could not.
func (b *bench) reason(at Place) error {
	if b.failed == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", b.Describe(at.Segment, at.Chunk), b.failed)
}

// compute is word i of an operator's output.
func (b *bench) compute(r Run, i uint64) uint32 {
	switch r.Operator {
	case OpLogitsHash:
		return b.hash(OpLogitFolds, 0, r, i)
	case OpLogitFolds:
		first := i / 2 * logitSpan
		return foldWord(b.read(b.segment, OpLogits, 0, first, min(logitSpan, b.Shape.Vocabulary-first)), i)
	case OpFoldHash:
		return b.hash(OpFolds, 0, r, i)
	case OpFolds:
		return foldWord(b.read(b.segment-1, OpOut, i/2, 0, b.Shape.Dim), i)
	case OpAdjusted, OpBest, OpSorted, OpSum, OpExpected, OpTypical, OpRange, OpTop, OpLeast, OpDraw:
		return b.drawn(r, i)
	case OpClaim:
		return b.claim(i)
	case OpPrompt, OpOutput:
		return b.fail(ErrPlace)
	}
	return uint32(b.decode(r.Operator, r.Layer, i))
}

// decode is element i of an operator of the decoder.
func (b *bench) decode(o Operator, layer, i uint64) float {
	s := &b.Shape
	switch o {
	case OpEmbed:
		return b.embed(i)
	case OpAttnNorm:
		return b.norm(b.hiddenBefore(layer), b.vector(tensorAttnNorm, layer, s.Dim), i)
	case OpQ:
		return b.biased(tensorQ, tensorQBias, layer, i)
	case OpK:
		return b.biased(tensorK, tensorKBias, layer, i)
	case OpV:
		return b.biased(tensorV, tensorVBias, layer, i)
	case OpTurnQ:
		return b.turn(OpQ, tensorQNorm, layer, i)
	case OpTurnK:
		return b.turn(OpK, tensorKNorm, layer, i)
	case OpScores:
		return b.score(layer, i)
	case OpWeights:
		return b.weight(layer, i)
	case OpMix:
		return b.mix(layer, i)
	case OpAttend:
		x := b.hiddenAt(layer, i)
		q := s.Heads * s.HeadDim
		attention := b.read(b.segment, OpMix, layer, (mixes(b.segment)-1)*q, q)
		return softfloat.Add(x, b.product(tensorO, layer, s.Matrices[layer].O, attention, i))
	case OpFFNNorm:
		return b.norm(b.all(OpAttend, layer, s.Dim), b.vector(tensorFFNNorm, layer, s.Dim), i)
	case OpGate:
		return b.product(tensorGate, layer, s.Matrices[layer].Gate, b.all(OpFFNNorm, layer, s.Dim), i)
	case OpUp:
		return b.product(tensorUp, layer, s.Matrices[layer].Up, b.all(OpFFNNorm, layer, s.Dim), i)
	case OpAct:
		return swiGLU(b.one(OpGate, layer, i), b.one(OpUp, layer, i))
	case OpOut:
		x := b.one(OpAttend, layer, i)
		return softfloat.Add(x, b.product(tensorDown, layer, s.Matrices[layer].Down, b.all(OpAct, layer, s.Hidden), i))
	case OpNorm:
		last := b.read(b.segment-1, OpOut, s.Layers-1, 0, s.Dim)
		return b.norm(last, b.vector(tensorNorm, 0, s.Dim), i)
	case OpLogits:
		of := tensorOutput
		if s.Tied {
			of = tensorEmbedding
		}
		return b.product(of, 0, s.Output, b.all(OpNorm, 0, s.Dim), i)
	}
	b.fail(ErrPlace)
	return softfloat.NaN
}

// fail notes why the word cannot be computed.
func (b *bench) fail(err error) uint32 {
	if b.failed == nil {
		b.failed = err
	}
	return 0
}

// chunk is a chunk of the trace; zeros, once something failed.
func (b *bench) chunk(segment, index uint64) []uint32 {
	if b.claimed != nil && segment == b.segment && index == b.index {
		return b.claimed
	}
	r := runAt(b.Runs(segment), index)
	n := r.size(index - r.First)
	words, err := b.source.Chunk(segment, index)
	if err == nil && uint64(len(words)) != n {
		err = fmt.Errorf("%w: chunk %d of segment %d has %d words, not %d", ErrMissing, index, segment, len(words), n)
	}
	if err != nil {
		b.fail(err)
		return make([]uint32, n)
	}
	return words
}

// words are n words of an operator's output, from the first-th on.
func (b *bench) words(segment uint64, o Operator, layer, first, n uint64) []uint32 {
	list := make([]uint32, 0, n)
	for _, r := range b.Runs(segment) {
		if r.Operator != o || r.Layer != layer {
			continue
		}
		for uint64(len(list)) < n {
			at := first + uint64(len(list))
			part := b.chunk(segment, r.First+at/ChunkWords)[at%ChunkWords:]
			list = append(list, part[:min(uint64(len(part)), n-uint64(len(list)))]...)
		}
		return list
	}
	b.fail(ErrPlace)
	return make([]uint32, n)
}

// read is words as numbers.
func (b *bench) read(segment uint64, o Operator, layer, first, n uint64) []float {
	list := make([]float, n)
	for i, w := range b.words(segment, o, layer, first, n) {
		list[i] = float(w)
	}
	return list
}

// all is the whole of an output of n elements at the position, one an element of it.
func (b *bench) all(o Operator, layer, n uint64) []float { return b.read(b.segment, o, layer, 0, n) }

func (b *bench) one(o Operator, layer, i uint64) float { return b.read(b.segment, o, layer, i, 1)[0] }

// hiddenBefore is what a layer begins with; hiddenAt one element of it.
func (b *bench) hiddenBefore(layer uint64) []float {
	if layer == 0 {
		return b.all(OpEmbed, 0, b.Shape.Dim)
	}
	return b.all(OpOut, layer-1, b.Shape.Dim)
}

func (b *bench) hiddenAt(layer, i uint64) float {
	if layer == 0 {
		return b.one(OpEmbed, 0, i)
	}
	return b.one(OpOut, layer-1, i)
}

// row is a row of weights, of the size that its format gives it.
func (b *bench) row(t tensor, layer, i uint64, f Format, elements uint64) []byte {
	data, err := b.source.Row(b.Shape.row(t, layer, i))
	if size := f.size(elements); err == nil && uint64(len(data)) != size {
		err = fmt.Errorf("%w: row %d of the weights has %d bytes, not %d", ErrMissing, b.Shape.row(t, layer, i), len(data), size)
	}
	if err != nil {
		b.fail(err)
		return make([]byte, f.size(elements))
	}
	return data
}

// vector is a row of binary32.
func (b *bench) vector(t tensor, layer, n uint64) []float {
	return widen(F32, b.row(t, layer, 0, F32, n))
}
