package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/koinon/koinon/internal/gateway/openai"
	"github.com/koinon/koinon/internal/gateway/store"
)

// Headers that name who answered. A stream's receipt comes after it, as a trailer.
const (
	headerModel    = "X-Koinon-Model"
	headerProvider = "X-Koinon-Provider"
	headerReceipt  = "X-Koinon-Receipt"
)

// begin prepares a job and, with it, the id that its answers have in the API.
func (g *Gateway) begin(r *http.Request, prefix, random string, key store.Key, c openai.Completion) (string, *job, error) {
	id := prefix + random
	j, err := g.prepare(r.Context(), id, key, c)
	return id, j, err
}

// run has all calls of a job answered side by side, and settles with the key.
// Emit is called for one choice at a time. The first failure ends them all.
func (g *Gateway) run(ctx context.Context, j *job, emit func(choice int, d delta) error) ([]answer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	answers := make([]answer, len(j.calls))
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	for i, c := range j.calls {
		wg.Go(func() {
			result, err := g.answer(ctx, j, c, func(d delta) error {
				mu.Lock()
				defer mu.Unlock()
				return emit(i, d)
			})
			mu.Lock()
			defer mu.Unlock()
			answers[i] = result
			if err != nil && failed == nil {
				failed = err // those that it cancels fail after it
				cancel(err)
			}
		})
	}
	wg.Wait()
	var cost uint64
	for _, a := range answers {
		cost += a.cost
		g.metrics.tokens.WithLabelValues("prompt").Add(float64(a.usage.prompt))
		g.metrics.tokens.WithLabelValues("completion").Add(float64(a.usage.completion))
	}
	j.reservation.Settle(cost)
	g.metrics.charged.Add(float64(cost))
	return answers, failed
}

// koinon is an answer's provenance.
func (j *job) koinon(a answer) *openai.Koinon {
	return &openai.Koinon{Model: j.version.Digest, Provider: a.provider, Receipt: a.receipt.String(), Cost: a.cost}
}

// usage adds up the tokens of all choices. Choices of one prompt share it.
func (j *job) usage(answers []answer) openai.Usage {
	var u openai.Usage
	for i, a := range answers {
		if i == 0 || &j.calls[i].prompt[0] != &j.calls[i-1].prompt[0] {
			u.PromptTokens += a.usage.prompt
			u.PromptTokensDetails.CachedTokens += a.usage.cached
		}
		u.CompletionTokens += a.usage.completion
	}
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	return u
}

// label writes the headers of a whole answer.
func (j *job) label(w http.ResponseWriter, answers []answer) {
	h := w.Header()
	h.Set(headerModel, j.version.Digest)
	for _, a := range answers {
		h.Add(headerProvider, a.provider)
		h.Add(headerReceipt, a.receipt.String())
	}
}

// events writes server-sent events.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	began   bool
}

func newEvents(w http.ResponseWriter) *events {
	return &events{w: w, control: http.NewResponseController(w)}
}

// start writes the headers, when the first provider has answered: until then
// an error still has a status of its own.
func (e *events) start(j *job, provider string) {
	if e.began {
		return
	}
	e.began = true
	h := e.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
	h.Set(headerModel, j.version.Digest)
	h.Set(headerProvider, provider)
	h.Set("Trailer", headerReceipt)
	e.w.WriteHeader(http.StatusOK)
}

// clientPatience is how long a client may leave one event unread.
const clientPatience = 30 * time.Second

// send writes one event of JSON.
func (e *events) send(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return e.raw(body)
}

func (e *events) raw(data []byte) error {
	// Recorders and the like have no deadlines.
	if err := e.control.SetWriteDeadline(time.Now().Add(clientPatience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	event := make([]byte, 0, len(data)+8)
	event = append(append(append(event, "data: "...), data...), "\n\n"...)
	if _, err := e.w.Write(event); err != nil {
		return err
	}
	return e.control.Flush()
}

// finish ends a stream well: with its receipts in the trailer.
func (e *events) finish(answers []answer) {
	for _, a := range answers {
		e.w.Header().Add(headerReceipt, a.receipt.String())
	}
	_ = e.raw([]byte("[DONE]")) // the answer is whole and paid for, read or not
}

// fail ends a stream that has begun with an event that clients raise as an
// error. No [DONE] follows, so that nobody takes the answer for complete.
func (e *events) fail(err error) error {
	var known *openai.Error
	if !e.began || !errors.As(err, &known) {
		return err
	}
	_ = e.raw(known.Body())
	return nil
}
