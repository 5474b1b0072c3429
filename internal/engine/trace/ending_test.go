package trace

import (
	"context"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/mechanism/bisection"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/internal/tensor/block"
	"github.com/koinon/koinon/receipt"
)

// short is an answer of the small model of which a receipt says why it is over after
// so many tokens, and how the model sees it.
type short struct {
	c      *Case
	leaves []receipt.Digest
	next   receipt.Digest // zero if it was over
}

// cutShort has the small model answer, and its receipt say that the answer was over
// after n tokens.
func cutShort(t testing.TB, path string, prompt, n int, p sampling.Params, finish string, stop ...string) short {
	t.Helper()
	c, leaves := answer(t, path, prompt, max(1, n), p)
	c.Output, c.Stop = c.Output[:n], stop
	r := &c.Receipt
	r.CompletionTokens, r.OutputDigest, r.Commitment = uint64(n), receipt.TokensDigest(c.Output), receipt.MerkleRoot(leaves[:n])
	r.Sampling.MaxTokens, r.FinishReason, r.Sampling.Stop = 200, finish, receipt.StopDigest(stop)
	replay, err := c.Model.Replay(context.Background(), engine.Request{Prompt: c.Prompt, MaxTokens: 200, Sampling: p, Stop: stop}, c.Output, 2)
	if err != nil {
		t.Fatal(err)
	}
	return short{c, replay.Leaves, replay.Next}
}

