package lineage_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/mechanism/lineage"
)

// A family that grows at random: what a version owes is what every model above
// it asks, found by walking the whole graph; nobody is above himself.
func TestDebtsAreWhatTheAncestorsAsk(t *testing.T) {
	type node struct {
		lineage.Version
		parents []int
	}
	rapid.Check(t, func(t *rapid.T) {
		var family []node
		asks := rapid.SampledFrom([]uint32{0, 1, 250, 900, 5_000, 10_000, 10_001})
		for i := range rapid.IntRange(1, 14).Draw(t, "versions") {
			model := fmt.Sprint("m", rapid.IntRange(0, i/2+1).Draw(t, "model"))
			var parents []int
			var known []lineage.Version
			for range rapid.IntRange(0, min(i, lineage.MaxParents+1)).Draw(t, "parents") {
				p := rapid.IntRange(0, len(family)).Draw(t, "parent")
				if p < len(family) {
					parents, known = append(parents, p), append(known, family[p].Version)
				}
			}
			owed, depth, err := lineage.Derive(model, known)
			// Naively: all that is above, by model, the most each asks.
			most := map[string]uint32{}
			over := false
			var deepest uint32
			var climb func(p int, below []string)
			climb = func(p int, below []string) {
				v := family[p]
				// A model's later version, or what it made of another that came of it, asks for itself.
				if !slices.Contains(below, v.Model) && v.AsksBps > 0 {
					most[v.Model] = max(most[v.Model], v.AsksBps)
				}
				for _, up := range v.parents {
					climb(up, append(below[:len(below):len(below)], v.Model))
				}
			}
			for _, p := range parents {
				over = over || family[p].AsksBps > lineage.Whole
				climb(p, []string{model})
				below := family[p].Depth
				if family[p].Model != model {
					below++
				}
				deepest = max(deepest, below)
			}
			var sum uint64
			for _, bps := range most {
				sum += uint64(bps)
			}
			refused := len(parents) > lineage.MaxParents || over || deepest > lineage.MaxDepth || len(most) > lineage.MaxDebts || sum > lineage.Whole
			if (err != nil) != refused {
				t.Fatalf("refused: %v, want %v (%d parents, sum %d, depth %d)", err, refused, len(parents), sum, deepest)
			}
			if err != nil {
				continue
			}
			if lineage.Sum(owed) != sum || depth != deepest || len(owed) != len(most) {
				t.Fatalf("owes %v at depth %d, want %v at %d", owed, depth, most, deepest)
			}
			for j, d := range owed {
				if most[d.Model] != d.Bps || d.Model == model || j > 0 && owed[j-1].Model >= d.Model {
					t.Fatalf("%s owes %v, want %v", model, owed, most)
				}
			}
			family = append(family, node{lineage.Version{Model: model, AsksBps: asks.Draw(t, "asks"), Depth: depth, Owes: owed}, parents})
		}
	})
}

func TestFamiliesEnd(t *testing.T) {
	v := lineage.Version{Model: "m0", AsksBps: 10}
	for i := 1; ; i++ {
		model := fmt.Sprint("m", i)
		owed, depth, err := lineage.Derive(model, []lineage.Version{v})
		if i > lineage.MaxDepth {
			if !errors.Is(err, lineage.ErrDepth) {
				t.Fatalf("at depth %d: %v", i, err)
			}
			return
		}
		if err != nil || len(owed) != i || depth != uint32(i) {
			t.Fatalf("%s owes %v at depth %d: %v", model, owed, depth, err)
		}
		// A model's versions may go on for ever.
		for range 20 {
			if owed, depth, err = lineage.Derive(model, []lineage.Version{{Model: model, AsksBps: 10, Depth: depth, Owes: owed}}); err != nil {
				t.Fatal(err)
			}
		}
		v = lineage.Version{Model: model, AsksBps: 10, Depth: depth, Owes: owed}
	}
}
