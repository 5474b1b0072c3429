// Package court is a dispute about one answer, from the accusation to the last
// payment: which state a case is in, who may do what until when, what follows if
// nobody does, who is drawn, what the votes decide, and where the money goes. It
// reads no clock and stores nothing: the time and what the ledger knows are
// given. spec/audit.md draws it.
//
// A case of the exact class needs one honest auditor: who contradicts the receipt
// plays the bisection game with the accused, and a referee computes one operator.
// A case of the statistical class needs an honest majority of a drawn committee,
// of 3, then 21, then 61, whose recomputed scores feed the provider's e-process.
package court

import (
	"errors"
	"fmt"

	"github.com/koinon/koinon/internal/mechanism/eprocess"
	"github.com/koinon/koinon/internal/mechanism/penalty"
	"github.com/koinon/koinon/receipt"
)

// State is where a case is.
type State int

// The states, in the order in which a case of one stage passes them. Playing is
// the exact class's alone; a case that escalates goes back to Drawing.
const (
	Drawing    State = iota + 1 // waits for randomness younger than the case
	Sealing                     // the accuser encrypts prompt and answer to the committee
	Committing                  // auditors commit to what they recomputed
	Opening                     // the accused opens its leaves
	Revealing                   // auditors reveal
	Playing                     // accused and challenger play
	Unmasking                   // decided; who planted the case may say so
	Closed                      // everything is paid
)

var stateNames = [...]string{"unknown", "drawing", "sealing", "committing", "opening", "revealing", "playing", "unmasking", "closed"}

// String is the state's name.
func (s State) String() string { return stateNames[s] }

// Outcome is how a case ended, or will once nobody unmasks it.
type Outcome int

// The outcomes.
const (
	Undecided Outcome = iota
	Convicted         // the accused is slashed
	Cleared           // the answer is what the receipt says; the accuser's bond is lost
	Unproven          // suspicious, but not enough
	Void              // the court could not judge: never counted as valid
	Dismissed         // the accuser did not show the prompt; its bond is lost
	Planted           // it was a test of the auditors
)

var outcomeNames = [...]string{"undecided", "convicted", "cleared", "unproven", "void", "dismissed", "planted"}

// String is the outcome's name.
func (o Outcome) String() string { return outcomeNames[o] }

// Standing is what became of one auditor's seat.
type Standing int

// The standings.
const (
	Pending   Standing = iota
	Completed          // did what there was to do: paid
	Wrong              // its values were contradicted
	Absent             // did not commit, did not reveal, or did not play on
	Excused            // had nothing to do: not paid, and no fault
)

// Seat is one auditor's place in a committee.
type Seat struct {
	Auditor    string
	Commitment receipt.Digest // zero before
	Vote       *Vote          // once it is revealed
	Standing   Standing
}

// Case is one dispute. Amounts are in ucredit, times in Unix seconds.
type Case struct {
	ID      uint64
	State   State
	Outcome Outcome
	Filing
	Bond      uint64 // the accuser's, as far as it is not spent
	Fees      uint64 // kept for this stage's auditors
	Fee       uint64 // of one completed audit
	Stage     int    // counts committees from 0
	Deadline  int64  // of the state
	Height    int64  // the draw is by the randomness of a later block
	OpenedAt  int64
	Positions []uint64 // the steps that auditors recompute, ascending; Steps itself is the end
	Seats     []Seat
	Openings  []receipt.Digest // the accused's leaves at the positions
	// Challengers are who contradicts the receipt and may play; the first does.
	Challengers []string
	AccusedTurn bool     // in the game
	Medians     []uint32 // of the deciding stage's scores; statistical class
	Large       bool     // that stage may convict by scores
	Sat         []string // in earlier stages
}

// Filing is what a case is about; the ledger has checked that the receipt is
// the provider's.
type Filing struct {
	Receipt                  receipt.Digest // its hash
	Root                     receipt.Digest // its commitment
	Steps, First             uint64         // leaves under the root, and the number of the first
	Ended                    bool           // and a draw ended the answer after them, or a stop string
	Cost                     uint64         // ucredit
	Provider, Accuser, Payer string
	Exact                    bool
	Claimed                  receipt.Digest // by the accuser's own run; zero if it has none
	// Answered is when the answer ended; zero for an answer to an epoch challenge,
	// which the ledger lets be disputed while the challenge is.
	Answered int64
	// Public says that prompt and answer are on the ledger, as those of an epoch
	// challenge: nothing is sealed.
	Public bool
	// Escalated says that an auditor, drawn to check this answer, cannot judge it
	// alone: it pays no bond.
	Escalated bool
}

