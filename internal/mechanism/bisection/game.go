// Package bisection is the game by which two sides who disagree about an answer
// of the exact class find the one number that they disagree about, so that a
// referee can compute it. The accused stands by its receipt, the challenger
// doubts it; whichever of them is honest wins, whatever the other does. It has no
// clock: a court gives each turn a deadline, and [Game.Forfeit] ends it. See
// spec/bisection.md.
package bisection

import (
	"errors"
	"fmt"

	"github.com/koinon/koinon/internal/mechanism/merkle"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/receipt"
)

// Side is one of the two.
type Side byte

// The sides.
const (
	Nobody     Side = iota
	Accused         // signed the receipt, and opens what is asked for
	Challenger      // says where it is wrong
)

// String is the side's name.
func (s Side) String() string {
	switch s {
	case Accused:
		return "accused"
	case Challenger:
		return "challenger"
	}
	return "nobody"
}

// Refusals of moves. The game is then as it was.
var (
	ErrTurn     = errors.New("not this side's turn, or not this kind of move")
	ErrOver     = errors.New("the game is over")
	ErrReceipt  = errors.New("no game can be played about this receipt")
	ErrClaim    = errors.New("the claim contradicts the receipt or the model")
	ErrRevealed = errors.New("the words are not those of the disputed chunk")
	ErrEvidence = errors.New("the evidence does not settle the dispute")
)

// Stage is what is disputed, and so which moves are possible.
type Stage byte

// The stages, in their order.
const (
	Steps     Stage = iota // a subtree of the receipt's steps: Split, Choose
	Claiming               // one step, whose trace is wanted: Claim; of the answer's end, perhaps End
	Segments               // a subtree of the trace's segments: Split, Choose
	Chunks                 // a subtree of one segment's chunks: Split, Choose
	Revealing              // one chunk, whose words are wanted: Reveal
	Proving                // one chunk of known words, of which one is wrong: Prove
	Over                   // nothing
)

var stageNames = [...]string{"steps", "claiming", "segments", "chunks", "revealing", "proving", "over"}

// String is the stage's name.
func (s Stage) String() string { return stageNames[s] }

// Game is the state of one game. It is a value: what Play changes shares nothing
// with copies made before.
type Game struct {
	receipt receipt.Receipt
	weights receipt.Digest
	stage   Stage
	steps   merkle.Descent
	ending  bool             // every step is agreed on; where the answer ended is not
	opened  []receipt.Digest // by the accused, while the challenger has to choose
	shape   []byte           // from the claim on
	// segments and chunks are the ways down the trace, from the claim on.
	segments, chunks merkle.Descent
	words            []uint32 // revealed
	winner           Side
}

// Begin is a game about a receipt of the exact class, by the weights root of the
// model version that it names. Of an answer without a token only its end can be
// disputed, and is. Whether the receipt's
// signature and seed are good is judged before. Refusal: [ErrReceipt].
func Begin(r receipt.Receipt, weights receipt.Digest) (Game, error) {
	switch {
	case r.Class != receipt.Exact:
		return Game{}, fmt.Errorf("%w: its class is %q, not %s", ErrReceipt, r.Class, receipt.Exact)
	case r.PromptTokens == 0 || r.CompletionTokens == 0 && !referee.Disputable(r):
		return Game{}, fmt.Errorf("%w: it has a prompt of %d tokens and an answer of %d", ErrReceipt, r.PromptTokens, r.CompletionTokens)
	case r.PromptTokens > referee.MaxTokens || r.CompletionTokens > referee.MaxTokens-r.PromptTokens:
		return Game{}, fmt.Errorf("%w: %d and %d tokens; %d in all can be refereed", ErrReceipt, r.PromptTokens, r.CompletionTokens, referee.MaxTokens)
	case weights.IsZero():
		return Game{}, fmt.Errorf("%w: its model has no weights root", ErrReceipt)
	}
	if r.CompletionTokens == 0 {
		return Game{receipt: r, weights: weights, stage: Claiming, ending: true}, nil
	}
	return Game{receipt: r, weights: weights, steps: merkle.Begin(r.Commitment, r.CompletionTokens)}, nil
}

// Turn is whose move it is; [Nobody]'s once the game is over.
func (g *Game) Turn() Side {
	switch {
	case g.stage == Over:
		return Nobody
	case len(g.opened) > 0 || g.stage == Proving:
		return Challenger
	}
	return Accused
}

// Winner is who has won; false while the game goes on.
func (g *Game) Winner() (Side, bool) { return g.winner, g.stage == Over }

// Forfeit ends the game against the side whose turn it is, and has passed.
// Refusals: [ErrOver], [ErrTurn].
func (g *Game) Forfeit(loser Side) error {
	if g.stage == Over {
		return ErrOver
	}
	if loser != g.Turn() {
		return fmt.Errorf("%w: it is the turn of the %s", ErrTurn, g.Turn())
	}
	g.end(loser.other())
	return nil
}

