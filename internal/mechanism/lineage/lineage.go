// Package lineage is the rule of what a model that was made from others owes
// them. A version's licence policy fixes the part that it asks of every
// redemption of whatever is derived from it, however far down; so a derivative's
// debts are known, once and for all, when it is registered. They are parts of
// the whole redemption, not of what its author calls royalties: no policy can be
// written that leaves the parents less.
package lineage

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Bounds of a family.
const (
	// Whole is how many basis points make a redemption.
	Whole = 10_000
	// MaxDepth is how many models a version may stand below the first.
	MaxDepth = 8
	// MaxParents is how many versions one is made from.
	MaxParents = 4
	// MaxDebts is how many models one version owes.
	MaxDebts = 16
)

// Debt is what a version owes a model, in basis points of every redemption.
type Debt struct {
	Model string
	Bps   uint32
}

// Version is what a derivative has to know of a parent.
type Version struct {
	Model string
	// AsksBps is what the parent's licence policy asks of derivatives.
	AsksBps uint32
	// Depth is how many models the version stands below the first.
	Depth uint32
	// Owes are the parent's own debts, which a derivative takes over.
	Owes []Debt
}

// Errors: every refusal has a name.
var (
	ErrParents = fmt.Errorf("a version is made from at most %d others", MaxParents)
	ErrDepth   = fmt.Errorf("a model stands at most %d models below the first", MaxDepth)
	ErrDebts   = fmt.Errorf("a version owes at most %d models", MaxDebts)
	ErrAsks    = errors.New("a licence policy asks for at most 10,000 basis points")
	ErrSum     = errors.New("parents ask for more than the whole")
)

// Derive returns what a version of a model owes for its parents, by model name,
// and its depth. A model that is reached on several ways is owed once, the most
// that it asks for; the version's own model is owed nothing, so that its next
// version may be made from its last. The debts never exceed the whole.
func Derive(model string, parents []Version) ([]Debt, uint32, error) {
	if len(parents) > MaxParents {
		return nil, 0, fmt.Errorf("%w, not %d", ErrParents, len(parents))
	}
	var owed []Debt
	var depth uint32
	for _, p := range parents {
		if p.AsksBps > Whole {
			return nil, 0, fmt.Errorf("%w, not %d", ErrAsks, p.AsksBps)
		}
		below := p.Depth
		if p.Model != model {
			below++
		}
		depth = max(depth, below)
		for _, d := range append([]Debt{{p.Model, p.AsksBps}}, p.Owes...) {
			if d.Model != model && d.Bps > 0 {
				owed = owe(owed, d)
			}
		}
	}
	if depth > MaxDepth {
		return nil, 0, fmt.Errorf("%w, not %d", ErrDepth, depth)
	}
	if len(owed) > MaxDebts {
		return nil, 0, fmt.Errorf("%w, not %d", ErrDebts, len(owed))
	}
	if sum := Sum(owed); sum > Whole {
		return nil, 0, fmt.Errorf("%w: %d basis points of 10,000", ErrSum, sum)
	}
	slices.SortFunc(owed, func(a, b Debt) int { return cmp.Compare(a.Model, b.Model) })
	return owed, depth, nil
}

// owe adds a debt, or raises the one there is to the same model.
func owe(owed []Debt, d Debt) []Debt {
	for i, known := range owed {
		if known.Model == d.Model {
			owed[i].Bps = max(known.Bps, d.Bps)
			return owed
		}
	}
	return append(owed, d)
}

// Sum is what a version owes altogether, in basis points.
func Sum(owed []Debt) uint64 {
	var sum uint64
	for _, d := range owed {
		sum += uint64(d.Bps)
	}
	return sum
}
