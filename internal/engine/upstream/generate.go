package upstream

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/koinon/koinon/receipt"
)

// Reasons why an answer ends.
const (
	finishStop   = "stop"
	finishLength = "length"
)

// maxEvent bounds one event of an engine, in bytes.
const maxEvent = 1 << 20

// maxSilent bounds the events without a token that come in a row: an engine
// that sends but says nothing ends there.
const maxSilent = 4096

// errEnough ends an answer that has all the tokens it may have.
var errEnough = errors.New("the answer is complete")

// Generate emits an answer's tokens in order and says why it ended: "stop" or
// "length". The token that completes a stop string is the last; the engine,
// which is not told of stop strings, is cut off there. It waits for a slot in a
// bounded queue, or returns [ErrBusy]; an error of emit, or the end of ctx, ends
// the engine's work too.
func (e *Engine) Generate(ctx context.Context, p *Pieces, r Request, emit func(Token) error) (string, error) {
	if err := e.Check(r); err != nil {
		return "", err
	}
	leave, err := e.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	a := answer{engine: e, pieces: p, request: r, emit: emit, stops: stopFinder{stops: r.Stop}}
	err = e.stream(ctx, r, p, a.step)
	switch {
	case errors.Is(err, errEnough):
		return a.finish, nil
	case err != nil:
		return "", err
	case a.finish == "":
		return "", fmt.Errorf("%w: it ended in the middle of an answer", ErrUnavailable)
	}
	return a.finish, nil
}

// enter takes a slot, after a wait in the bounded queue; leave gives it back.
func (e *Engine) enter(ctx context.Context) (leave func(), err error) {
	select {
	case e.places <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	select {
	case e.slots <- struct{}{}:
		return func() { <-e.slots; <-e.places }, nil
	case <-ctx.Done():
		<-e.places
		return nil, ctx.Err()
	}
}

// answer is one under way.
type answer struct {
	engine  *Engine
	pieces  *Pieces
	request Request
	emit    func(Token) error
	stops   stopFinder
	count   int
	silent  int
	finish  string
}

// step takes what the engine says next.
func (a *answer) step(s step) error {
	if s.failure != "" { // which may quote the prompt, so it is not repeated
		return fmt.Errorf("%w: it failed in the middle of an answer; its own log says why", ErrUnavailable)
	}
	tokens, err := a.pieces.tokens(s)
	if err != nil {
		return err
	}
	if a.silent++; len(tokens) > 0 {
		a.silent = 0
	}
	if a.silent > maxSilent {
		return fmt.Errorf("%w: %d events without a token", ErrAnswer, a.silent)
	}
	for _, t := range tokens {
		if a.pieces.v.EndsText(t.ID) {
			a.finish = finishStop
			return errEnough
		}
		if err := a.token(t); err != nil {
			return err
		}
	}
	switch s.end {
	case "":
		return nil
	case finishStop, finishLength:
		a.finish = s.end
		return nil // what follows may be a count of tokens, or nothing
	}
	return fmt.Errorf("%w: it ended for the reason %.40q", ErrUnavailable, s.end)
}

// token counts one and hands it on.
func (a *answer) token(t Token) error {
	if a.finish != "" {
		return fmt.Errorf("%w: a token after its end", ErrAnswer)
	}
	if math.IsNaN(float64(t.Logprob)) || t.Logprob > 0 {
		t.Logprob = 0
	}
	t.Top = t.Top[:min(len(t.Top), a.request.TopLogprobs)]
	t.Said = said(t)
	t.Leaf = receipt.Leaf(uint64(a.count), t.ID, t.Said, receipt.Digest{})
	if err := a.emit(t); err != nil {
		return err
	}
	if a.count++; a.stops.found(a.pieces.v.Piece(t.ID)) {
		a.finish = finishStop
		return errEnough
	}
	if a.count >= a.request.MaxTokens {
		a.finish = finishLength
		return errEnough
	}
	return nil
}

// said is the digest of what an engine says about a step, which stands in its
// leaf where the reference engine has its logits (spec/protocol.md, section 3):
// zero if it says nothing.
func said(t Token) receipt.Digest {
	if t.Logprob == 0 && len(t.Top) == 0 {
		return receipt.Digest{}
	}
	data := binary.LittleEndian.AppendUint32(nil, math.Float32bits(t.Logprob))
	for _, top := range t.Top {
		data = binary.LittleEndian.AppendUint32(data, uint32(top.ID))
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(top.Logprob))
	}
	return receipt.Sum(data)
}