// player knows the truth; as a challenger, also that the answer goes on.
func (s short) player(t testing.TB, challenges bool) *Player {
	leaves := slices.Clip(s.leaves)
	if challenges && !s.next.IsZero() {
		leaves = append(leaves, s.next)
	}
	p, err := NewPlayer(s.c, leaves)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (s short) game(t testing.TB) bisection.Game {
	g, err := bisection.Begin(s.c.Receipt, s.c.Rows.Root())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func small(t testing.TB) string { return model{kind: block.F32, dim: 16, hidden: 24}.write(t) }

// Who says that the model ended an answer that goes on loses, whatever trace it makes
// up in which a token ends it; also of an answer of no token (spec/bisection.md, "The
// end").
func TestAnEarlyStopIsFound(t *testing.T) {
	path := small(t)
	for _, n := range []int{0, 1, 3} {
		s := cutShort(t, path, 40, n, hot, referee.FinishStop)
		if s.next.IsZero() {
			t.Fatal("the small model ends its answer: choose another prompt")
		}
		tr, err := New(s.c, uint64(n))
		if err != nil {
			t.Fatal(err)
		}
		truth := copyOf(t, tr, append(s.leaves, s.next))
		rapid.Check(t, func(rt *rapid.T) {
			lie := truth.with(0, func(words [][][]uint32) {
				for range rapid.IntRange(0, 2).Draw(rt, "changes") {
					segment := rapid.IntRange(0, len(words)-1).Draw(rt, "segment")
					chunk := rapid.IntRange(0, len(words[segment])-1).Draw(rt, "chunk")
					words[segment][chunk][0] ^= 1 << rapid.IntRange(0, 31).Draw(rt, "bit")
				}
			})
			lie.token = int32(s.c.Model.Size() - 1) // <|endoftext|>
			last := lie.words[len(lie.words)-1]
			last[len(last)-1] = lie.trace.Claim(lie.token, lie.logits, lie.fold)
			lie = lie.as(s.leaves)
			g := s.game(t)
			play(t, &g, lie.move, honest(t, s.player(t, true)))
			if winner, over := g.Winner(); !over || winner != bisection.Challenger {
				rt.Fatalf("after %d tokens, in stage %s, the %s wins", n, g.Stage(), winner)
			}
		})
	}
}

// A token that ends no text is no stop, though all of its trace is true: it is what the
// model goes on with.
func TestAStopIsByATokenThatEnds(t *testing.T) {
	for _, n := range []int{0, 3} {
		s := cutShort(t, small(t), 40, n, hot, referee.FinishStop)
		g, accused := s.game(t), s.player(t, false)
		claimed := false
		play(t, &g, func(g *bisection.Game) bisection.Move {
			m := honest(t, accused)(g)
			if c, ok := m.(bisection.Claim); ok {
				claimed = true
				if err := g.Play(c); !errors.Is(err, bisection.ErrClaim) || g.Stage() != bisection.Claiming {
					t.Errorf("after %d tokens, token %d ends the text: %v, in stage %s", n, c.Token, err, g.Stage())
				}
				return nil
			}
			return m
		}, honest(t, s.player(t, true)))
		if winner, over := g.Winner(); !claimed || !over || winner != bisection.Challenger {
			t.Errorf("after %d tokens, in stage %s, the %s wins", n, g.Stage(), winner)
		}
	}
}

// An accused whose answer was over, by a draw, by a stop string or by the end of the
// context, wins against who says that it goes on.
func TestAnHonestEndStands(t *testing.T) {
	path := small(t)
	m, _ := load(t, path)
	drawn := func() short {
		p := hot
		p.Bias = []sampling.Bias{{Token: int32(m.Size() - 1), Value: 3}}
		c, _ := answer(t, path, 40, 100, p) // which goes on after its end
		n := slices.IndexFunc(c.Output, m.EndsText)
		if n < 1 {
			t.Fatalf("the small model ends its answer after %d tokens: choose another bias", n)
		}
		return cutShort(t, path, 40, n, p, referee.FinishStop)
	}
	said := cutShort(t, path, 40, 60, hot, referee.FinishLength)
	stop := string(m.Piece(said.c.Output[58])) + string(m.Piece(said.c.Output[59]))
	for name, s := range map[string]short{
		"by a draw":        drawn(),
		"by a stop string": cutShort(t, path, 40, 60, hot, referee.FinishStop, "never said", stop),
		"a full context":   cutShort(t, path, 250, 6, hot, referee.FinishLength),
	} {
		g := s.game(t)
		calls := s
		calls.next = receipt.Sum([]byte("a lie")) // the challenger says that it goes on
		play(t, &g, honest(t, s.player(t, false)), func(g *bisection.Game) bisection.Move {
			if g.MayEnd() {
				return bisection.Choose{Node: bisection.AtEnd}
			}
			return nil
		})
		if winner, over := g.Winner(); !over || winner != bisection.Accused {
			t.Errorf("%s: in stage %s, the %s wins", name, g.Stage(), winner)
		}
	}
}

// What did not end an answer is no excuse.
func TestFalseExcuses(t *testing.T) {
	path := small(t)
	long := cutShort(t, path, 40, 60, hot, referee.FinishLength)
	m := long.c.Model
	came := string(m.Piece(long.c.Output[30])) + string(m.Piece(long.c.Output[31]))
	for name, s := range map[string]short{
		"fewer tokens than were allowed":     long,
		"a stop string that never came":      cutShort(t, path, 40, 60, hot, referee.FinishStop, "never said"),
		"a stop string that came long ago":   cutShort(t, path, 40, 60, hot, referee.FinishStop, came),
		"one that the receipt does not name": cutShort(t, path, 40, 60, hot, referee.FinishStop),
	} {
		g := s.game(t)
		accused := s.player(t, false)
		play(t, &g, func(g *bisection.Game) bisection.Move {
			if !g.AtTheEnd() {
				return honest(t, accused)(g)
			}
			e := bisection.End{Shape: s.c.Rows.Shape().Bytes(), ShapeProof: s.c.Rows.Prove([]uint64{0})}
			if err := accused.show(&e.Ending, 40); err != nil {
				t.Fatal(err)
			}
			if err := g.Play(e); err == nil {
				t.Errorf("%s: it is excused", name)
			}
			return nil
		}, func(*bisection.Game) bisection.Move { return bisection.Choose{Node: bisection.AtEnd} })
		if winner, _ := g.Winner(); winner != bisection.Challenger {
			t.Errorf("%s: the %s wins", name, winner)
		}
	}
	full := long.c.Receipt
	full.Sampling.MaxTokens = 60
	off := long.c.Receipt
	off.FinishReason = "cancelled"
	for _, r := range []receipt.Receipt{full, off} {
		if referee.Disputable(r) {
			t.Errorf("%s after %d of %d tokens can be disputed", r.FinishReason, r.CompletionTokens, r.Sampling.MaxTokens)
		}
	}
}
