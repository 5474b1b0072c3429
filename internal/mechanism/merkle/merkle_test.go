package merkle

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/mechanism/canonical"
	"github.com/koinon/koinon/receipt"
)

func leaves(n int) []receipt.Digest {
	list := make([]receipt.Digest, n)
	for i := range list {
		list[i] = receipt.Sum(binary.BigEndian.AppendUint64(nil, uint64(i)))
	}
	return list
}

func TestTreesAreThoseOfReceipts(t *testing.T) {
	for n := 1; n < 70; n++ {
		list := leaves(n)
		tree := New(list)
		if tree.Root() != receipt.MerkleRoot(list) || tree.Len() != uint64(n) {
			t.Fatalf("the root of %d leaves is not that of RFC 6962", n)
		}
	}
}

// Any set of leaves can be opened, and no other leaf, place or proof passes.
func TestOpenedLeavesLeadToTheRoot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 90).Draw(t, "leaves")
		list := leaves(n)
		tree := New(list)
		var o Opened
		for i := range list {
			if rapid.Bool().Draw(t, "open") {
				o.Index, o.Leaf = append(o.Index, uint64(i)), append(o.Leaf, list[i])
			}
		}
		if len(o.Index) == 0 {
			o = Opened{[]uint64{0}, list[:1]}
		}
		proof := Prove(tree.Node, 0, uint64(n), o.Index)
		if err := Verify(tree.Root(), uint64(n), o, proof); err != nil {
			t.Fatal(err)
		}
		if err := Verify(tree.Root(), uint64(n), o, append(slices.Clone(proof), list[0])); !errors.Is(err, ErrProof) {
			t.Fatalf("a proof that is too long: %v", err)
		}
		if len(proof) > 0 {
			if err := Verify(tree.Root(), uint64(n), o, proof[1:]); !errors.Is(err, ErrProof) {
				t.Fatalf("a proof that is too short: %v", err)
			}
		}
		wrong := Opened{o.Index, slices.Clone(o.Leaf)}
		wrong.Leaf[rapid.IntRange(0, len(wrong.Leaf)-1).Draw(t, "wrong")][3] ^= 1
		if err := Verify(tree.Root(), uint64(n), wrong, proof); !errors.Is(err, ErrProof) {
			t.Fatalf("another leaf: %v", err)
		}
	})
}

// A descent ends at the chosen leaf after as many rounds as it said at most, and
// every leaf on its left can be proved by what is agreed.
func TestDescentsEndAtALeaf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 3000).Draw(t, "leaves")
		target := rapid.Uint64Range(0, n-1).Draw(t, "target")
		list := leaves(int(n))
		tree := New(list)
		d := Begin(tree.Root(), n)
		for most := d.Rounds(); !d.Ended; most-- {
			if most == 0 {
				t.Fatal("more rounds than were said")
			}
			var opened []receipt.Digest
			choice := 0
			for i, r := range d.Opening() {
				if r.Hi-r.Lo == 1 {
					opened = append(opened, list[r.Lo])
				} else {
					opened = append(opened, tree.Node(r.Lo, r.Hi))
				}
				if r.Lo <= target {
					choice = i
				}
			}
			if err := d.Check(opened); err != nil {
				t.Fatal(err)
			}
			false := slices.Clone(opened)
			false[rapid.IntRange(0, len(false)-1).Draw(t, "false")][0] ^= 1
			if err := d.Check(false); !errors.Is(err, ErrOpening) {
				t.Fatalf("a false opening: %v", err)
			}
			if err := d.Choose(opened, choice); err != nil {
				t.Fatal(err)
			}
			checkStored(t, d)
		}
		if d.Lo != target || d.Node != list[target] {
			t.Fatalf("it ended at leaf %d, not %d", d.Lo, target)
		}
		checkAgreed(t, &d, tree, list)
	})
}

func checkStored(t *rapid.T, d Descent) {
	var w canonical.Writer
	d.Append(&w)
	r := canonical.NewReader(w)
	back := ReadDescent(r)
	if !r.Done() || back.Range != d.Range || back.Node != d.Node || !slices.Equal(back.Agreed, d.Agreed) || back.Ended != d.Ended || back.Count != d.Count {
		t.Fatalf("%+v was stored as %+v", d, back)
	}
}

func checkAgreed(t *rapid.T, d *Descent, tree *Tree, list []receipt.Digest) {
	var o Opened
	for i := range d.Lo {
		if rapid.IntRange(0, 3).Draw(t, "open") == 0 {
			o.Index, o.Leaf = append(o.Index, i), append(o.Leaf, list[i])
		}
	}
	proof := d.Prove(tree.Node, o.Index)
	if err := d.Verify(o, &proof); err != nil || len(proof) > 0 {
		t.Fatal(err, len(proof))
	}
	o.Index, o.Leaf = []uint64{d.Lo}, []receipt.Digest{list[d.Lo]}
	if err := d.Verify(o, new(Proof)); !errors.Is(err, ErrProof) {
		t.Fatalf("a disputed leaf was taken as agreed: %v", err)
	}
}

func FuzzReadDescent(f *testing.F) {
	d := Begin(receipt.Sum(nil), 100)
	var w canonical.Writer
	d.Append(&w)
	f.Add([]byte(w))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if d := ReadDescent(canonical.NewReader(data)); d.Count > 0 {
			_ = d.Opening()
			_ = d.Rounds()
		}
	})
}
