package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/koinon/koinon/internal/engine/grammar"
	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/receipt"
)

// Errors of generating.
var (
	ErrBusy          = errors.New("every slot is taken and the queue is full")
	ErrContextLength = errors.New("the text is too long for the model's context")
	ErrRequest       = errors.New("impossible request")
)

// Options say how much an engine does at once.
type Options struct {
	Slots   int // answers at once
	Queue   int // more that wait for a slot
	Threads int // for all of them together
}

// Engine generates answers with one model, many at once. It is safe for
// concurrent use.
type Engine struct {
	model     *Model
	slots     int
	places    chan struct{} // slots and queue
	embedding chan struct{} // one place

	mu      sync.Mutex
	waiting []*answer // in the order in which they came
	looping bool
	loops   sync.WaitGroup
	wake    chan struct{} // something changed that the loop waits for

	// The loop's own.
	forward *forward
	pages   *pages
	running []*answer
}

// New makes an engine.
func New(m *Model, o Options) *Engine {
	slots := max(1, o.Slots)
	perAnswer := (m.ContextLength + pageTokens - 1) / pageTokens
	return &Engine{
		model: m, slots: slots, places: make(chan struct{}, slots+max(0, o.Queue)), wake: make(chan struct{}, 1), embedding: make(chan struct{}, 1),
		forward: m.newForward(o.Threads), pages: newPages(m, slots*perAnswer),
	}
}

// Close waits until nothing is computed any more: the last answer's next token
// may still be, after the answer ended. Nothing is asked of the engine after it.
func (e *Engine) Close() { e.loops.Wait() }

// Model is what the engine serves.
func (e *Engine) Model() *Model { return e.model }

// Request is one answer to generate.
type Request struct {
	Prompt []int32
	// Resumed is how many tokens at the end of Prompt begin the answer already:
	// it goes on as if they had been drawn here.
	Resumed     int
	MaxTokens   int // at least 1; cut to what the context leaves
	Sampling    sampling.Params
	Grammar     *grammar.Grammar // of the answer's text; nil for any text
	Stop        []string
	TopLogprobs int
	// Scope divides the cache: answers share what they have computed of equal
	// texts only within one scope.
	Scope receipt.Digest
}

// Token is one step of an answer.
type Token struct {
	ID      int32
	Logprob float32
	Top     []TokenLogprob
	Leaf    receipt.Digest // commits to the step's logits and token
	Cached  int            // as in [End], in the first token alone
}

// TokenLogprob is an alternative that a step might have drawn.
type TokenLogprob struct {
	ID      int32   `json:"id"`
	Logprob float32 `json:"logprob"`
}

// Reasons why an answer ends.
const (
	FinishStop   = "stop"   // the model ended it, or a stop string came
	FinishLength = "length" // no more tokens were allowed
)

// End is how an answer ended.
type End struct {
	// Finish is why: one of the reasons above.
	Finish string
	// Cached is how many of the prompt's tokens another answer of the same scope
	// had computed.
	Cached int
}

// Generate emits an answer's tokens in order and says how it ended. The token
// that ends a text is not emitted; the one that completes a stop string is. It
// waits for a slot in a bounded queue, or returns ErrBusy; an error of emit, or
// the end of ctx, ends the answer and frees the slot at once.
func (e *Engine) Generate(ctx context.Context, r Request, emit func(Token) error) (End, error) {
	if err := e.model.check(r); err != nil {
		return End{}, err
	}
	select {
	case e.places <- struct{}{}:
		defer func() { <-e.places }()
	default:
		return End{}, ErrBusy
	}
	a, err := newAnswer(ctx, r, e.model)
	if err != nil {
		return End{}, err
	}
	e.submit(a)
	defer e.leave(a)
	for {
		select {
		case step := <-a.steps:
			e.poke()
			if step.end != nil {
				return *step.end, nil
			}
			if err := emit(step.token); err != nil {
				return End{}, err
			}
		case <-ctx.Done():
			return End{}, ctx.Err()
		}
	}
}

func (m *Model) check(r Request) error {
	if len(r.Prompt) == 0 || r.MaxTokens < 1 || r.Resumed < 0 || r.Resumed >= len(r.Prompt) {
		return fmt.Errorf("%w: it needs a prompt and room for a token", ErrRequest)
	}
	if err := r.Sampling.Validate(m.Size()); err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if err := m.checkTokens(r.Prompt); err != nil {
		return err
	}
	if len(r.Prompt) >= m.ContextLength {
		return fmt.Errorf("%w: the prompt has %d tokens; with one left for the answer, %d are possible", ErrContextLength, len(r.Prompt), m.ContextLength-1)
	}
	return nil
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

// Stopped says whether a stop string is complete with the last of an answer's tokens,
// and was not before.
func (m *Model) Stopped(stops []string, answer []int32) bool {
	f := stopFinder{stops: stops}
	for i, id := range answer {
		if f.found(m.Piece(id)) {
			return i == len(answer)-1
		}
	}
	return false
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
