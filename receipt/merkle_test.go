package receipt

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func someLeaves(n int) []Digest {
	leaves := make([]Digest, n)
	for i := range leaves {
		leaves[i] = Sum([]byte{byte(i), byte(i >> 8)})
	}
	return leaves
}

// TestEveryLeafOpens proves each leaf of each tree up to a size, and that no proof
// serves another leaf, place or root.
func TestEveryLeafOpens(t *testing.T) {
	for n := 1; n <= 70; n++ {
		leaves := someLeaves(n)
		root := MerkleRoot(leaves)
		for i, leaf := range leaves {
			path, err := Prove(leaves, i)
			if err != nil {
				t.Fatal(err)
			}
			if err := VerifyLeaf(root, leaf, uint64(i), uint64(n), path); err != nil {
				t.Fatalf("leaf %d of %d: %v", i, n, err)
			}
			for j := range leaves {
				if j != i && VerifyLeaf(root, leaf, uint64(j), uint64(n), path) == nil {
					t.Fatalf("the proof of leaf %d of %d serves for place %d", i, n, j)
				}
			}
			if VerifyLeaf(root, Sum([]byte("other")), uint64(i), uint64(n), path) == nil {
				t.Fatalf("the proof of leaf %d of %d serves another leaf", i, n)
			}
		}
	}
}

func TestProofsThatAreNone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "leaves")
		i := rapid.IntRange(0, n-1).Draw(t, "index")
		leaves := someLeaves(n)
		root := MerkleRoot(leaves)
		path, err := Prove(leaves, i)
		if err != nil {
			t.Fatal(err)
		}
		at := rapid.IntRange(0, len(path)).Draw(t, "at")
		bad := append([]Digest(nil), path...)
		if at == len(path) {
			bad = append(bad, Sum(nil))
		} else {
			bad[at][rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1
		}
		if err := VerifyLeaf(root, leaves[i], uint64(i), uint64(n), bad); !errors.Is(err, ErrProof) {
			t.Fatalf("a spoilt path: %v", err)
		}
		if len(path) > 0 {
			if err := VerifyLeaf(root, leaves[i], uint64(i), uint64(n), path[1:]); !errors.Is(err, ErrProof) {
				t.Fatalf("a short path: %v", err)
			}
		}
		if err := VerifyLeaf(root, leaves[i], uint64(n), uint64(n), path); !errors.Is(err, ErrProof) {
			t.Fatalf("a place beyond the tree: %v", err)
		}
	})
	if _, err := Prove(nil, 0); !errors.Is(err, ErrProof) {
		t.Errorf("a proof in an empty tree: %v", err)
	}
	if err := VerifyLeaf(Sum(nil), Sum(nil), 0, 0, nil); !errors.Is(err, ErrProof) {
		t.Errorf("a leaf of an empty tree: %v", err)
	}
}
