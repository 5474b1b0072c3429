package engine

import (
	"context"
	"fmt"

	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/receipt"
)

// Replay is what an answer must have been, token by token of what was given.
type Replay struct {
	// Leaves commit to the steps, with the tokens that were given. Logits and Folds
	// are the digests of logits and layers that they are made of.
	Leaves, Logits, Folds []receipt.Digest
	// Drawn are the tokens that the sampler takes after those given before; −1
	// where it takes none.
	Drawn []int32
	// Over is after how many of the tokens the answer was over, and Finish why: one
	// of the reasons of [End], or empty if it would have gone on after the last.
	Over   int
	Finish string
	// Next is the leaf of the step after the last, if the answer would have gone on.
	Next receipt.Digest
}

// Replay computes an answer again from what was given of it: one pass over prompt
// and answer, many tokens at once, so that to check an answer costs less than to
// make it. The request is what [Engine.Generate] had. Bits are the same.
func (m *Model) Replay(ctx context.Context, r Request, given []int32, threads int) (Replay, error) {
	if err := m.check(r); err != nil {
		return Replay{}, err
	}
	a, err := newAnswer(ctx, r, m)
	if err != nil {
		return Replay{}, err
	}
	if len(given) > a.limit {
		return Replay{}, fmt.Errorf("%w: %d tokens were given, %d were allowed", ErrRequest, len(given), a.limit)
	}
	if err := m.checkTokens(given); err != nil {
		return Replay{}, err
	}
	text := append(append([]int32(nil), r.Prompt...), given...)
	if len(given) == a.limit {
		text = text[:len(text)-1] // nothing is drawn after the last
	}
	n := len(given)
	p := Replay{Over: -1, Leaves: make([]receipt.Digest, n), Logits: make([]receipt.Digest, n), Folds: make([]receipt.Digest, n)}
	crew, ids := a.sampler.Crew(given, threads), make([]int32, prefillChunk)
	err = m.force(text, pass{from: len(r.Prompt) - 1, folds: true}, threads, func(c forced) error {
		first := c.at(0) - (len(r.Prompt) - 1)
		draw := func(worker, i int) {
			ids[i] = crew.At(worker, first+i).Draw(c.logits(i), uint64(r.Resumed+first+i), a.grammar.allowed())
		}
		if r.Grammar == nil {
			c.split(draw)
		}
		p.digest(c, given, first, r.Resumed)
		for i := range c.rows {
			if r.Grammar != nil { // which tokens are allowed depends on those before
				draw(0, i)
			}
			p.step(a, m, given, first+i, ids[i])
			if at := first + i; at == len(given) && p.Over < 0 {
				p.Next = receipt.Leaf(uint64(r.Resumed+at), ids[i], digest(c.logits(i)), c.fold(i))
			}
		}
		return ctx.Err()
	})
	return p, err
}

// digest makes the leaves of a chunk, whose first row is of the step that follows
// so many given tokens.
func (p *Replay) digest(c forced, given []int32, first, resumed int) {
	tensor.Parallel(min(len(c.rows), len(given)-first), c.workers, func(i int) {
		at := first + i
		p.Logits[at], p.Folds[at] = digest(c.logits(i)), c.fold(i)
		p.Leaves[at] = receipt.Leaf(uint64(resumed+at), given[at], p.Logits[at], p.Folds[at])
	})
}

// step takes what was drawn after so many given tokens, and goes on with what was
// given.
func (p *Replay) step(a *answer, m *Model, given []int32, at int, id int32) {
	switch {
	case p.Over >= 0:
	case id < 0:
		p.Over, p.Finish = at, a.grammar.end()
	case m.EndsText(id):
		p.Over, p.Finish = at, FinishStop
	}
	if at == len(given) {
		return
	}
	p.Drawn = append(p.Drawn, id)
	a.grammar.accept(given[at])
	switch {
	case p.Over >= 0:
	case a.stops.found(m.Piece(given[at])):
		p.Over, p.Finish = at+1, FinishStop
	case at+1 == a.limit:
		p.Over, p.Finish = at+1, FinishLength
	}
}
