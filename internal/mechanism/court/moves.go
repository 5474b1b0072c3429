package court

import (
	"fmt"

	"github.com/koinon/koinon/receipt"
)

// Seal notes that the accuser has shown prompt and answer to the committee.
func (c *Case) Seal(b Bench, accuser string) error {
	if err := c.expect(Sealing, b); err != nil {
		return err
	}
	if accuser != c.Accuser {
		return fmt.Errorf("%w: the accuser's", ErrNotYours)
	}
	c.enter(Committing, b, b.CommitFor)
	return nil
}

// Commit binds an auditor. Once all are bound, the accused has to open.
func (c *Case) Commit(b Bench, auditor string, commitment receipt.Digest) error {
	if err := c.expect(Committing, b); err != nil {
		return err
	}
	s, err := c.seat(auditor)
	switch {
	case err != nil:
		return err
	case s.Commitment != (receipt.Digest{}):
		return ErrTwice
	case commitment == (receipt.Digest{}):
		return fmt.Errorf("%w: it is empty", ErrCommitment)
	}
	s.Commitment = commitment
	if c.committed() == len(c.Seats) {
		c.enter(Opening, b, b.OpenFor)
	}
	return nil
}

func (c *Case) committed() int {
	n := 0
	for _, s := range c.Seats {
		if s.Commitment != (receipt.Digest{}) {
			n++
		}
	}
	return n
}

// Leaf is one leaf that the accused opens, with its proof (receipt.Prove).
type Leaf struct {
	Token        int32
	Logits, Fold receipt.Digest
	Path         []receipt.Digest
}

// OpenLeaves is the accused's answer: its leaves at all positions. The end has none.
func (c *Case) OpenLeaves(b Bench, provider string, leaves []Leaf) error {
	if err := c.expect(Opening, b); err != nil {
		return err
	}
	if provider != c.Provider {
		return fmt.Errorf("%w: the accused's", ErrNotYours)
	}
	if want := len(c.Leaves()); len(leaves) != want {
		return fmt.Errorf("%w: %d of %d", ErrOpening, len(leaves), want)
	}
	openings := make([]receipt.Digest, len(leaves))
	for i, l := range leaves {
		at := c.Positions[i]
		openings[i] = receipt.Leaf(c.First+at, l.Token, l.Logits, l.Fold)
		if err := receipt.VerifyLeaf(c.Root, openings[i], at, c.Steps, l.Path); err != nil {
			return fmt.Errorf("%w: step %d: %w", ErrOpening, at, err)
		}
	}
	c.opened(b, openings)
	return nil
}

// Leaves are the positions that are leaves under the root.
func (c *Case) Leaves() []uint64 {
	if n := len(c.Positions); n > 0 && c.Positions[n-1] == c.Steps {
		return c.Positions[:n-1]
	}
	return c.Positions
}

func (c *Case) opened(b Bench, openings []receipt.Digest) {
	c.Openings = openings
	c.enter(Revealing, b, b.RevealFor)
}

// Reveal shows what an auditor committed to. The last one decides.
func (c *Case) Reveal(b Bench, auditor string, v Vote, salt receipt.Digest) (Effects, error) {
	if err := c.expect(Revealing, b); err != nil {
		return Effects{}, err
	}
	s, err := c.seat(auditor)
	switch {
	case err != nil:
		return Effects{}, err
	case s.Vote != nil:
		return Effects{}, ErrTwice
	case s.Commitment == (receipt.Digest{}):
		return Effects{}, fmt.Errorf("%w: %s committed to nothing", ErrCommitment, auditor)
	}
	if err := c.validate(v); err != nil {
		return Effects{}, err
	}
	if Commitment(c.ID, c.Stage, auditor, v, salt) != s.Commitment {
		return Effects{}, ErrCommitment
	}
	s.Vote = &v
	for _, other := range c.Seats {
		if other.Commitment != (receipt.Digest{}) && other.Vote == nil {
			return Effects{}, nil
		}
	}
	return c.judge(b), nil
}

// MayPlay says whether somebody may move in the game now.
func (c *Case) MayPlay(b Bench, player string) error {
	if err := c.expect(Playing, b); err != nil {
		return err
	}
	if turn := c.turn(); player != turn {
		return fmt.Errorf("%w: it is the turn of %s", ErrNotYours, turn)
	}
	return nil
}

func (c *Case) turn() string {
	if c.AccusedTurn {
		return c.Provider
	}
	return c.Challengers[0]
}

// Played notes a move, which [Case.MayPlay] allowed: whose turn it is now.
func (c *Case) Played(b Bench, accusedTurn bool) {
	c.AccusedTurn = accusedTurn
	c.enter(Playing, b, b.MoveFor)
}

// Won notes that the referee has decided the game. A challenger who was
// wrong gives way to the next.
func (c *Case) Won(b Bench, byAccused bool) { c.won(b, byAccused, Wrong) }

func (c *Case) won(b Bench, byAccused bool, loser Standing) {
	if !byAccused {
		c.proven(b)
		return
	}
	if s, err := c.seat(c.Challengers[0]); err == nil {
		s.Standing = loser
	}
	c.Challengers = c.Challengers[1:]
	if len(c.Challengers) == 0 {
		c.decide(b, Cleared)
		return
	}
	c.Played(b, true) // who is accused begins
}

// Unmask says that a decided case was planted, and what its answer is. Whoever
// passed a bad one or condemned a good one was wrong. The ledger has checked that
// a planter committed to this before the case was opened, and that the accuser
// paid for the answer itself, so that no customer's case is excused.
func (c *Case) Unmask(b Bench, good bool) (Effects, error) {
	if err := c.expect(Unmasking, b); err != nil {
		return Effects{}, err
	}
	for i := range c.Seats {
		s := &c.Seats[i]
		if s.Standing != Completed || s.Vote == nil || s.Vote.Reason != None {
			continue
		}
		wrong := good && c.Outcome == Convicted || !good && c.Outcome == Cleared
		if c.Exact {
			wrong = good != (s.Vote.Root == c.Root)
		}
		if wrong {
			s.Standing = Wrong
		}
	}
	c.Outcome = Planted
	return c.close(b), nil
}

// Expire does what follows when a state's time is over.
func (c *Case) Expire(b Bench) (Effects, error) {
	if c.State == Closed {
		return Effects{}, fmt.Errorf("%w: it is closed", ErrState)
	}
	if b.Now < c.Deadline {
		return Effects{}, fmt.Errorf("%w: it is at %d", ErrEarly, c.Deadline)
	}
	switch c.State {
	case Drawing: // the beacon stands still
		c.unjudged(b)
	case Sealing:
		c.decide(b, Dismissed)
	case Committing:
		if !c.enough(c.committed(), b) {
			return c.escalate(b), nil
		}
		c.enter(Opening, b, b.OpenFor)
	case Opening: // silence is no defence: it would be every cheat's
		c.proven(b)
	case Revealing:
		return c.judge(b), nil
	case Playing:
		c.won(b, !c.AccusedTurn, Absent)
	case Unmasking:
		return c.close(b), nil
	}
	return Effects{}, nil
}

// enough says whether so many auditors can decide.
func (c *Case) enough(n int, b Bench) bool {
	if c.Exact {
		return n > 0
	}
	stage, _ := c.stage(b.Params)
	return n >= stage.quorum()
}
