// Package merkle opens parts of the Merkle trees of RFC 6962, section 2.1, whose
// leaves are digests: H(0x00 ‖ leaf) at the bottom, H(0x01 ‖ left ‖ right) above,
// as [receipt.MerkleRoot] builds them. A subtree is named by the leaves below it,
// from lo up to but without hi.
package merkle

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"

	"github.com/koinon/koinon/receipt"
)

// ErrProof is returned for a proof that does not lead to the root.
var ErrProof = errors.New("proof does not lead to the root")

// Leaf is the node of a tree of one leaf.
func Leaf(d receipt.Digest) receipt.Digest {
	var data [1 + sha256.Size]byte
	copy(data[1:], d[:])
	return sha256.Sum256(data[:])
}

// Join is the node above two others.
func Join(left, right receipt.Digest) receipt.Digest {
	var data [1 + 2*sha256.Size]byte
	data[0] = 1
	copy(data[1:], left[:])
	copy(data[1+sha256.Size:], right[:])
	return sha256.Sum256(data[:])
}

// Mid is where the subtree of leaves lo to hi, two at least, divides.
func Mid(lo, hi uint64) uint64 { return lo + 1<<(bits.Len64(hi-lo-1)-1) }

// Depth is how many choices lead from the root of n leaves down to the deepest.
func Depth(n uint64) int {
	if n < 2 {
		return 0
	}
	return bits.Len64(n - 1)
}

// Tree holds every node of a tree, about twice as many digests as leaves.
type Tree struct {
	levels [][]receipt.Digest // of 2^k leaves each, the last of what is left
}

// New builds a tree over one leaf or more.
func New(leaves []receipt.Digest) *Tree {
	level := make([]receipt.Digest, len(leaves))
	for i, d := range leaves {
		level[i] = Leaf(d)
	}
	t := &Tree{levels: [][]receipt.Digest{level}}
	for len(level) > 1 {
		above := make([]receipt.Digest, (len(level)+1)/2)
		for i := range above {
			if 2*i+1 < len(level) {
				above[i] = Join(level[2*i], level[2*i+1])
			} else { // an odd one is its own parent
				above[i] = level[2*i]
			}
		}
		t.levels = append(t.levels, above)
		level = above
	}
	return t
}

// Len is the number of leaves.
func (t *Tree) Len() uint64 { return uint64(len(t.levels[0])) }

// Root is the node above all leaves.
func (t *Tree) Root() receipt.Digest { return t.levels[len(t.levels)-1][0] }

// Node is the node above leaves lo to hi, a subtree of this tree.
func (t *Tree) Node(lo, hi uint64) receipt.Digest {
	k := bits.Len64(hi - lo - 1)
	return t.levels[k][lo>>k]
}

// Node gives the node above leaves lo to hi of some tree, a subtree of it.
type Node func(lo, hi uint64) receipt.Digest

// Prove lists the nodes that, with the wanted leaves, give the node above lo to
// hi: the largest subtrees with none of them, from left to right. Wanted ascends,
// and holds one leaf at least of that range.
func Prove(node Node, lo, hi uint64, wanted []uint64) []receipt.Digest {
	if len(wanted) == 0 {
		return []receipt.Digest{node(lo, hi)}
	}
	if hi-lo == 1 {
		return nil
	}
	mid := Mid(lo, hi)
	n := below(wanted, mid)
	return append(Prove(node, lo, mid, wanted[:n]), Prove(node, mid, hi, wanted[n:])...)
}

// below counts the indices under a bound.
func below(ascending []uint64, bound uint64) int {
	n := 0
	for n < len(ascending) && ascending[n] < bound {
		n++
	}
	return n
}

// Opened are leaves of a tree, ascending by index, each once.
type Opened struct {
	Index []uint64
	Leaf  []receipt.Digest
}

// split divides at an index.
func (o Opened) split(at uint64) (left, right Opened) {
	n := below(o.Index, at)
	return Opened{o.Index[:n], o.Leaf[:n]}, Opened{o.Index[n:], o.Leaf[n:]}
}

// Proof is read from the front as nodes are computed. Refusal: [ErrProof].
type Proof []receipt.Digest

// Node computes the node above leaves lo to hi from those that are opened and
// the proof, of which it takes what it needs.
func (p *Proof) Node(lo, hi uint64, o Opened) (receipt.Digest, error) {
	if len(o.Index) == 0 {
		if len(*p) == 0 {
			return receipt.Digest{}, fmt.Errorf("%w: it ends at leaves %d to %d", ErrProof, lo, hi-1)
		}
		first := (*p)[0]
		*p = (*p)[1:]
		return first, nil
	}
	if hi-lo == 1 {
		if len(o.Index) != 1 || o.Index[0] != lo {
			return receipt.Digest{}, fmt.Errorf("%w: leaf %d is opened where %d is meant", ErrProof, o.Index[0], lo)
		}
		return Leaf(o.Leaf[0]), nil
	}
	mid := Mid(lo, hi)
	first, second := o.split(mid)
	left, err := p.Node(lo, mid, first)
	if err != nil {
		return left, err
	}
	right, err := p.Node(mid, hi, second)
	return Join(left, right), err
}

// Verify checks opened leaves of a tree of n against its root; the proof must
// hold no more than is needed.
func Verify(root receipt.Digest, n uint64, o Opened, proof Proof) error {
	for i, at := range o.Index {
		if at >= n || i > 0 && at <= o.Index[i-1] {
			return fmt.Errorf("%w: leaf %d of %d, or not in ascending order", ErrProof, at, n)
		}
	}
	if len(o.Index) == 0 || len(o.Leaf) != len(o.Index) {
		return fmt.Errorf("%w: %d leaves for %d places", ErrProof, len(o.Leaf), len(o.Index))
	}
	got, err := proof.Node(0, n, o)
	switch {
	case err != nil:
		return err
	case len(proof) > 0:
		return fmt.Errorf("%w: %d digests more than it needs", ErrProof, len(proof))
	case got != root:
		return fmt.Errorf("%w: %s is not %s", ErrProof, got, root)
	}
	return nil
}
