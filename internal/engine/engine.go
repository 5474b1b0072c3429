package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/receipt"
)

// Errors of generating.
var (
	ErrBusy          = errors.New("every slot is taken and the queue is full")
	ErrContextLength = errors.New("the prompt leaves no room for an answer")
	ErrRequest       = errors.New("impossible request")
)

// Options say how much an engine does at once.
type Options struct {
	Slots   int // answers at once
	Queue   int // more that wait for a slot
	Threads int // for each answer
}

// Engine generates answers with one model. It is safe for concurrent use.
type Engine struct {
	model   *Model
	threads int
	places  chan struct{} // slots and queue
	slots   chan struct{}
}

// New makes an engine.
func New(m *Model, o Options) *Engine {
	slots := max(1, o.Slots)
	return &Engine{
		model: m, threads: max(1, o.Threads),
		places: make(chan struct{}, slots+max(0, o.Queue)), slots: make(chan struct{}, slots),
	}
}

// Model is what the engine serves.
func (e *Engine) Model() *Model { return e.model }

// Request is one answer to generate.
type Request struct {
	Prompt      []int32
	MaxTokens   int // at least 1; cut to what the context leaves
	Sampling    sampling.Params
	Stop        []string
	TopLogprobs int
}

// Token is one step of an answer.
type Token struct {
	ID      int32
	Logprob float32
	Top     []TokenLogprob
	Leaf    receipt.Digest // commits to the step's logits and token
}

// TokenLogprob is an alternative that a step might have drawn.
type TokenLogprob struct {
	ID      int32
	Logprob float32
}

// Reasons why an answer ends.
const (
	FinishStop   = "stop"   // the model ended it, or a stop string came
	FinishLength = "length" // no more tokens were allowed
)

// Generate emits an answer's tokens in order and says why it ended. The token
// that ends a text is not emitted; the one that completes a stop string is. It
// waits for a slot in a bounded queue, or returns ErrBusy; an error of emit, or
// the end of ctx, ends the answer and frees the slot at once.
func (e *Engine) Generate(ctx context.Context, r Request, emit func(Token) error) (finish string, err error) {
	if err := e.check(r); err != nil {
		return "", err
	}
	select {
	case e.places <- struct{}{}:
		defer func() { <-e.places }()
	default:
		return "", ErrBusy
	}
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	return e.generate(ctx, r, emit)
}

func (e *Engine) check(r Request) error {
	if len(r.Prompt) == 0 || r.MaxTokens < 1 {
		return fmt.Errorf("%w: it needs a prompt and room for a token", ErrRequest)
	}
	if err := r.Sampling.Validate(e.model.Size()); err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	for _, id := range r.Prompt {
		if id < 0 || int(id) >= e.model.Size() {
			return fmt.Errorf("%w: token %d of %d", ErrRequest, id, e.model.Size())
		}
	}
	if len(r.Prompt) >= e.model.ContextLength {
		return fmt.Errorf("%w: it has %d tokens, the context %d", ErrContextLength, len(r.Prompt), e.model.ContextLength)
	}
	return nil
}

func (e *Engine) generate(ctx context.Context, r Request, emit func(Token) error) (string, error) {
	s := e.model.newSequence(e.threads)
	sampler, err := sampling.New(r.Sampling, e.model.Size(), r.Prompt)
	if err != nil {
		return "", err
	}
	stops := stopFinder{stops: r.Stop}
	limit := min(r.MaxTokens, e.model.ContextLength-len(r.Prompt))
	var logits []float32
	for rest := r.Prompt; len(rest) > 0; {
		n := min(prefillChunk, len(rest))
		if err := ctx.Err(); err != nil {
			return "", err
		}
		logits, rest = s.extend(rest[:n]), rest[n:]
	}
	var buffer []byte
	for step := range limit {
		id := sampler.Draw(logits, uint64(step), nil)
		if id == e.model.EOS() {
			return FinishStop, nil
		}
		sampler.Accept(id)
		token := Token{ID: id, Logprob: logProbabilities(logits, []int32{id})[0]}
		if r.TopLogprobs > 0 {
			token.Top = topLogprobs(logits, r.TopLogprobs)
		}
		buffer = bitsOf(buffer, logits)
		token.Leaf = receipt.Leaf(uint64(step), id, receipt.Sum(buffer))
		if err := emit(token); err != nil {
			return "", err
		}
		if stops.found(e.model.Piece(id)) {
			return FinishStop, nil
		}
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if step+1 < limit {
			logits = s.extend([]int32{id})
		}
	}
	return FinishLength, nil
}

func topLogprobs(logits []float32, n int) []TokenLogprob {
	ids := sampling.Largest(logits, n)
	list := make([]TokenLogprob, len(ids))
	for i, p := range logProbabilities(logits, ids) {
		list[i] = TokenLogprob{ids[i], p}
	}
	return list
}

// stopFinder looks for stop strings in an answer's text, across tokens.
type stopFinder struct {
	stops []string
	tail  []byte // the end of the text, as long as a stop string may reach back
}

// found adds a token's bytes and says whether a stop string is complete.
func (f *stopFinder) found(piece []byte) bool {
	if len(f.stops) == 0 {
		return false
	}
	f.tail = append(f.tail, piece...)
	longest := 0
	for _, s := range f.stops {
		if strings.Contains(string(f.tail), s) {
			return true
		}
		longest = max(longest, len(s))
	}
	if extra := len(f.tail) - longest; extra > 0 {
		f.tail = f.tail[extra:]
	}
	return false
}
