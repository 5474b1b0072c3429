package referee

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/koinon/koinon/receipt"
)

// ChunkWords is how many words, of four bytes, one leaf of a trace holds at most.
const ChunkWords = 64

// MaxTokens bounds prompt and answer together: to check one attention weight takes
// the scores of all positions, and one penalty all tokens, in one move.
const MaxTokens = 40 << 10

// ErrAnswer is returned for an answer that the model cannot have given.
var ErrAnswer = errors.New("not an answer of this model")

// Trace is every operator's output in the computation of one step of an answer,
// as words of four bytes in a fixed order: the bits of a binary32, or an integer.
// The words lie in segments, which are Merkle trees over chunks of [ChunkWords];
// the trace is the tree over their roots. Segment 0 holds the tokens, the next
// one each a position, from the prompt's first to the one whose logits the step
// was drawn from; the last holds what follows of that one: logits, draw, and at
// the very end the claim, which a receipt's leaf must agree with.
//
// An answer that a draw has ended has one step more than it has tokens: what was
// drawn there is not served, and no leaf has it.
type Trace struct {
	Shape   Shape
	Receipt receipt.Receipt
	Step    uint64 // of the receipt's own steps, from 0
}

// NewTrace is the trace of one step of a receipt. Refusal: [ErrAnswer].
func NewTrace(shape Shape, r receipt.Receipt, step uint64) (Trace, error) {
	switch {
	case r.PromptTokens == 0 || step > r.CompletionTokens || step == r.CompletionTokens && !Drawn(r):
		return Trace{}, fmt.Errorf("%w: step %d of %d after a prompt of %d tokens", ErrAnswer, step, r.CompletionTokens, r.PromptTokens)
	case r.PromptTokens > MaxTokens || r.CompletionTokens > MaxTokens || r.PromptTokens+r.CompletionTokens > MaxTokens:
		return Trace{}, fmt.Errorf("%w: %d and %d tokens; %d in all can be refereed", ErrAnswer, r.PromptTokens, r.CompletionTokens, MaxTokens)
	case r.PromptTokens+step > shape.Context:
		return Trace{}, fmt.Errorf("%w: %d tokens in a context of %d", ErrAnswer, r.PromptTokens+step, shape.Context)
	}
	return Trace{Shape: shape, Receipt: r, Step: step}, nil
}

// Positions is how many tokens were computed for the step.
func (t *Trace) Positions() uint64 { return t.Receipt.PromptTokens + t.Step }

// Segments is how many segments the trace has.
func (t *Trace) Segments() uint64 { return t.Positions() + 2 }

// Place is one word of a trace.
type Place struct {
	Segment uint64 `json:"segment"`
	Chunk   uint64 `json:"chunk"`
	Word    uint64 `json:"word"`
}

// Run is the output of one operator of a segment.
type Run struct {
	Operator Operator
	Layer    uint64 // or the level of a sort
	First    uint64 // chunk: a run's words begin one
	Words    uint64
}

func (r Run) chunks() uint64 {
	if r.Operator.tokens() {
		return blocksOf(r.Words)
	}
	return (r.Words + ChunkWords - 1) / ChunkWords
}

// size is how many words the i-th chunk of a run has.
func (r Run) size(i uint64) uint64 {
	if r.Operator.tokens() {
		return stateWords + min(blockTokens, r.Words-blockTokens*(r.chunks()-1-i))
	}
	return min(ChunkWords, r.Words-i*ChunkWords)
}

// Runs lists a segment's operators, in order.
func (t *Trace) Runs(segment uint64) (list []Run) {
	list = make([]Run, 0, 1+15*t.Shape.Layers)
	next := uint64(0)
	add := func(o Operator, layer, words uint64) {
		if words == 0 {
			return
		}
		r := Run{o, layer, next, words}
		list = append(list, r)
		next += r.chunks()
	}
	switch segment {
	case 0:
		t.tokenRuns(add)
	case t.Segments() - 1:
		t.finalRuns(add)
	default:
		t.positionRuns(segment-1, add)
	}
	return list
}

func (t *Trace) tokenRuns(add func(o Operator, layer, words uint64)) {
	add(OpPrompt, 0, t.Receipt.PromptTokens)
	add(OpOutput, 0, t.Receipt.CompletionTokens)
}