func (s Side) other() Side {
	if s == Accused {
		return Challenger
	}
	return Accused
}

func (g *Game) end(winner Side) { g.stage, g.winner = Over, winner }

// Stage is what is disputed now.
func (g *Game) Stage() Stage { return g.stage }

// Receipt is what the game is about.
func (g *Game) Receipt() receipt.Receipt { return g.receipt }

// Step is the disputed step, once one is: as many as the answer has tokens, if its
// end is disputed.
func (g *Game) Step() uint64 {
	if g.ending {
		return g.receipt.CompletionTokens
	}
	return g.steps.Lo
}

// AtTheEnd says whether it is disputed that the answer ended where it did, and
// nothing before.
func (g *Game) AtTheEnd() bool { return g.ending }

// MayEnd says whether the challenger may choose, instead of a node, the answer's
// end: before it has chosen any, and where an end can be disputed.
func (g *Game) MayEnd() bool {
	whole := g.stage == Steps && len(g.opened) > 0 && g.steps.Range == merkle.Range{Hi: g.steps.Count}
	return whole && referee.Disputable(g.receipt)
}

// Place is the way to the disputed chunk of the trace: to its segment, and in it.
func (g *Game) Place() (segment, chunk merkle.Descent) { return g.segments, g.chunks }

// Opened are the nodes that the challenger has to choose from, if it is its turn to.
func (g *Game) Opened() []receipt.Digest { return g.opened }

// Words are those of the disputed chunk, once they are revealed.
func (g *Game) Words() []uint32 { return g.words }

// Rounds is how many moves both sides have left at most, before the trace is known
// as many as lead to a claim.
func (g *Game) Rounds() int {
	switch g.stage {
	case Steps:
		return 2*g.steps.Rounds() - min(1, len(g.opened)) + 1
	case Segments:
		return 2*(g.segments.Rounds()+merkle.Rounds(g.mostChunks())) - min(1, len(g.opened)) + 2
	case Chunks:
		return 2*g.chunks.Rounds() - min(1, len(g.opened)) + 2
	case Claiming, Proving:
		return 1
	case Revealing:
		return 2
	}
	return 0
}

// mostChunks are those of the largest segment.
func (g *Game) mostChunks() uint64 {
	t, err := g.trace()
	if err != nil {
		return 0
	}
	n := t.Segments()
	return max(t.Chunks(0), t.Chunks(n-2), t.Chunks(n-1))
}

// Play makes a move, after which it is the other side's turn, or the same side's
// with another kind of move, or the game is over. A move that is refused may be
// tried again, differently, until the deadline. Refusals: the errors of this
// package and of package merkle.
func (g *Game) Play(m Move) error {
	if g.stage == Over {
		return ErrOver
	}
	if m.Side() != g.Turn() {
		return fmt.Errorf("%w: it is the turn of the %s", ErrTurn, g.Turn())
	}
	switch m := m.(type) {
	case Split:
		return g.split(m)
	case Choose:
		return g.choose(m)
	case Claim:
		return g.claim(m)
	case End:
		return g.excuse(m)
	case Reveal:
		return g.reveal(m)
	case Prove:
		return g.prove(m)
	}
	return fmt.Errorf("%w: %T", ErrTurn, m)
}

// Descent is the way that is being gone; nil where nothing is to be split.
func (g *Game) Descent() *merkle.Descent {
	switch g.stage {
	case Steps:
		return &g.steps
	case Segments:
		return &g.segments
	case Chunks:
		return &g.chunks
	}
	return nil
}

func (g *Game) split(m Split) error {
	d := g.Descent()
	if d == nil {
		return fmt.Errorf("%w: nothing is to be split now", ErrTurn)
	}
	if err := d.Check(m.Nodes); err != nil {
		return err
	}
	g.opened = m.Nodes
	return nil
}

func (g *Game) choose(m Choose) error {
	d := g.Descent()
	if d == nil {
		return fmt.Errorf("%w: nothing is to be chosen now", ErrTurn)
	}
	if m.Node == AtEnd && g.MayEnd() {
		g.opened, g.stage, g.ending = nil, Claiming, true
		return nil
	}
	if err := d.Choose(g.opened, m.Node); err != nil {
		return err
	}
	g.opened = nil
	if !d.Ended {
		return nil
	}
	switch g.stage {
	case Steps:
		g.stage = Claiming
	case Segments:
		trace, err := g.trace()
		if err != nil {
			return err
		}
		g.stage, g.chunks = Chunks, merkle.Begin(g.segments.Node, trace.Chunks(g.segments.Lo))
	case Chunks:
		g.stage = Revealing
	}
	return nil
}
