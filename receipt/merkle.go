package receipt

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
)

// ErrProof is returned for a proof that does not lead from its leaf to the root.
var ErrProof = errors.New("the proof does not lead from the leaf to the root")

// maxProof is the longest path in a tree whose leaves 64 bits can number.
const maxProof = 64

// MerkleRoot is the Merkle tree hash of RFC 6962, section 2.1, over leaves that
// are digests: H(0x00 ‖ leaf) at the bottom, H(0x01 ‖ left ‖ right) above, and
// the hash of nothing for no leaves.
func MerkleRoot(leaves []Digest) Digest {
	switch n := len(leaves); n {
	case 0:
		return Sum(nil)
	case 1:
		return bottom(leaves[0])
	default:
		split := splitOf(n)
		return above(MerkleRoot(leaves[:split]), MerkleRoot(leaves[split:]))
	}
}

func bottom(leaf Digest) Digest { return sha256.Sum256(append([]byte{0}, leaf[:]...)) }

func above(left, right Digest) Digest {
	return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
}

// splitOf is the largest power of two below n.
func splitOf(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }

// Prove is the audit path of RFC 6962, section 2.1.1, for the leaf of an index:
// the hashes beside the way from it to the root, the lowest first.
func Prove(leaves []Digest, index int) ([]Digest, error) {
	if index < 0 || index >= len(leaves) {
		return nil, fmt.Errorf("%w: leaf %d of %d", ErrProof, index, len(leaves))
	}
	var path []Digest
	for len(leaves) > 1 {
		split := splitOf(len(leaves))
		if index < split {
			path = append(path, MerkleRoot(leaves[split:]))
			leaves = leaves[:split]
		} else {
			path = append(path, MerkleRoot(leaves[:split]))
			leaves, index = leaves[split:], index-split
		}
	}
	for i, j := 0, len(path)-1; i < j; i, j = i+1, j-1 {
		path[i], path[j] = path[j], path[i]
	}
	return path, nil
}

// VerifyLeaf checks, as RFC 9162 does in section 2.1.3.2, that a leaf is the one
// of an index in the tree of so many leaves with this root. The root does not say
// how many leaves there are: a receipt does.
func VerifyLeaf(root, leaf Digest, index, leaves uint64, path []Digest) error {
	if index >= leaves || len(path) > maxProof {
		return fmt.Errorf("%w: leaf %d of %d by a path of %d", ErrProof, index, leaves, len(path))
	}
	at, last, hash := index, leaves-1, bottom(leaf)
	for _, beside := range path {
		if last == 0 {
			return fmt.Errorf("%w: the path is too long", ErrProof)
		}
		if at&1 == 1 || at == last {
			hash = above(beside, hash)
			for at&1 == 0 && at != 0 {
				at, last = at>>1, last>>1
			}
		} else {
			hash = above(hash, beside)
		}
		at, last = at>>1, last>>1
	}
	if last != 0 || hash != root {
		return ErrProof
	}
	return nil
}
