package receipt

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// TokensDigest is the SHA-256 over token ids, 4 bytes each, little-endian.
func TokensDigest(ids []int32) Digest {
	data := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		data = binary.LittleEndian.AppendUint32(data, uint32(id))
	}
	return Sum(data)
}

// Leaf commits to one step of a generation: its number from 0, the token
// chosen, and the digest of the logits it was chosen from.
func Leaf(step uint64, token int32, logits Digest) Digest {
	c := begin("step")
	c.integer(step)
	c.integer(uint64(uint32(token)))
	c.digest(logits)
	return Sum(c)
}

// MerkleRoot is the Merkle tree hash of RFC 6962, section 2.1, over leaves that
// are digests: H(0x00 ‖ leaf) at the bottom, H(0x01 ‖ left ‖ right) above, and
// the hash of nothing for no leaves.
func MerkleRoot(leaves []Digest) Digest {
	switch n := len(leaves); n {
	case 0:
		return Sum(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, leaves[0][:]...))
	default:
		split := 1 << (bits.Len(uint(n-1)) - 1)
		left, right := MerkleRoot(leaves[:split]), MerkleRoot(leaves[split:])
		return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
	}
}
