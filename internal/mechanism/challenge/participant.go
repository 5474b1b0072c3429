package challenge

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/koinon/koinon/internal/mechanism/beacon"
	"github.com/koinon/koinon/receipt"
)

// Outcome is what a challenge meant for one provider. It changes from none to
// one other, and from there only by the court's judgement, once.
type Outcome int

// Outcomes.
const (
	None      Outcome = iota // not judged yet
	Agreed                   // answered as the leader did; in the statistical class, answered
	Differed                 // answered otherwise: not guilty of anything yet
	NoAnswer                 // did not commit, or did not reveal: convicted
	Excused                  // could not be expected to answer
	Upheld                   // the court found the answer right
	Convicted                // the court found it wrong
	Examined                 // answered, and a committee scores it; statistical class
)

// String is the outcome's name.
func (o Outcome) String() string {
	names := []string{"none", "agreed", "differed", "no answer", "excused", "upheld", "convicted", "examined"}
	if o < None || int(o) >= len(names) {
		return fmt.Sprintf("outcome %d", int(o))
	}
	return names[o]
}

// Participant is one provider that must answer.
type Participant struct {
	// Provider is its account address.
	Provider string
	// Bond is what it had at stake when it was enrolled, in ukoin.
	Bond       uint64
	Commitment receipt.Digest // zero before it committed
	Revealed   bool
	Answer     Answer // once revealed
	Outcome    Outcome
}

// Answer is what a provider found: the root over the leaves of the tokens that it
// found most likely after the prompt.
type Answer struct{ Digest receipt.Digest }

// Commitment is what a provider publishes before it shows an answer. It covers
// the provider's address, so that no other can use it, and a salt of 32 secret
// bytes, so that the answer cannot be guessed from it.
func Commitment(seed receipt.Digest, answer receipt.Digest, provider string, salt [32]byte) receipt.Digest {
	data := append([]byte("koinon/challenge-commitment/v1"), 0)
	data = append(data, seed[:]...)
	data = append(data, answer[:]...)
	data = binary.BigEndian.AppendUint32(data, uint32(len(provider)))
	data = append(data, provider...)
	return sha256.Sum256(append(data, salt[:]...))
}

// Commit takes a participant's commitment. It can be made once: whoever changes
// its mind has none.
func (c Challenge) Commit(q Participant, commitment receipt.Digest) (Participant, error) {
	switch {
	case c.Stage != Committing:
		return q, fmt.Errorf("%w: the challenge is %s, commitments are taken while it is committing", ErrStage, c.Stage)
	case !q.Commitment.IsZero():
		return q, fmt.Errorf("%w: %s has committed", ErrTwice, q.Provider)
	case commitment.IsZero():
		return q, fmt.Errorf("%w: an empty commitment", ErrCommitment)
	}
	q.Commitment = commitment
	return q, nil
}

// Reveal takes a participant's answer, which must be what it committed to.
func (c Challenge) Reveal(q Participant, a Answer, salt [32]byte) (Participant, error) {
	switch {
	case c.Stage != Revealing:
		return q, fmt.Errorf("%w: the challenge is %s, answers are taken while it is revealing", ErrStage, c.Stage)
	case q.Revealed:
		return q, fmt.Errorf("%w: %s has answered", ErrTwice, q.Provider)
	case q.Commitment.IsZero() || Commitment(c.Seed, a.Digest, q.Provider, salt) != q.Commitment:
		return q, fmt.Errorf("%w: %s", ErrCommitment, q.Provider)
	}
	if a.Digest.IsZero() {
		return q, ErrAnswer
	}
	q.Revealed, q.Answer = true, a
	return q, nil
}

// Tally is how much is bonded behind one answer.
type Tally struct {
	Answer Answer
	Bond   uint64
}

// Add counts one more participant behind an answer, after it was revealed. A sum
// that does not fit stays at its greatest.
func (t Tally) Add(q Participant) Tally {
	t.Answer = q.Answer
	if t.Bond += q.Bond; t.Bond < q.Bond {
		t.Bond = ^uint64(0)
	}
	return t
}

// Leads says whether an answer has more behind it than another: it is what
// others are compared with, and no more right for it. Of equals the lesser
// digest leads, so that the order of reveals does not matter.
func (t Tally) Leads(other Tally) bool {
	if t.Bond != other.Bond {
		return t.Bond > other.Bond
	}
	return string(t.Answer.Digest[:]) < string(other.Answer.Digest[:])
}

// Judge compares one participant with the leader. Excused is whether it cannot
// be held to an answer: it left, or was jailed, since it was enrolled. Only
// NoAnswer is to be punished; the challenge counts those who differ. In the
// statistical class honest answers need not be equal, and nothing is compared here:
// of those whom chance draws a committee computes how far they are from its own run.
func (c Challenge) Judge(q Participant, leader Tally, excused, drawn bool) (Challenge, Participant, error) {
	switch {
	case c.Stage != Judging:
		return c, q, fmt.Errorf("%w: the challenge is %s, not judging", ErrStage, c.Stage)
	case q.Outcome != None:
		return c, q, fmt.Errorf("%w: %s is judged", ErrTwice, q.Provider)
	case !q.Revealed && excused:
		q.Outcome = Excused
	case !q.Revealed:
		q.Outcome = NoAnswer
	case c.Statistical && drawn:
		q.Outcome = Examined
		c.Differing++
	case c.Statistical || q.Answer == leader.Answer:
		q.Outcome = Agreed
	default:
		q.Outcome = Differed
		c.Differing++
	}
	return c, q, nil
}

// Draws says whether randomness that nobody knew when answers were committed to draws a
// provider's answer to be scored, given its audit rate in millionths.
func (p Params) Draws(r receipt.Digest, provider string, rate uint64) bool {
	d := beacon.Value(r, "examine "+provider, 0)
	return binary.BigEndian.Uint64(d[:])%(million*million) < min(rate, million)*p.Examine
}

// Decide is the court's judgement of one who answered: the leader may be wrong
// as well as those who differ. It is made once.
func (c Challenge) Decide(q Participant, right bool) (Participant, error) {
	switch {
	case c.Stage != Disputed:
		return q, fmt.Errorf("%w: the challenge is %s, the court judges while it is disputed", ErrStage, c.Stage)
	case q.Outcome != Agreed && q.Outcome != Differed && q.Outcome != Examined:
		return q, fmt.Errorf("%w: the outcome of %s is %q", ErrTwice, q.Provider, q.Outcome)
	case right:
		q.Outcome = Upheld
	default:
		q.Outcome = Convicted
	}
	return q, nil
}
