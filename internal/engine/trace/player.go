package trace

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/mechanism/bisection"
	"github.com/koinon/koinon/internal/mechanism/merkle"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/receipt"
)

// ErrAgreed is returned for a challenger that finds nothing to dispute: what the
// accused has opened is what the model gives.
var ErrAgreed = errors.New("nothing of what was opened differs from what the model gives")

// Dissent lists the leaves that a receipt's steps should have had, from a replay of
// its tokens: the replay's own, but where the sampler draws another token than was
// served, the leaf with that token.
func Dissent(c *Case, replay engine.Replay) ([]receipt.Digest, error) {
	leaves := slices.Clone(replay.Leaves)
	for step, id := range replay.Drawn {
		if id == c.Output[step] {
			continue
		}
		t, err := New(c, uint64(step))
		if err != nil {
			return nil, err
		}
		leaves[step] = t.Leaf()
		break // the first is enough: nothing after it will be disputed
	}
	return leaves, nil
}

// Player finds the moves of an honest side. It computes a trace when the game first
// needs one; a game may be taken up again by a new player at any move. It is not
// safe for concurrent use.
type Player struct {
	c      *Case
	leaves []receipt.Digest
	steps  *merkle.Tree
	goesOn bool // and the challenger says so
	trace  *Trace
}

// NewPlayer plays about a case. Leaves are those of the receipt's steps, as the
// player has them: for the accused those that it served with, for the challenger
// those of [Dissent]. A challenger has one more if the answer goes on where the
// receipt says that it was over.
func NewPlayer(c *Case, leaves []receipt.Digest) (*Player, error) {
	n := c.Receipt.CompletionTokens
	goesOn := uint64(len(leaves)) == n+1
	if uint64(len(leaves)) != n && !goesOn {
		return nil, fmt.Errorf("%w: %d leaves for %d tokens", ErrAnswer, len(leaves), n)
	}
	return &Player{c: c, leaves: leaves, steps: merkle.New(leaves[:n]), goesOn: goesOn}, nil
}

// Move is the move of the side whose turn it is.
func (p *Player) Move(g *bisection.Game) (bisection.Move, error) {
	switch g.Stage() {
	case bisection.Claiming:
		if g.AtTheEnd() {
			return p.end(g)
		}
		return p.claim(g)
	case bisection.Revealing:
		return p.reveal(g)
	case bisection.Proving:
		return p.prove(g)
	case bisection.Over:
		return nil, bisection.ErrOver
	}
	own, err := p.opening(g)
	if err != nil {
		return nil, err
	}
	if len(g.Opened()) == 0 {
		return bisection.Split{Nodes: own}, nil
	}
	for i, node := range g.Opened() {
		if node != own[i] {
			return bisection.Choose{Node: i}, nil
		}
	}
	if p.goesOn && g.MayEnd() {
		return bisection.Choose{Node: bisection.AtEnd}, nil
	}
	return nil, ErrAgreed
}

// follow computes the trace of the disputed step.
func (p *Player) follow(g *bisection.Game) (err error) {
	step := g.Step()
	if p.trace == nil || p.trace.Step != step {
		p.trace, err = New(p.c, step)
	}
	return err
}

// opening is what the player has at the nodes that are opened next.
func (p *Player) opening(g *bisection.Game) (own []receipt.Digest, err error) {
	tree, leaf := p.steps, func(i uint64) receipt.Digest { return p.leaves[i] }
	if g.Stage() != bisection.Steps {
		if err := p.follow(g); err != nil {
			return nil, err
		}
		tree, leaf = p.trace.tree, func(i uint64) (d receipt.Digest) {
			segment, failed := p.trace.segment(i)
			if err = cmp.Or(err, failed); err == nil {
				d = segment.Root()
			}
			return d
		}
	}
	if g.Stage() == bisection.Chunks {
		segment, _ := g.Place()
		if tree, err = p.trace.segment(segment.Lo); err != nil {
			return nil, err
		}
		leaf = func(i uint64) (d receipt.Digest) {
			words, failed := p.trace.Chunk(segment.Lo, i)
			if err = cmp.Or(err, failed); err == nil {
				d = referee.ChunkDigest(words)
			}
			return d
		}
	}
	for _, r := range g.Descent().Opening() {
		if r.Hi-r.Lo == 1 {
			own = append(own, leaf(r.Lo))
		} else {
			own = append(own, tree.Node(r.Lo, r.Hi))
		}
	}
	return own, err
}

func (p *Player) claim(g *bisection.Game) (bisection.Move, error) {
	if err := p.follow(g); err != nil {
		return nil, err
	}
	t := p.trace
	last := t.Segments() - 1
	final, err := t.segment(last)
	if err != nil {
		return nil, err
	}
	return bisection.Claim{
		Token: t.token, Logits: t.logits, Fold: t.fold, Trace: t.Root(), Final: final.Root(),
		EndProof:   merkle.Prove(final.Node, 0, final.Len(), []uint64{final.Len() - 1}),
		FinalProof: merkle.Prove(t.tree.Node, 0, last+1, []uint64{last}),
		Shape:      t.Shape.Bytes(), ShapeProof: p.c.Rows.Prove([]uint64{0}),
	}, nil
}

func (p *Player) reveal(g *bisection.Game) (bisection.Move, error) {
	if err := p.follow(g); err != nil {
		return nil, err
	}
	segment, chunk := g.Place()
	words, err := p.trace.Chunk(segment.Lo, chunk.Lo)
	return bisection.Reveal{Words: words}, err
}

// prove names the first wrong word and brings what it is computed from.
func (p *Player) prove(g *bisection.Game) (bisection.Move, error) {
	if err := p.follow(g); err != nil {
		return nil, err
	}
	segment, chunk := g.Place()
	own, err := p.trace.Chunk(segment.Lo, chunk.Lo)
	if err != nil {
		return nil, err
	}
	for i, word := range g.Words() {
		if word != own[i] {
			at := referee.Place{Segment: segment.Lo, Chunk: chunk.Lo, Word: uint64(i)}
			witness, err := p.witness(g, at)
			return bisection.Prove{Word: i, Witness: witness}, err
		}
	}
	return nil, ErrAgreed
}

// witness collects what the referee reads to judge a word, with proofs.
func (p *Player) witness(g *bisection.Game, at referee.Place) (referee.Witness, error) {
	seen := &recorder{source: p.trace}
	if _, err := p.trace.Judge(at, g.Words(), seen); err != nil {
		return referee.Witness{}, err
	}
	err := bisection.Attest(g, &seen.witness, p.trace, p.c.Rows.Prove)
	return seen.witness, err
}

// recorder notes what is read of a source.
type recorder struct {
	source  referee.Source
	witness referee.Witness
}

// Chunk implements [referee.Source].
func (r *recorder) Chunk(segment, index uint64) ([]uint32, error) {
	words, err := r.source.Chunk(segment, index)
	r.witness.Chunks = append(r.witness.Chunks, referee.Chunk{Segment: segment, Index: index, Words: words})
	return words, err
}

// Row implements [referee.Source].
func (r *recorder) Row(index uint64) ([]byte, error) {
	data, err := r.source.Row(index)
	r.witness.Rows = append(r.witness.Rows, referee.Row{Index: index, Data: data})
	return data, err
}

// Biases implements [referee.Source].
func (r *recorder) Biases() ([]referee.Bias, error) {
	list, err := r.source.Biases()
	r.witness.Bias = list
	return list, err
}
