package beacon

import (
	"encoding/binary"
	"math/bits"

	"github.com/koinon/koinon/receipt"
)

// OutputSize is the length of one proof's output in bytes (RFC 9381, SHA-512).
const OutputSize = 64

// Output is what one validator's proof yields: unique for its key and the round.
type Output [OutputSize]byte

// Contribution is one validator's output, and its voting power.
type Contribution struct {
	Power  uint64
	Output Output
}

// Round is one beat of the beacon: the votes for a block carry its proofs, the
// block after stores the randomness that follows from them.
type Round struct {
	Chain string
	// Height is that of the block whose votes carry the proofs.
	Height int64
	// Previous is the newest randomness known before anyone voted on that
	// block: that of the block before it.
	Previous receipt.Digest
}

// Input is what validators prove about: nobody can compute a proof for it
// before Previous is known, and no proof of one round is one of another.
func (r Round) Input() []byte { return r.canonical("beacon-round") }

// Join makes the randomness of the block after Height from that of the block at
// Height and from the least output for its power among those contributed; with
// none it still differs by round, but is no secret.
//
// One output counts rather than a hash of all, so that whoever leaves some out
// chooses among few: it must leave out the least to have the second, and those
// two to have the third. A hash of all would have had a value for every subset.
// Outputs are not known before they are sent, so that every validator may be
// the one who counts.
func (r Round) Join(last receipt.Digest, contributions []Contribution) receipt.Digest {
	data := append(r.canonical("beacon"), last[:]...)
	if least := leastOf(contributions); least != nil {
		data = append(data, least.Output[:]...)
	}
	return receipt.Sum(data)
}

// leastOf is the contribution whose output, as a number, is least in proportion
// to its power, so that each counts with a chance that follows its power; the
// first of equals.
func leastOf(contributions []Contribution) *Contribution {
	var least *Contribution
	for i := range contributions {
		c := &contributions[i]
		if c.Power > 0 && (least == nil || c.before(least)) {
			least = c
		}
	}
	return least
}

// before compares a/p with b/q as a·q with b·p, exactly.
func (c *Contribution) before(d *Contribution) bool {
	high, low := bits.Mul64(binary.BigEndian.Uint64(c.Output[:]), d.Power)
	otherHigh, otherLow := bits.Mul64(binary.BigEndian.Uint64(d.Output[:]), c.Power)
	return high < otherHigh || high == otherHigh && low < otherLow
}

func (r Round) canonical(kind string) []byte {
	data := append([]byte("koinon/"+kind+"/v1"), 0)
	data = binary.BigEndian.AppendUint32(data, uint32(len(r.Chain)))
	data = append(data, r.Chain...)
	data = binary.BigEndian.AppendUint64(data, uint64(r.Height))
	return append(data, r.Previous[:]...)
}
