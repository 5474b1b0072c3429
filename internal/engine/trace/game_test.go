package trace

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/mechanism/bisection"
	"github.com/koinon/koinon/internal/mechanism/merkle"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/internal/tensor/block"
	"github.com/koinon/koinon/receipt"
)

// forgery is a whole trace that somebody made up, and the leaves it stands by.
type forgery struct {
	rows interface {
		Prove([]uint64) []receipt.Digest
	}
	leaves       []receipt.Digest
	trace        referee.Trace
	words        [][][]uint32 // by segment and chunk
	token        int32
	logits, fold receipt.Digest
	trees        []*merkle.Tree
	steps, tree  *merkle.Tree
}

// copyOf is an honest trace, all of it.
func copyOf(t testing.TB, tr *Trace, leaves []receipt.Digest) *forgery {
	f := &forgery{rows: tr.c.Rows, leaves: leaves, trace: tr.Trace, token: tr.token, logits: tr.logits, fold: tr.fold}
	for segment := range tr.Segments() {
		var list [][]uint32
		for chunk := range tr.Chunks(segment) {
			words, err := tr.Chunk(segment, chunk)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, slices.Clone(words))
		}
		f.words = append(f.words, list)
	}
	return f
}

// with is the forgery with other words in some places, and a leaf of its own.
func (f *forgery) with(step uint64, change func(words [][][]uint32)) *forgery {
	g := *f
	g.words = make([][][]uint32, len(f.words))
	for s := range f.words {
		for _, words := range f.words[s] {
			g.words[s] = append(g.words[s], slices.Clone(words))
		}
	}
	change(g.words)
	g.logits[0] ^= 1 // the receipt's lie
	leaves := slices.Clone(f.leaves)
	leaves[step] = receipt.Leaf(step, g.token, g.logits, g.fold)
	last := g.words[len(g.words)-1]
	last[len(last)-1] = g.trace.Claim(g.token, g.logits, g.fold)
	return g.as(leaves)
}

// as is the forgery with its trees, standing by these leaves.
func (f *forgery) as(leaves []receipt.Digest) *forgery {
	g := *f
	g.leaves, g.trees = leaves, nil
	var roots []receipt.Digest
	for _, segment := range g.words {
		tree := merkle.New(digests(segment))
		g.trees, roots = append(g.trees, tree), append(roots, tree.Root())
	}
	g.steps, g.tree = merkle.New(g.leaves), merkle.New(roots)
	return &g
}

// move stands by the forgery.
func (f *forgery) move(g *bisection.Game) bisection.Move {
	segment, chunk := g.Place()
	last := uint64(len(f.words) - 1)
	switch g.Stage() {
	case bisection.Claiming:
		final := f.trees[last]
		return bisection.Claim{
			Token: f.token, Logits: f.logits, Fold: f.fold, Trace: f.tree.Root(), Final: final.Root(),
			EndProof:   merkle.Prove(final.Node, 0, final.Len(), []uint64{final.Len() - 1}),
			FinalProof: merkle.Prove(f.tree.Node, 0, last+1, []uint64{last}),
			Shape:      f.trace.Shape.Bytes(), ShapeProof: f.rows.Prove([]uint64{0}),
		}
	case bisection.Revealing:
		return bisection.Reveal{Words: f.words[segment.Lo][chunk.Lo]}
	}
	var nodes []receipt.Digest
	for _, r := range g.Descent().Opening() {
		tree, leaf := f.steps, func(i uint64) receipt.Digest { return f.leaves[i] }
		switch g.Stage() {
		case bisection.Segments:
			tree, leaf = f.tree, func(i uint64) receipt.Digest { return f.trees[i].Root() }
		case bisection.Chunks:
			tree, leaf = f.trees[segment.Lo], func(i uint64) receipt.Digest { return referee.ChunkDigest(f.words[segment.Lo][i]) }
		}
		if r.Hi-r.Lo == 1 {
			nodes = append(nodes, leaf(r.Lo))
		} else {
			nodes = append(nodes, tree.Node(r.Lo, r.Hi))
		}
	}
	return bisection.Split{Nodes: nodes}
}

// play makes moves until the game is over, each by its bytes and each after the
// game was stored and read again, and returns the largest.
func play(t testing.TB, g *bisection.Game, accused, challenger func(*bisection.Game) bisection.Move) (moves, largest int) {
	for g.Turn() != bisection.Nobody {
		side := accused
		if g.Turn() == bisection.Challenger {
			side = challenger
		}
		left, turn := g.Rounds(), g.Turn()
		m := side(g)
		if m == nil {
			if err := g.Forfeit(turn); err != nil {
				t.Fatal(err)
			}
			continue
		}
		data := m.Bytes()
		largest = max(largest, len(data))
		again, err := bisection.ParseMove(data)
		if err != nil {
			t.Fatalf("%T: %v", m, err)
		}
		stored, err := bisection.Unmarshal(g.Marshal())
		if err != nil {
			t.Fatalf("in stage %s: %v", g.Stage(), err)
		}
		if err := stored.Play(again); err != nil {
			if side := turn; side == bisection.Challenger && errors.Is(err, bisection.ErrEvidence) {
				return moves, largest // the court lets it try until it is late
			}
			t.Fatalf("%T in stage %s: %v", m, g.Stage(), err)
		}
		if *g = stored; g.Stage() != bisection.Segments && g.Rounds() >= left && left > 1 {
			t.Fatalf("%d moves were left, then %d", left, g.Rounds())
		}
		moves++
	}
	return moves, largest
}

