// Package trace lays open how an answer of the exact class came about: what every
// operator put out, as a Merkle tree, and the moves by which either side of a
// bisection game stands by it. A trace is made when there is a dispute, by running
// the model again; nothing of it is kept while answers are served.
package trace

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/rows"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/mechanism/merkle"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/receipt"
)

// ErrAnswer is returned for tokens that are not those of the receipt.
var ErrAnswer = errors.New("not the answer that the receipt is about")

// batch is how many positions are computed at once: their digests are in memory.
const batch = 16

// Case is an answer that is disputed, with the tokens that the receipt has digests
// of, and the model that it names.
type Case struct {
	Model          *engine.Model
	Rows           *rows.File // of the model's file
	Receipt        receipt.Receipt
	Prompt, Output []int32
	Bias           []sampling.Bias // that the request had
	Stop           []string        // likewise
	Threads        int
}

// check refuses tokens that are not the receipt's.
func (c *Case) check() error {
	r := &c.Receipt
	switch {
	case uint64(len(c.Prompt)) != r.PromptTokens || receipt.TokensDigest(c.Prompt) != r.PromptDigest:
		return fmt.Errorf("%w: a prompt of %d tokens", ErrAnswer, len(c.Prompt))
	case uint64(len(c.Output)) != r.CompletionTokens || receipt.TokensDigest(c.Output) != r.OutputDigest:
		return fmt.Errorf("%w: an answer of %d tokens", ErrAnswer, len(c.Output))
	}
	for _, id := range append(append([]int32{}, c.Prompt...), c.Output...) {
		if id < 0 || int(id) >= c.Model.Size() {
			return fmt.Errorf("%w: token %d in a vocabulary of %d", ErrAnswer, id, c.Model.Size())
		}
	}
	return nil
}

// Trace is the trace of one step. It keeps the keys and values of all positions,
// the roots of segments, and of the segments that were asked for the trees; the
// words of one segment alone. It is not safe for concurrent use.
type Trace struct {
	referee.Trace
	c       *Case
	decoder *decoder
	tokens  []int32      // one for each position
	tree    *merkle.Tree // over the segments' roots
	trees   map[uint64]*merkle.Tree
	given   [][]uint32 // the chunks of segment 0
	open    uint64     // another segment, whose words are here
	words   [][]uint32 // its chunks
	// token, logits and fold are what the step's leaf is made of.
	token        int32
	logits, fold receipt.Digest
}

// New computes the trace of one step of the receipt, from 0: a replay of all
// positions before it. Refusals: [ErrAnswer], and the referee's.
func New(c *Case, step uint64) (*Trace, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	judged, err := referee.NewTrace(c.Rows.Shape(), c.Receipt, step)
	if err != nil {
		return nil, err
	}
	n := int(judged.Positions())
	t := &Trace{Trace: judged, c: c, decoder: newDecoder(c.Model, n, c.Threads), trees: map[uint64]*merkle.Tree{}}
	t.tokens = append(append(t.tokens, c.Prompt...), c.Output...)[:n]
	if err := t.give(); err != nil {
		return nil, err
	}
	roots := []receipt.Digest{t.trees[0].Root()}
	for at := 0; at < n; at += batch {
		part := t.tokens[at:min(at+batch, n)]
		leaves := make([][]receipt.Digest, len(part))
		t.decoder.run(at, part, func(row int, values []float32) { leaves[row] = appendLeaves(leaves[row], values) })
		for _, list := range leaves {
			roots = append(roots, merkle.New(list).Root())
		}
	}
	final, err := t.segment(judged.Segments() - 1)
	if err != nil {
		return nil, err
	}
	t.tree = merkle.New(append(roots, final.Root()))
	return t, nil
}

// give makes segment 0, the tokens.
func (t *Trace) give() error {
	for _, tokens := range [][]int32{t.c.Prompt, t.c.Output} {
		list, err := referee.TokenChunks(tokens)
		if err != nil {
			return err
		}
		t.given = append(t.given, list...)
	}
	t.trees[0] = merkle.New(digests(t.given))
	return nil
}

// Root is the trace's.
func (t *Trace) Root() receipt.Digest { return t.tree.Root() }

// Leaf is what the receipt has to have for this step.
func (t *Trace) Leaf() receipt.Digest {
	return receipt.Leaf(uint64(t.Receipt.Sampling.Resumed)+t.Step, t.token, t.logits, t.fold)
}

// digests are the leaves of chunks.
func digests(chunks [][]uint32) []receipt.Digest {
	list := make([]receipt.Digest, len(chunks))
	for i, words := range chunks {
		list[i] = referee.ChunkDigest(words)
	}
	return list
}

// appendLeaves appends the digests of an output's chunks: what referee.ChunkDigest
// gives, without making words of them.
func appendLeaves(list []receipt.Digest, values []float32) []receipt.Digest {
	var data [4 * referee.ChunkWords]byte
	for len(values) > 0 {
		n := min(referee.ChunkWords, len(values))
		for i, v := range values[:n] {
			binary.LittleEndian.PutUint32(data[4*i:], tensor.CanonicalBits(v))
		}
		list, values = append(list, sha256.Sum256(data[:4*n])), values[n:]
	}
	return list
}

// chunks are an output's words.
func chunks(values []float32) [][]uint32 { return cut(bitsOf(values)) }

// load makes the words of a segment, but of segment 0, those at hand.
func (t *Trace) load(segment uint64) error {
	if t.words != nil && t.open == segment {
		return nil
	}
	t.open, t.words = segment, [][]uint32{}
	if segment == t.Segments()-1 {
		if err := t.conclude(); err != nil {
			return err
		}
	} else {
		position := int(segment - 1)
		t.decoder.run(position, t.tokens[position:][:1], func(_ int, values []float32) { t.words = append(t.words, chunks(values)...) })
	}
	if got, want := uint64(len(t.words)), t.Chunks(segment); got != want {
		return fmt.Errorf("trace: segment %d has %d chunks, the referee expects %d", segment, got, want)
	}
	if t.trees[segment] == nil {
		t.trees[segment] = merkle.New(digests(t.words))
	}
	return nil
}

// Nodes implements [bisection.Nodes].
func (t *Trace) Nodes(segment uint64) (merkle.Node, error) {
	tree, err := t.segment(segment)
	if err != nil {
		return nil, err
	}
	return tree.Node, nil
}

// Top implements [bisection.Nodes].
func (t *Trace) Top() merkle.Node { return t.tree.Node }

// segment is the tree of a segment.
func (t *Trace) segment(segment uint64) (*merkle.Tree, error) {
	if t.trees[segment] == nil {
		if err := t.load(segment); err != nil {
			return nil, err
		}
	}
	return t.trees[segment], nil
}

// Chunk implements [referee.Source].
func (t *Trace) Chunk(segment, index uint64) ([]uint32, error) {
	words := t.given
	if segment > 0 {
		if err := t.load(segment); err != nil {
			return nil, err
		}
		words = t.words
	}
	if index >= uint64(len(words)) {
		return nil, fmt.Errorf("%w: segment %d has no chunk %d", referee.ErrPlace, segment, index)
	}
	return words[index], nil
}

// Row implements [referee.Source].
func (t *Trace) Row(index uint64) ([]byte, error) { return t.c.Rows.Row(index) }

// Biases implements [referee.Source].
func (t *Trace) Biases() (list []referee.Bias, err error) {
	for _, b := range t.c.Bias {
		list = append(list, referee.Bias{Token: uint32(b.Token), Value: math.Float32bits(b.Value)})
	}
	return list, nil
}
