package bisection

import (
	"fmt"

	"github.com/koinon/koinon/internal/mechanism/merkle"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/receipt"
)

// trace is the trace that is disputed, from the claim on.
func (g *Game) trace() (referee.Trace, error) {
	shape, err := referee.ParseShape(g.shape)
	if err != nil {
		return referee.Trace{}, err
	}
	return referee.NewTrace(shape, g.receipt, g.steps.Lo)
}

// Trace is the trace that is disputed; false before the claim.
func (g *Game) Trace() (referee.Trace, bool) {
	t, err := g.trace()
	return t, g.shape != nil && err == nil
}

func (g *Game) claim(m Claim) error {
	if g.stage != Claiming {
		return fmt.Errorf("%w: no claim is wanted now", ErrTurn)
	}
	number := uint64(g.receipt.Sampling.Resumed) + g.steps.Lo
	if receipt.Leaf(number, m.Token, m.Logits, m.Fold) != g.steps.Node {
		return fmt.Errorf("%w: token, logits and fold do not make the leaf of step %d", ErrClaim, g.steps.Lo)
	}
	shape, err := referee.ParseShape(m.Shape)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrClaim, err)
	}
	under := merkle.Opened{Index: []uint64{0}, Leaf: []receipt.Digest{receipt.Sum(m.Shape)}}
	if err := merkle.Verify(g.weights, shape.RowCount(), under, m.ShapeProof); err != nil {
		return fmt.Errorf("%w: shape: %w", ErrClaim, err)
	}
	trace, err := referee.NewTrace(shape, g.receipt, g.steps.Lo)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrClaim, err)
	}
	last := trace.Segments() - 1
	end := trace.Chunks(last) - 1
	words := trace.Claim(m.Token, m.Logits, m.Fold)
	under = merkle.Opened{Index: []uint64{end}, Leaf: []receipt.Digest{referee.ChunkDigest(words)}}
	if err := merkle.Verify(m.Final, end+1, under, m.EndProof); err != nil {
		return fmt.Errorf("%w: end of the trace: %w", ErrClaim, err)
	}
	under = merkle.Opened{Index: []uint64{last}, Leaf: []receipt.Digest{m.Final}}
	if err := merkle.Verify(m.Trace, last+1, under, m.FinalProof); err != nil {
		return fmt.Errorf("%w: last segment of the trace: %w", ErrClaim, err)
	}
	g.shape = m.Shape
	g.stage, g.segments = Segments, merkle.Begin(m.Trace, last+1)
	return nil
}

func (g *Game) reveal(m Reveal) error {
	if g.stage != Revealing {
		return fmt.Errorf("%w: no words are wanted now", ErrTurn)
	}
	trace, err := g.trace()
	if err != nil {
		return err
	}
	if n := trace.Words(g.segments.Lo, g.chunks.Lo); uint64(len(m.Words)) != n {
		return fmt.Errorf("%w: %d are given, it has %d", ErrRevealed, len(m.Words), n)
	}
	if referee.ChunkDigest(m.Words) != g.chunks.Node {
		return ErrRevealed
	}
	g.stage, g.words = Proving, m.Words
	return nil
}

// prove lets the referee decide: the challenger wins if the word that it names is
// not what the operator gives, and loses if it is.
func (g *Game) prove(m Prove) error {
	if g.stage != Proving {
		return fmt.Errorf("%w: nothing is to be proved now", ErrTurn)
	}
	if m.Word < 0 || m.Word >= len(g.words) {
		return fmt.Errorf("%w: word %d of %d", ErrEvidence, m.Word, len(g.words))
	}
	trace, err := g.trace()
	if err != nil {
		return err
	}
	if err := g.checkWitness(&trace, &m.Witness); err != nil {
		return fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	place := referee.Place{Segment: g.segments.Lo, Chunk: g.chunks.Lo, Word: uint64(m.Word)}
	right, err := trace.Judge(place, g.words, &m.Witness)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	if right {
		g.end(Accused)
	} else {
		g.end(Challenger)
	}
	return nil
}

// checkWitness proves the witness's chunks under what both sides agree on, and
// its rows under the weights root.
func (g *Game) checkWitness(trace *referee.Trace, w *referee.Witness) error {
	proof := merkle.Proof(w.Proof)
	var before merkle.Opened // roots of earlier segments
	chunks := w.Chunks
	for len(chunks) > 0 {
		segment := chunks[0].Segment
		var here merkle.Opened
		for len(chunks) > 0 && chunks[0].Segment == segment {
			here.Index = append(here.Index, chunks[0].Index)
			here.Leaf = append(here.Leaf, referee.ChunkDigest(chunks[0].Words))
			chunks = chunks[1:]
		}
		if segment == g.segments.Lo {
			if err := g.chunks.Verify(here, &proof); err != nil {
				return err
			}
			continue
		}
		if segment > g.segments.Lo || here.Index[len(here.Index)-1] >= trace.Chunks(segment) {
			return fmt.Errorf("%w: segment %d has no agreed chunk %d", merkle.ErrProof, segment, here.Index[len(here.Index)-1])
		}
		root, err := proof.Node(0, trace.Chunks(segment), here)
		if err != nil {
			return err
		}
		before.Index, before.Leaf = append(before.Index, segment), append(before.Leaf, root)
	}
	if err := g.segments.Verify(before, &proof); err != nil {
		return err
	}
	if len(proof) > 0 {
		return fmt.Errorf("%w: %d digests more than it needs", merkle.ErrProof, len(proof))
	}
	if len(w.Rows) == 0 {
		return nil
	}
	var rows merkle.Opened
	for _, r := range w.Rows {
		rows.Index, rows.Leaf = append(rows.Index, r.Index), append(rows.Leaf, receipt.Sum(r.Data))
	}
	return merkle.Verify(g.weights, trace.Shape.RowCount(), rows, w.RowProof)
}
