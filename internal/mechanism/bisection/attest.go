package bisection

import (
	"cmp"
	"slices"

	"github.com/koinon/koinon/internal/mechanism/merkle"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/receipt"
)

// Nodes are the trees of a trace, as whoever computed it has them.
type Nodes interface {
	// Nodes gives those of a segment.
	Nodes(segment uint64) (merkle.Node, error)
	// Top gives those over the segments' roots.
	Top() merkle.Node
}

// Attest completes a witness for the game's disputed chunk: it puts chunks and rows
// into order, each once, and adds the proofs. Rows proves rows under the weights root.
func Attest(g *Game, w *referee.Witness, nodes Nodes, rows func(wanted []uint64) []receipt.Digest) error {
	trace, err := g.trace()
	if err != nil {
		return err
	}
	segments, chunks := g.Place()
	return attest(&trace, segments, chunks, w, nodes, rows)
}

func attest(t *referee.Trace, segments, chunks merkle.Descent, w *referee.Witness, nodes Nodes, rows func([]uint64) []receipt.Digest) error {
	slices.SortFunc(w.Chunks, referee.Chunk.Compare)
	w.Chunks = slices.CompactFunc(w.Chunks, func(a, b referee.Chunk) bool { return a.Compare(b) == 0 })
	slices.SortFunc(w.Rows, func(a, b referee.Row) int { return cmp.Compare(a.Index, b.Index) })
	w.Rows = slices.CompactFunc(w.Rows, func(a, b referee.Row) bool { return a.Index == b.Index })
	w.Proof, w.RowProof = nil, nil
	var before []uint64
	for rest := w.Chunks; len(rest) > 0; {
		segment := rest[0].Segment
		var wanted []uint64
		for len(rest) > 0 && rest[0].Segment == segment {
			wanted, rest = append(wanted, rest[0].Index), rest[1:]
		}
		node, err := nodes.Nodes(segment)
		if err != nil {
			return err
		}
		if segment == segments.Lo {
			w.Proof = append(w.Proof, chunks.Prove(node, wanted)...)
			continue
		}
		w.Proof = append(w.Proof, merkle.Prove(node, 0, t.Chunks(segment), wanted)...)
		before = append(before, segment)
	}
	w.Proof = append(w.Proof, segments.Prove(nodes.Top(), before)...)
	if len(w.Rows) > 0 {
		var wanted []uint64
		for _, r := range w.Rows {
			wanted = append(wanted, r.Index)
		}
		w.RowProof = rows(wanted)
	}
	return nil
}

// ProofSize is the bytes of a Prove about a word of a trace of this form, by what
// its judging reads: they depend on nothing else.
func ProofSize(t *referee.Trace, at referee.Place, w referee.Witness) (int, error) {
	segments := merkle.Descent{Count: t.Segments(), Range: merkle.Range{Lo: at.Segment, Hi: at.Segment + 1}}
	chunks := merkle.Descent{Count: t.Chunks(at.Segment), Range: merkle.Range{Lo: at.Chunk, Hi: at.Chunk + 1}}
	rows := func(wanted []uint64) []receipt.Digest { return merkle.Prove(blank, 0, t.Shape.RowCount(), wanted) }
	if err := attest(t, segments, chunks, &w, blanks{}, rows); err != nil {
		return 0, err
	}
	return len(Prove{Word: int(at.Word), Witness: w}.Bytes()), nil
}

// blanks are trees of which only the form counts.
type blanks struct{}

func blank(uint64, uint64) receipt.Digest { return receipt.Digest{} }

// Nodes implements [Nodes].
func (blanks) Nodes(uint64) (merkle.Node, error) { return blank, nil }

// Top implements [Nodes].
func (blanks) Top() merkle.Node { return blank }