// Bench is what the ledger knows when a case moves.
type Bench struct {
	Params
	Profile      Profile // of the model version; statistical class
	Watch, Guilt eprocess.Evidence
	Fund         uint64 // ucredit that the audit fund has left
	Now, Height  int64
}

// Profile is what is known of honest answers of a model version.
type Profile struct {
	eprocess.Profile
	Tolerance uint32 // between two honest auditors' scores, in 1/10,000
	Slashable bool   // whether its scores may convict
}

// Payment is money that leaves a case; To is empty for the audit fund.
type Payment struct {
	To     string
	Amount uint64 // ucredit
	Audit  bool   // pays a completed audit
}

// Effects are what the ledger has to do because a case moved.
type Effects struct {
	FromFund    uint64 // joins the case's fees
	Payments    []Payment
	Convictions []penalty.Conviction
	Withhold    bool   // the accused's pay does not mature for now
	Scored      bool   // the accused's e-process is fed with Score, millionths
	Score       uint64 // the mean of what was scored: tokens of one answer are alike
	Guilt       bool   // and its second one, of large committees
	Settled     bool   // the case is closed
}

// Refusals. The case is then as it was.
var (
	ErrState      = errors.New("the case is not in that state")
	ErrNotYours   = errors.New("this is another party's to do")
	ErrTwice      = errors.New("that was done already")
	ErrLate       = errors.New("the time for that is over")
	ErrEarly      = errors.New("the deadline is not over yet")
	ErrVote       = errors.New("the vote has not the form that the case needs")
	ErrCommitment = errors.New("the vote and its salt do not make the commitment")
	ErrOpening    = errors.New("the opened leaves are not those of the receipt")
	ErrFiling     = errors.New("no case can be opened about this")
)

// Open begins a case. The accuser's bond comes into it, unless it is escalated.
func Open(b Bench, id uint64, f Filing) (Case, error) {
	switch {
	case f.Steps == 0 && !f.Ended:
		return Case{}, fmt.Errorf("%w: the answer has no token, and nothing that ended it", ErrFiling)
	case f.Accuser == f.Provider:
		return Case{}, fmt.Errorf("%w: a provider does not accuse itself", ErrFiling)
	case !f.Exact && b.Profile.Validate() != nil:
		return Case{}, fmt.Errorf("%w: it is not known what honest answers of its model are like; governance sets its profile", ErrFiling)
	case f.Answered > 0 && b.Now > f.Answered+b.DisputeFor:
		return Case{}, fmt.Errorf("%w: the answer ended more than %d seconds ago, and its provider need not keep it any more", ErrFiling, b.DisputeFor)
	case f.Claimed == f.Root && f.Exact:
		return Case{}, fmt.Errorf("%w: claimed_root is the receipt's own", ErrFiling)
	}
	c := Case{ID: id, Filing: f, Bond: b.DisputeBond, Fee: b.fee(f.Cost), OpenedAt: b.Now}
	if f.Escalated {
		c.Bond = 0
	}
	c.wait(b)
	return c, nil
}

// wait is for randomness that nobody knew when the case came to this stage.
func (c *Case) wait(b Bench) {
	c.Positions, c.Seats, c.Openings = nil, nil, nil
	c.Height = b.Height
	c.enter(Drawing, b, b.DrawFor)
}

// enter begins a state that lasts so many seconds at most.
func (c *Case) enter(s State, b Bench, lasts int64) { c.State, c.Deadline = s, b.Now+lasts }

// stage is the case's committee, and whether it is the last one. Governance may
// have taken stages away since the case was opened.
func (c *Case) stage(p Params) (s Stage, last bool) {
	stages := p.Statistical
	if c.Exact {
		stages = p.Exact
	}
	end := len(stages) - 1
	return stages[min(c.Stage, end)], c.Stage >= end
}

// expect refuses what is not due now.
func (c *Case) expect(s State, b Bench) error {
	if c.State != s {
		return fmt.Errorf("%w: it is %v, not %v", ErrState, c.State, s)
	}
	if b.Now >= c.Deadline {
		return fmt.Errorf("%w: it was at %d", ErrLate, c.Deadline)
	}
	return nil
}

// seat finds an auditor's.
func (c *Case) seat(auditor string) (*Seat, error) {
	for i := range c.Seats {
		if c.Seats[i].Auditor == auditor {
			return &c.Seats[i], nil
		}
	}
	return nil, fmt.Errorf("%w: %s has no seat", ErrNotYours, auditor)
}

// Held is what the case holds, in ucredit.
func (c *Case) Held() uint64 { return c.Bond + c.Fees }
