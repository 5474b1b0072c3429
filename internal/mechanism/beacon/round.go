package beacon

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/koinon/koinon/receipt"
)

// OutputSize is the length of one proof's output in bytes (RFC 9381, SHA-512).
const OutputSize = 64

// Output is what one validator's proof yields: unique for its key and the round.
type Output [OutputSize]byte

// Round is one beat of the beacon: the votes for a block carry its proofs, the
// block after stores the value that they join into.
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

// Join makes the randomness of the block after Height from the outputs of those
// who contributed, in the order of the block's validators. With none it still
// differs by round, but is no secret.
func (r Round) Join(outputs []Output) receipt.Digest {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64(r.canonical("beacon"), uint64(len(outputs))))
	for _, o := range outputs {
		h.Write(o[:])
	}
	return receipt.Digest(h.Sum(nil))
}

func (r Round) canonical(kind string) []byte {
	data := append([]byte("koinon/"+kind+"/v1"), 0)
	data = binary.BigEndian.AppendUint32(data, uint32(len(r.Chain)))
	data = append(data, r.Chain...)
	data = binary.BigEndian.AppendUint64(data, uint64(r.Height))
	return append(data, r.Previous[:]...)
}
