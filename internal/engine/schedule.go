package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/receipt"
)

// ahead is how many tokens the engine may be ahead of who takes them: a slow
// reader, or one who waits to be paid, stops its own answer and no other.
const ahead = 2

// answer is one request being generated.
type answer struct {
	ctx     context.Context
	cancel  context.CancelFunc
	request Request
	sampler *sampling.Sampler
	grammar *constraint
	stops   stopFinder
	limit   int // most tokens
	step    int // tokens drawn
	steps   chan step
	history history
	cached  int     // tokens of the prompt that other answers had computed
	pending []int32 // to be computed before the next token is drawn
}

// step is a token, or how the answer ended.
type step struct {
	token Token
	end   *End
}

func newAnswer(ctx context.Context, r Request, m *Model) (*answer, error) {
	sampler, err := sampling.New(r.Sampling, m.Size(), r.Prompt[:len(r.Prompt)-r.Resumed])
	if err != nil {
		return nil, err
	}
	a := &answer{
		ctx: ctx, request: r, sampler: sampler, grammar: newConstraint(r.Grammar, m.Vocabulary),
		stops: stopFinder{stops: r.Stop}, limit: min(r.MaxTokens, m.ContextLength-len(r.Prompt)),
		steps: make(chan step, ahead+1), pending: r.Prompt,
	}
	for _, id := range r.Prompt[len(r.Prompt)-r.Resumed:] {
		if !a.grammar.accept(id) || m.EndsText(id) {
			return nil, fmt.Errorf("%w: no answer goes on after the tokens to resume", ErrRequest)
		}
		a.sampler.Accept(id)
		if a.stops.found(m.Piece(id)) {
			return nil, fmt.Errorf("%w: a stop string ended the answer that is to be resumed", ErrRequest)
		}
	}
	return a, nil
}

// position is the step in the whole answer, with what it resumed.
func (a *answer) position() uint64 { return uint64(a.request.Resumed + a.step) }

func (a *answer) over(finish string) *End { return &End{Finish: finish, Cached: a.cached} }

// submit hands an answer to the loop, which runs while there are any.
func (e *Engine) submit(a *answer) {
	ctx, cancel := context.WithCancel(a.ctx)
	a.ctx, a.cancel = ctx, cancel
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiting = append(e.waiting, a)
	if !e.looping {
		e.looping = true
		e.loops.Go(e.loop)
	}
	e.poke()
}

// leave ends an answer that is over or no longer wanted.
func (e *Engine) leave(a *answer) {
	a.cancel()
	e.poke()
}

func (e *Engine) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// loop computes one batch after the other: the next token of every answer that
// is being written and, beside them, a chunk of the prompts of those that are
// not, so that a long prompt does not hold up the others.
func (e *Engine) loop() {
	for e.admit() {
		batch := e.batch()
		if len(batch) == 0 {
			<-e.wake
			continue
		}
		spans := make([]span, len(batch))
		var rows []int // after which a token is drawn
		row := 0
		for i, p := range batch {
			spans[i] = span{history: &p.answer.history, tokens: p.answer.pending[:p.tokens]}
			if row += p.tokens; p.tokens == len(p.answer.pending) {
				rows = append(rows, row-1)
			}
		}
		e.forward.run(spans, rows, true)
		e.draw(batch)
	}
}

// admit lets go of answers that are over and takes on those that wait, oldest
// first, as far as there are slots. It is false when nothing is left to do.
func (e *Engine) admit() bool {
	e.running = slices.DeleteFunc(e.running, func(a *answer) bool {
		if a.ctx.Err() != nil {
			a.history.release()
			return true
		}
		return false
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.waiting) > 0 && len(e.running) < e.slots {
		a := e.waiting[0]
		e.waiting = e.waiting[1:]
		if a.ctx.Err() != nil {
			continue
		}
		a.history = history{store: e.pages, root: pageKey(a.request.Scope)}
		a.pending = a.history.adopt(a.pending)
		a.cached = len(a.request.Prompt) - len(a.pending)
		e.running = append(e.running, a)
	}
	e.looping = len(e.running) > 0
	return e.looping
}

// part is what a batch computes of one answer: the first tokens of its pending.
type part struct {
	answer *answer
	tokens int
}

// batch chooses what to compute next. Prompts share the chunk in turns: the one
// that was served moves to the end.
func (e *Engine) batch() []part {
	var batch []part
	var prompts []*answer
	for _, a := range e.running {
		switch {
		case len(a.pending) == 0 || len(a.steps) >= ahead:
		case a.step > 0:
			batch = append(batch, part{a, len(a.pending)})
		default:
			prompts = append(prompts, a)
		}
	}
	left := prefillChunk
	for i, a := range prompts {
		n := min(len(a.pending), max(1, left/(len(prompts)-i)))
		if n > left {
			break
		}
		batch = append(batch, part{a, n})
		left -= n
	}
	return slices.DeleteFunc(batch, func(p part) bool { return !p.answer.history.grow(p.tokens) })
}

// draw draws the next token of every answer in a batch whose pending tokens are
// all computed.
func (e *Engine) draw(batch []part) {
	var ready []*answer
	for _, p := range batch {
		a := p.answer
		if a.pending = a.pending[p.tokens:]; len(a.pending) == 0 {
			ready = append(ready, a)
		}
	}
	if len(ready) == 0 {
		return
	}
	logits := e.forward.predict()
	size := e.model.Size()
	tensor.Parallel(len(ready), e.forward.workers, func(i int) {
		ready[i].next(e.model, logits[i*size:][:size], e.forward.folded(i))
	})
}

// next draws a token from its logits, to which layers with this fold led, and says
// what is to be computed after it.
func (a *answer) next(m *Model, logits []float32, fold receipt.Digest) {
	id := a.sampler.Draw(logits, a.position(), a.grammar.allowed())
	switch {
	case id < 0:
		a.steps <- step{end: a.over(a.grammar.end())}
		return
	case m.EndsText(id):
		a.steps <- step{end: a.over(FinishStop)}
		return
	}
	a.sampler.Accept(id)
	a.grammar.accept(id)
	token := Token{ID: id, Logprob: logProbabilities(logits, []int32{id})[0]}
	if a.request.TopLogprobs > 0 {
		token.Top = topLogprobs(logits, a.request.TopLogprobs)
	}
	if a.step == 0 {
		token.Cached = a.cached
	}
	token.Leaf = receipt.Leaf(a.position(), id, digest(logits), fold)
	a.steps <- step{token: token}
	a.step++
	switch {
	case a.stops.found(m.Piece(id)):
		a.steps <- step{end: a.over(FinishStop)}
	case a.step == a.limit:
		a.steps <- step{end: a.over(FinishLength)}
	default:
		a.pending = []int32{id}
	}
}
