package court

import (
	"encoding/binary"
	"fmt"

	"github.com/koinon/koinon/receipt"
)

// Reason says why an auditor could not judge.
type Reason int

// The reasons. Each is inconclusive, and none is ever counted as valid.
const (
	None       Reason = iota
	Unreadable        // what was sealed is not what the receipt is about
	Length            // the answer has another length than the receipt says
	Tokens            // its tokens are none of the model's
	Model             // the model is not to be had
	Engine            // the auditor's engine failed
	Draw              // its tokens are not those that are drawn, which no referee can compute
)

// MaxScore is the profile's cap: scores are in 1/10,000 of it.
const MaxScore = 10_000

// Vote is what an auditor recomputed: values, not a verdict.
type Vote struct {
	Reason Reason
	Root   receipt.Digest   // exact class
	Leaves []receipt.Digest // at the case's positions; exact class
	Scores []uint32         // of the answer's tokens there; statistical class
}

// validate checks that a vote has the form that the case needs.
func (c *Case) validate(v Vote) error {
	leaves, scores := len(c.Positions), 0 // an exact case's positions are all leaves
	switch {
	case v.Reason < None || v.Reason > Draw:
		return fmt.Errorf("%w: reason %d is unknown", ErrVote, v.Reason)
	case v.Reason != None:
		leaves = 0
	case !c.Exact:
		leaves, scores = 0, len(c.Positions)
	}
	if len(v.Leaves) != leaves || len(v.Scores) != scores {
		return fmt.Errorf("%w: %d leaves and %d scores, not %d and %d", ErrVote, len(v.Leaves), len(v.Scores), leaves, scores)
	}
	if (!c.Exact || v.Reason != None) && v.Root != (receipt.Digest{}) {
		return fmt.Errorf("%w: a root is of a run of the exact class", ErrVote)
	}
	for _, s := range v.Scores {
		if s > MaxScore {
			return fmt.Errorf("%w: a score of %d is above %d", ErrVote, s, MaxScore)
		}
	}
	return nil
}

// Commitment is what an auditor commits to: nobody can copy it, as it names the
// auditor, the case and the stage, nor guess it, for its salt.
func Commitment(id uint64, stage int, auditor string, v Vote, salt receipt.Digest) receipt.Digest {
	b := binary.BigEndian.AppendUint64([]byte("koinon/vote/v1\x00"), id)
	b = binary.BigEndian.AppendUint64(b, uint64(stage))
	b = binary.BigEndian.AppendUint32(b, uint32(len(auditor)))
	b = append(append(b, auditor...), salt[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(v.Reason))
	b = append(b, v.Root[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(v.Leaves)))
	for _, leaf := range v.Leaves {
		b = append(b, leaf[:]...)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(v.Scores)))
	for _, score := range v.Scores {
		b = binary.BigEndian.AppendUint32(b, score)
	}
	return receipt.Sum(b)
}

// PlantCommitment is what a planter commits to before it opens a case: the
// receipt, and whether its answer is what it says.
func PlantCommitment(hash receipt.Digest, good bool, salt receipt.Digest) receipt.Digest {
	b := append([]byte("koinon/plant/v1\x00"), hash[:]...)
	b = append(b, salt[:]...)
	if good {
		return receipt.Sum(append(b, 1))
	}
	return receipt.Sum(append(b, 0))
}
