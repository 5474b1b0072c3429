package bisection

import (
	"fmt"
	"slices"

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
	return referee.NewTrace(shape, g.receipt, g.Step())
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
	number := uint64(g.receipt.Sampling.Resumed) + g.Step()
	if !g.ending && receipt.Leaf(number, m.Token, m.Logits, m.Fold) != g.steps.Node {
		return fmt.Errorf("%w: token, logits and fold do not make the leaf of step %d", ErrClaim, g.Step())
	}
	shape, err := g.shapeOf(m.Shape, m.ShapeProof)
	if err != nil {
		return err
	}
	if g.ending && !slices.Contains(shape.Ends, uint32(m.Token)) {
		return fmt.Errorf("%w: token %d ends no text of this model", ErrClaim, m.Token)
	}
	trace, err := referee.NewTrace(shape, g.receipt, g.Step())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrClaim, err)
	}
	last := trace.Segments() - 1
	end := trace.Chunks(last) - 1
	words := trace.Claim(m.Token, m.Logits, m.Fold)
	under := merkle.Opened{Index: []uint64{end}, Leaf: []receipt.Digest{referee.ChunkDigest(words)}}
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

// shapeOf reads the shape that the weights root has.
func (g *Game) shapeOf(data []byte, proof []receipt.Digest) (referee.Shape, error) {
	shape, err := referee.ParseShape(data)
	if err != nil {
		return shape, fmt.Errorf("%w: %w", ErrClaim, err)
	}
	under := merkle.Opened{Index: []uint64{0}, Leaf: []receipt.Digest{receipt.Sum(data)}}
	if err := merkle.Verify(g.weights, shape.RowCount(), under, proof); err != nil {
		return shape, fmt.Errorf("%w: shape: %w", ErrClaim, err)
	}
	return shape, nil
}

// excuse lets the accused show why the answer was over though no draw has ended it,
// and wins it the game. What does not show it changes nothing.
func (g *Game) excuse(m End) error {
	if g.stage != Claiming || !g.ending {
		return fmt.Errorf("%w: why the answer ended is not asked", ErrTurn)
	}
	shape, err := g.shapeOf(m.Shape, m.ShapeProof)
	if err != nil {
		return err
	}
	if len(m.Pieces) > 0 {
		if err := g.verifyRows(&shape, m.Pieces, m.RowProof); err != nil {
			return fmt.Errorf("%w: %w", ErrEvidence, err)
		}
	}
	if err := shape.Excused(g.receipt, &m.Ending); err != nil {
		return fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	g.end(Accused)
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
	return g.verifyRows(&trace.Shape, w.Rows, w.RowProof)
}

// verifyRows proves rows under the weights root.
func (g *Game) verifyRows(shape *referee.Shape, list []referee.Row, proof []receipt.Digest) error {
	var rows merkle.Opened
	for _, r := range list {
		rows.Index, rows.Leaf = append(rows.Index, r.Index), append(rows.Leaf, receipt.Sum(r.Data))
	}
	return merkle.Verify(g.weights, shape.RowCount(), rows, proof)
}