// positionRuns are the decoder's operators at a position.
func (t *Trace) positionRuns(position uint64, add func(o Operator, layer, words uint64)) {
	s := &t.Shape
	q, kv, sees := s.Heads*s.HeadDim, s.KVHeads*s.HeadDim, position+1
	add(OpEmbed, 0, s.Dim)
	for l := range s.Layers {
		add(OpAttnNorm, l, s.Dim)
		add(OpQ, l, q)
		add(OpK, l, kv)
		add(OpV, l, kv)
		add(OpTurnQ, l, q)
		add(OpTurnK, l, kv)
		add(OpScores, l, s.Heads*sees)
		add(OpWeights, l, s.Heads*sees)
		add(OpMix, l, q*mixes(sees))
		add(OpAttend, l, s.Dim)
		add(OpFFNNorm, l, s.Dim)
		add(OpGate, l, s.Hidden)
		add(OpUp, l, s.Hidden)
		add(OpAct, l, s.Hidden)
		add(OpOut, l, s.Dim)
	}
}

// mixSpan is after how many positions a sum of values is shown, so that to check
// one takes no more of them.
const mixSpan = 64

// mixes is how many sums are shown of so many positions.
func mixes(sees uint64) uint64 { return (sees + mixSpan - 1) / mixSpan }

func (t *Trace) finalRuns(add func(o Operator, layer, words uint64)) {
	s, p := &t.Shape, &t.Receipt.Sampling
	add(OpNorm, 0, s.Dim)
	add(OpLogits, 0, s.Vocabulary)
	folds := 2 * logitFolds(s.Vocabulary)
	add(OpLogitFolds, 0, folds)
	add(OpLogitsHash, 0, hashWords(folds))
	add(OpFolds, 0, 2*s.Layers)
	add(OpFoldHash, 0, hashWords(2*s.Layers))
	switch kind := drawOf(p); kind {
	case greedy:
		add(OpAdjusted, 0, s.Vocabulary)
		add(OpBest, 0, 2*t.scans())
	case sampled:
		add(OpAdjusted, 0, s.Vocabulary)
		for level := range t.levels() {
			add(OpSorted, level, 2*s.Vocabulary)
		}
		add(OpSum, 0, 2*t.scans())
		if typical(p) {
			add(OpExpected, 0, t.scans())
			add(OpTypical, 0, 3*t.scans())
			add(OpRange, 0, t.scans())
		}
		add(OpTop, 0, 2*t.scans())
		if !isZero(p.MinP) {
			add(OpLeast, 0, 2*t.scans())
		}
		add(OpDraw, 0, 3*t.scans())
	}
	add(OpClaim, 0, claimWords)
}

// Chunks is how many chunks a segment has.
func (t *Trace) Chunks(segment uint64) uint64 {
	list := t.Runs(segment)
	last := list[len(list)-1]
	return last.First + last.chunks()
}

// find is the operator that a chunk belongs to.
func (t *Trace) find(segment, chunk uint64) Run { return runAt(t.Runs(segment), chunk) }

// runAt is the run of a segment that a chunk belongs to.
func runAt(list []Run, chunk uint64) Run {
	for i := len(list) - 1; i > 0; i-- {
		if list[i].First <= chunk {
			return list[i]
		}
	}
	return list[0]
}

// Words is how many words a chunk of the trace has.
func (t *Trace) Words(segment, chunk uint64) uint64 {
	r := t.find(segment, chunk)
	return r.size(chunk - r.First)
}

// Describe names the operator of a chunk, for people.
func (t *Trace) Describe(segment, chunk uint64) string {
	r := t.find(segment, chunk)
	switch segment {
	case 0:
		return r.Operator.String()
	case t.Segments() - 1:
		return fmt.Sprintf("%s of step %d", r.Operator, t.Step)
	}
	return fmt.Sprintf("%s in layer %d at position %d", r.Operator, r.Layer, segment-1)
}

// claimWords are two digests, the token that was drawn and the one that was served;
// of a step that ends an answer, the one that was drawn twice.
const claimWords = 2*stateWords + 2

// Claim is the trace's last chunk: the digests of the logits and of the folds, and
// the token twice, as it was drawn and as it was served.
func (t *Trace) Claim(token int32, logits, fold receipt.Digest) []uint32 {
	words := append(digestWords(logits), digestWords(fold)...)
	return append(words, uint32(token), uint32(token))
}

// ChunkDigest is the leaf of a segment: the SHA-256 of the chunk's words, four
// bytes each, little-endian.
func ChunkDigest(words []uint32) receipt.Digest {
	data := make([]byte, 0, 4*ChunkWords)
	for _, w := range words {
		data = binary.LittleEndian.AppendUint32(data, w)
	}
	return receipt.Sum(data)
}