// honest is the play of a player that knows the truth.
func honest(t testing.TB, p *Player) func(*bisection.Game) bisection.Move {
	return func(g *bisection.Game) bisection.Move {
		m, err := p.Move(g)
		if err != nil {
			t.Fatalf("%s in stage %s: %v", g.Turn(), g.Stage(), err)
		}
		return m
	}
}

// dispute is a game about a small model's answer.
type dispute struct {
	c      *Case
	leaves []receipt.Digest
	player *Player
	truth  *forgery
	params sampling.Params
}

func newDispute(t testing.TB, p sampling.Params) *dispute {
	d := &dispute{params: p}
	d.c, d.leaves = answer(t, model{kind: block.F32, dim: 16, hidden: 24}.write(t), 70, 3, p)
	var err error
	if d.player, err = NewPlayer(d.c, d.leaves); err != nil {
		t.Fatal(err)
	}
	tr, err := New(d.c, 1)
	if err != nil {
		t.Fatal(err)
	}
	d.truth = copyOf(t, tr, d.leaves)
	return d
}

// against is a game about the receipt that stands by a forgery.
func (d *dispute) against(t testing.TB, f *forgery) bisection.Game {
	r := d.c.Receipt
	r.Commitment = receipt.MerkleRoot(f.leaves)
	g, err := bisection.Begin(r, d.c.Rows.Root())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// An honest challenger wins, whatever trace the accused makes up to stand by a
// false leaf: with one word changed anywhere, with many, or with none but the claim.
func TestAnHonestChallengerWins(t *testing.T) {
	d := newDispute(t, hot)
	rapid.Check(t, func(rt *rapid.T) {
		lie := d.truth.with(1, func(words [][][]uint32) {
			for range rapid.IntRange(0, 3).Draw(rt, "changes") {
				segment := rapid.IntRange(0, len(words)-1).Draw(rt, "segment")
				chunk := rapid.IntRange(0, len(words[segment])-1).Draw(rt, "chunk")
				word := rapid.IntRange(0, len(words[segment][chunk])-1).Draw(rt, "word")
				words[segment][chunk][word] ^= 1 << rapid.IntRange(0, 31).Draw(rt, "bit")
			}
		})
		g := d.against(t, lie)
		moves, largest := play(t, &g, lie.move, honest(t, d.player))
		if winner, over := g.Winner(); !over || winner != bisection.Challenger {
			rt.Fatalf("after %d moves of at most %d bytes, in stage %s, the %s wins", moves, largest, g.Stage(), winner)
		}
	})
}

// A provider that served another model stands by every word that it computed; a
// quantised twin is found at the first number that differs.
func TestATwinIsFound(t *testing.T) {
	d := newDispute(t, hot)
	twin, twinLeaves := answer(t, model{kind: block.F16, dim: 16, hidden: 24}.write(t), 70, 3, hot)
	tr, err := New(twin, 0)
	if err != nil {
		t.Fatal(err)
	}
	lie := copyOf(t, tr, twinLeaves)
	lie.rows, lie.trace.Shape = d.c.Rows, d.c.Rows.Shape() // it cannot deny the registered shape
	lie = lie.as(twinLeaves)
	d.c.Output, d.c.Receipt.OutputDigest = twin.Output, twin.Receipt.OutputDigest
	d.play(t, lie, "testdata/twin.txt")
}

// A provider that computed all truly, and served a token that was not drawn.
func TestATokenThatWasNotDrawnIsFound(t *testing.T) {
	for name, p := range map[string]sampling.Params{"greedy": {TopP: 1, RepetitionPenalty: 1.1, Bias: []sampling.Bias{{Token: 3, Value: 1}}}, "sampled": hot} {
		d := newDispute(t, p)
		d.c.Output[1] = (d.c.Output[1] + 1) % 256
		d.c.Receipt.OutputDigest = receipt.TokensDigest(d.c.Output)
		tr, err := New(d.c, 1)
		if err != nil {
			t.Fatal(err)
		}
		lie := copyOf(t, tr, d.leaves)
		lie.token = d.c.Output[1]
		leaves := slices.Clone(d.leaves)
		leaves[1] = receipt.Leaf(1, lie.token, lie.logits, lie.fold)
		last := lie.words[len(lie.words)-1]
		last[len(last)-1] = lie.trace.Claim(lie.token, lie.logits, lie.fold)
		d.play(t, lie.as(leaves), "testdata/"+name+".txt")
	}
}

// play has an honest challenger play against a lie, and compares the transcript.
func (d *dispute) play(t *testing.T, lie *forgery, golden string) {
	t.Helper()
	r := d.c.Receipt
	r.Commitment = receipt.MerkleRoot(lie.leaves)
	d.c.Receipt = r
	replay, err := d.c.Model.Replay(context.Background(), engine.Request{Prompt: d.c.Prompt, MaxTokens: len(d.c.Output), Sampling: d.params}, d.c.Output, 2)
	if err != nil {
		t.Fatal(err)
	}
	leaves, err := Dissent(d.c, replay)
	if err != nil {
		t.Fatal(err)
	}
	if d.player, err = NewPlayer(d.c, leaves); err != nil {
		t.Fatal(err)
	}
	g := d.against(t, lie)
	var script strings.Builder
	tell := func(move func(*bisection.Game) bisection.Move) func(*bisection.Game) bisection.Move {
		return func(g *bisection.Game) bisection.Move {
			m := move(g)
			fmt.Fprintf(&script, "%-9s  %-10s  %s, %d bytes\n", g.Stage(), g.Turn(), say(g, m), len(m.Bytes()))
			return m
		}
	}
	play(t, &g, tell(lie.move), tell(honest(t, d.player)))
	winner, _ := g.Winner()
	fmt.Fprintf(&script, "the %s wins\n", winner)
	if winner != bisection.Challenger {
		t.Errorf("the %s wins", winner)
	}
	if *update {
		if err := os.WriteFile(golden, []byte(script.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || string(want) != script.String() {
		t.Errorf("%s is not what was played (-update writes it): %v\n%s", golden, err, &script)
	}
}

var update = flag.Bool("update", false, "write transcripts")

// say tells a move to people.
func say(g *bisection.Game, m bisection.Move) string {
	switch m := m.(type) {
	case bisection.Split:
		return fmt.Sprintf("opens leaves %d to %d in %d nodes", g.Descent().Lo, g.Descent().Hi-1, len(m.Nodes))
	case bisection.Choose:
		return fmt.Sprintf("node %d is not mine", m.Node)
	case bisection.Claim:
		return fmt.Sprintf("step %d drew token %d", g.Step(), m.Token)
	case bisection.Reveal:
		segment, chunk := g.Place()
		tr, _ := g.Trace()
		return fmt.Sprintf("%d words: %s", len(m.Words), tr.Describe(segment.Lo, chunk.Lo))
	case bisection.Prove:
		return fmt.Sprintf("word %d is wrong, by %d chunks and %d rows", m.Word, len(m.Witness.Chunks), len(m.Witness.Rows))
	}
	return ""
}

// One wrong word of any operator, in the middle of a chunk, is found.
func TestOneWrongWordOfEachOperatorIsFound(t *testing.T) {
	greedy := sampling.Params{TopP: 1, FrequencyPenalty: 0.5}
	typical := sampling.Params{Temperature: 1.2, TopP: 0.9, MinP: 0.05, TypicalP: 0.7, Seed: 3}
	for _, p := range []sampling.Params{hot, greedy, typical} {
		d := newDispute(t, p)
		for _, segment := range []uint64{0, 71, 72} {
			for _, r := range d.truth.trace.Runs(segment) {
				lie := d.truth.with(1, func(words [][][]uint32) {
					chunk := words[segment][r.First]
					chunk[len(chunk)/2] ^= 1
				})
				g := d.against(t, lie)
				play(t, &g, lie.move, honest(t, d.player))
				if winner, over := g.Winner(); !over || winner != bisection.Challenger {
					t.Errorf("%s: in stage %s, the %s wins", r.Operator, g.Stage(), winner)
				}
			}
		}
	}
}

// An honest accused wins, whatever its challenger chooses, and whichever word it
// calls wrong.
func TestAnHonestAccusedWins(t *testing.T) {
	d := newDispute(t, hot)
	rapid.Check(t, func(rt *rapid.T) {
		g := d.against(t, d.truth)
		moves, _ := play(t, &g, honest(t, d.player), func(g *bisection.Game) bisection.Move {
			if g.Stage() != bisection.Proving {
				return bisection.Choose{Node: rapid.IntRange(0, len(g.Opened())-1).Draw(rt, "node")}
			}
			segment, chunk := g.Place()
			word := rapid.IntRange(0, len(g.Words())-1).Draw(rt, "word")
			if err := d.player.follow(g); err != nil {
				rt.Fatal(err)
			}
			w, err := d.player.witness(g, referee.Place{Segment: segment.Lo, Chunk: chunk.Lo, Word: uint64(word)})
			if err != nil {
				rt.Fatal(err)
			}
			if rapid.Bool().Draw(rt, "spoil") && len(w.Chunks) > 0 {
				c := &w.Chunks[rapid.IntRange(0, len(w.Chunks)-1).Draw(rt, "spoilt")]
				c.Words = slices.Clone(c.Words)
				c.Words[0] ^= 1
			}
			return bisection.Prove{Word: word, Witness: w}
		})
		winner, over := g.Winner()
		if !over { // its evidence was refused
			if err := g.Forfeit(bisection.Challenger); err != nil {
				rt.Fatal(err)
			}
			winner, _ = g.Winner()
		}
		if winner != bisection.Accused {
			rt.Fatalf("after %d moves the %s wins", moves, winner)
		}
	})
}
