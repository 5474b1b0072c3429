package bisection

import (
	"errors"
	"fmt"

	"github.com/koinon/koinon/internal/mechanism/canonical"
	"github.com/koinon/koinon/internal/mechanism/merkle"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/receipt"
)

// Bounds of moves, so that each fits into a transaction.
const (
	// MaxMove bounds a move's bytes.
	MaxMove = referee.MaxWitness + 2
	// maxDepth bounds the levels of a tree.
	maxDepth = 64
)

// ErrMove is returned for bytes that are no move.
var ErrMove = errors.New("not a move of the bisection game")

// Move is what a side does in its turn: [Split], [Choose], [Claim], [End], [Reveal]
// or [Prove].
type Move interface {
	// Side is whose move it is.
	Side() Side
	// Bytes is the move's one encoding: a byte for its kind, then its fields, as
	// package canonical has them.
	Bytes() []byte
}

// Split is the accused's: it opens the disputed node, as many levels as
// [merkle.Descent.Opening] says.
type Split struct{ Nodes []receipt.Digest }

// Choose is the challenger's: the first of the opened nodes that is not its own, or
// [AtEnd].
type Choose struct{ Node int }

// AtEnd is chosen in place of a node by a challenger who has all steps as the accused
// has them, and to whom the answer goes on after them.
const AtEnd = 0xff

// Claim is the accused's, when one step is disputed: what the step's leaf was
// made of, and the trace that led to it.
type Claim struct {
	Token        int32
	Logits, Fold receipt.Digest
	// Trace is the trace's root, Final that of its last segment. EndProof leads
	// from the last chunk to Final, FinalProof from there to Trace.
	Trace, Final         receipt.Digest
	EndProof, FinalProof []receipt.Digest
	// Shape is the model's, ShapeProof its proof under the weights root.
	Shape      []byte
	ShapeProof []receipt.Digest
}

// End is the accused's, when it is disputed that the answer ended, and no draw has
// ended it: what did.
type End struct {
	// Shape is the model's, ShapeProof its proof under the weights root.
	Shape      []byte
	ShapeProof []receipt.Digest
	referee.Ending
}

// Reveal is the accused's, when one chunk is disputed: its words.
type Reveal struct{ Words []uint32 }

// Prove is the challenger's last: which word of the chunk is wrong, and what the
// referee needs to compute it.
type Prove struct {
	Word    int
	Witness referee.Witness
}

// The moves' kinds.
const (
	kindSplit byte = iota + 1
	kindChoose
	kindClaim
	kindReveal
	kindProve
	kindEnd
)

// Side implements [Move].
func (Split) Side() Side { return Accused }

// Side implements [Move].
func (Choose) Side() Side { return Challenger }

// Side implements [Move].
func (Claim) Side() Side { return Accused }

// Side implements [Move].
func (End) Side() Side { return Accused }

// Side implements [Move].
func (Reveal) Side() Side { return Accused }

// Side implements [Move].
func (Prove) Side() Side { return Challenger }

// Bytes implements [Move].
func (m Split) Bytes() []byte {
	w := canonical.Writer{kindSplit}
	w.Digests(m.Nodes)
	return w
}

// Bytes implements [Move].
func (m Choose) Bytes() []byte { return []byte{kindChoose, byte(m.Node)} }

// Bytes implements [Move].
func (m Claim) Bytes() []byte {
	w := canonical.Writer{kindClaim}
	w.Uint32(uint32(m.Token))
	for _, d := range []receipt.Digest{m.Logits, m.Fold, m.Trace, m.Final} {
		w.Digest(d)
	}
	w.Digests(m.EndProof)
	w.Digests(m.FinalProof)
	w.Bytes(m.Shape)
	w.Digests(m.ShapeProof)
	return w
}

// Bytes implements [Move].
func (m End) Bytes() []byte {
	w := canonical.Writer{kindEnd}
	w.Bytes(m.Shape)
	w.Digests(m.ShapeProof)
	m.Ending.Append(&w)
	return w
}

// Bytes implements [Move].
func (m Reveal) Bytes() []byte {
	w := canonical.Writer{kindReveal}
	w.Words(m.Words)
	return w
}

// Bytes implements [Move].
func (m Prove) Bytes() []byte {
	w := canonical.Writer{kindProve, byte(m.Word)}
	m.Witness.Append(&w)
	return w
}

// ParseMove reads what Bytes writes, and nothing else, from anybody. Refusal:
// [ErrMove].
func ParseMove(data []byte) (Move, error) {
	if len(data) == 0 || len(data) > MaxMove {
		return nil, fmt.Errorf("%w: it has %d bytes; 1 to %d are possible", ErrMove, len(data), MaxMove)
	}
	r := canonical.NewReader(data[1:])
	var m Move
	switch data[0] {
	case kindSplit:
		m = Split{r.Digests(1 << merkle.Levels)}
	case kindChoose:
		m = Choose{int(r.Byte())}
	case kindClaim:
		m = readClaim(r)
	case kindReveal:
		m = Reveal{r.Words(referee.ChunkWords)}
	case kindEnd:
		m = End{Shape: r.Bytes(referee.MaxShape), ShapeProof: r.Digests(maxDepth), Ending: referee.ReadEnding(r)}
	case kindProve:
		m = Prove{int(r.Byte()), referee.ReadWitness(r)}
	default:
		return nil, fmt.Errorf("%w: kind %d", ErrMove, data[0])
	}
	if !r.Done() {
		return nil, fmt.Errorf("%w: it ends too early or too late, or a list is too long", ErrMove)
	}
	return m, nil
}

func readClaim(r *canonical.Reader) (m Claim) {
	m.Token = int32(r.Uint32())
	for _, d := range []*receipt.Digest{&m.Logits, &m.Fold, &m.Trace, &m.Final} {
		*d = r.Digest()
	}
	m.EndProof, m.FinalProof = r.Digests(maxDepth), r.Digests(maxDepth)
	m.Shape, m.ShapeProof = r.Bytes(referee.MaxShape), r.Digests(maxDepth)
	return m
}
