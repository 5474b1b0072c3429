package merkle

import (
	"errors"
	"fmt"
	"slices"

	"github.com/koinon/koinon/receipt"
)

// Levels is how many levels of a tree one opening shows, so that a tree of a
// million leaves takes five rounds, not twenty.
const Levels = 4

// Errors of descents.
var (
	// ErrOpening: what is shown does not hash to the node that is opened.
	ErrOpening = errors.New("opened nodes do not hash to the disputed one")
	// ErrChoice: the choice names none of the opened nodes.
	ErrChoice = errors.New("no such node was opened")
)

// Range are leaves Lo to Hi, without Hi.
type Range struct{ Lo, Hi uint64 }

// Descent is a way from a tree's root towards one leaf that two sides disagree
// about, while they agree about all on its left.
type Descent struct {
	Count uint64 // leaves of the tree
	Range        // leaves below Node
	// Node is disputed. At the end it is the leaf itself, not its node.
	Node receipt.Digest
	// Agreed are the nodes left of the way, from the top.
	Agreed []receipt.Digest
	// Ended says that Node is a leaf.
	Ended bool
}

// Begin disputes the root of a tree of n leaves, one at least.
func Begin(root receipt.Digest, n uint64) Descent {
	return Descent{Count: n, Range: Range{0, n}, Node: root}
}

// Opening lists the subtrees that the next opening must show, at most 2^[Levels].
// A single leaf is shown itself, larger ones by their node.
func (d *Descent) Opening() []Range { return opening(d.Range, Levels) }

func opening(r Range, levels int) []Range {
	if levels == 0 || r.Hi-r.Lo == 1 {
		return []Range{r}
	}
	mid := Mid(r.Lo, r.Hi)
	return append(opening(Range{r.Lo, mid}, levels-1), opening(Range{mid, r.Hi}, levels-1)...)
}

// Check says whether opened nodes hash to the disputed one. Refusal: [ErrOpening].
func (d *Descent) Check(opened []receipt.Digest) error {
	if want := len(d.Opening()); len(opened) != want {
		return fmt.Errorf("%w: %d are given, this opening has %d", ErrOpening, len(opened), want)
	}
	if got, _ := above(d.Range, Levels, opened); got != d.Node {
		return fmt.Errorf("%w: %s, not %s", ErrOpening, got, d.Node)
	}
	return nil
}

// above is the node of a range from what an opening shows of it, and the rest.
func above(r Range, levels int, opened []receipt.Digest) (receipt.Digest, []receipt.Digest) {
	if r.Hi-r.Lo == 1 {
		return Leaf(opened[0]), opened[1:]
	}
	if levels == 0 {
		return opened[0], opened[1:]
	}
	mid := Mid(r.Lo, r.Hi)
	left, rest := above(Range{r.Lo, mid}, levels-1, opened)
	right, rest := above(Range{mid, r.Hi}, levels-1, rest)
	return Join(left, right), rest
}

// Choose goes on to one of the nodes of an opening that was checked; those on
// its left are agreed. Refusal: [ErrChoice].
func (d *Descent) Choose(opened []receipt.Digest, choice int) error {
	ranges := d.Opening()
	if choice < 0 || choice >= len(ranges) {
		return fmt.Errorf("%w: %d of %d", ErrChoice, choice, len(ranges))
	}
	target := ranges[choice]
	r, levels := d.Range, Levels
	for ; r != target; levels-- {
		mid := Mid(r.Lo, r.Hi)
		n := len(opening(Range{r.Lo, mid}, levels-1))
		if target.Lo < mid {
			r.Hi = mid
			continue
		}
		left, _ := above(Range{r.Lo, mid}, levels-1, opened)
		d.Agreed = append(slices.Clip(d.Agreed), left) // copies of the descent keep theirs
		opened = opened[n:]
		r.Lo = mid
	}
	d.Range, d.Node, d.Ended = target, opened[0], target.Hi-target.Lo == 1
	return nil
}

// agreedRanges are the subtrees of Agreed.
func (d *Descent) agreedRanges() []Range {
	var list []Range
	for r := (Range{0, d.Count}); r != d.Range; {
		mid := Mid(r.Lo, r.Hi)
		if d.Lo < mid {
			r.Hi = mid
			continue
		}
		list = append(list, Range{r.Lo, mid})
		r.Lo = mid
	}
	return list
}

// Rounds is how many openings and choices are left at most.
func (d *Descent) Rounds() int {
	if d.Ended {
		return 0
	}
	return Rounds(d.Hi - d.Lo)
}

// Rounds is how many openings lead to one of n leaves at most.
func Rounds(n uint64) int { return max(1, (Depth(n)+Levels-1)/Levels) }

// Verify checks leaves left of the way against the nodes that are agreed. It
// takes of the proof what it needs. Refusal: [ErrProof].
func (d *Descent) Verify(o Opened, proof *Proof) error {
	var here Opened
	for i, r := range d.agreedRanges() { // one after the other, from leaf 0
		if here, o = o.split(r.Hi); len(here.Index) == 0 {
			continue
		}
		got, err := proof.Node(r.Lo, r.Hi, here)
		if err != nil {
			return err
		}
		if got != d.Agreed[i] {
			return fmt.Errorf("%w: leaves %d to %d", ErrProof, r.Lo, r.Hi-1)
		}
	}
	if len(o.Index) > 0 {
		return fmt.Errorf("%w: leaf %d is not left of the disputed ones", ErrProof, o.Index[0])
	}
	return nil
}

// Prove is the proof that Verify reads, by whoever has the tree's nodes.
func (d *Descent) Prove(node Node, wanted []uint64) (proof Proof) {
	for _, r := range d.agreedRanges() {
		n := below(wanted, r.Hi)
		if n > 0 {
			proof = append(proof, Prove(node, r.Lo, r.Hi, wanted[:n])...)
		}
		wanted = wanted[n:]
	}
	return proof
}