// stopFinder looks for stop strings in an answer's text, across tokens.
type stopFinder struct {
	stops []string
	tail  string // the end of the text, as long as a stop string may reach back
}

// found adds a token's bytes and says whether a stop string is complete.
func (f *stopFinder) found(piece []byte) bool {
	longest := 0
	f.tail += string(piece)
	for _, s := range f.stops {
		if strings.Contains(f.tail, s) {
			return true
		}
		longest = max(longest, len(s))
	}
	f.tail = f.tail[max(0, len(f.tail)-longest):]
	return false
}

// stream asks the engine and hands on each event of its answer. It watches the
// engine's silence, but not the time that each takes.
func (e *Engine) stream(ctx context.Context, r Request, p *Pieces, each func(step) error) error {
	var prompt any = r.Prompt
	if !e.dialect.takesTokens {
		prompt = written(p.v, r.Prompt)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := fmt.Errorf("%w: nothing for %s", ErrUnavailable, e.config.Stall)
	watch := time.AfterFunc(e.config.Stall, func() { cancel(silence) })
	defer watch.Stop()
	response, err := e.do(ctx, http.MethodPost, e.dialect.path, e.dialect.body(e, r, prompt))
	if err != nil {
		return ended(ctx, err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		event, over := event(lines.Bytes())
		if over {
			return nil
		}
		if event == nil {
			continue
		}
		s, err := e.dialect.read(event)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrAnswer, err)
		}
		watch.Stop()
		if err := each(s); err != nil {
			return err
		}
		watch.Reset(e.config.Stall)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("%w: an event of more than %d bytes", ErrAnswer, maxEvent)
	} else if err != nil {
		return ended(ctx, fmt.Errorf("%w: %w", ErrUnavailable, err))
	}
	return nil
}

// ended is why a request was cut short, if somebody did that.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// event is the JSON on a line of an answer: of a stream of server-sent events,
// or of JSON objects; nil for a line without. Over says that the stream says so.
func event(line []byte) (body []byte, over bool) {
	line = bytes.TrimSpace(line)
	if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
		line = bytes.TrimSpace(data)
		if string(line) == "[DONE]" {
			return nil, true
		}
	} else if data, ok := bytes.CutPrefix(line, []byte("error:")); ok { // llama.cpp's
		line = append(append([]byte(`{"error":`), data...), '}')
	} else if !bytes.HasPrefix(line, []byte("{")) {
		return nil, false // empty, a comment, or another field of an event
	}
	if len(line) == 0 {
		return nil, false
	}
	return line, false
}

// do sends a request; a refusal is an error.
func (e *Engine) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var data io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encoding a request to the engine: %w", err)
		}
		data = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, e.root.JoinPath(path).String(), data)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if e.config.APIKey != "" {
		request.Header.Set("Authorization", "Bearer "+e.config.APIKey)
	}
	response, err := e.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	// What it says may quote a prompt: only its status is told.
	if s := response.StatusCode; s == http.StatusTooManyRequests || s == http.StatusServiceUnavailable {
		return nil, fmt.Errorf("%w: the engine says %s", ErrBusy, response.Status)
	}
	return nil, &statusError{response.StatusCode, path}
}

// statusError is an HTTP status that is no answer.
type statusError struct {
	status int
	path   string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("the engine answers %s with %d %s", e.path, e.status, http.StatusText(e.status))
}

func (e *statusError) Is(target error) bool { return target == ErrUnavailable }
