// Package once has requests that carry an idempotency key answered once: who
// sends one again gets the same answer, and pays for it once, whether the first
// is over, still runs, or was sent before the gateway restarted.
//
// A key is claimed on disk before anything is paid. From then on the request is
// answered to its end, whether its client waits or not. The answer is kept; a
// refusal, for which nothing was paid, is not, so that the request may be sent
// again. Where a gateway dies in the middle, the claim stays and the answer is
// lost: what was received of it is paid, so the request is not run again.
package once

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/openai"
)

// Header is where clients put their key.
const Header = "Idempotency-Key"

// Replayed is the header of an answer that is given again.
const Replayed = "Idempotent-Replayed"

// What is kept.
const (
	maxKey    = 255 // bytes of a key
	lifetime  = 24 * time.Hour
	maxAnswer = 8 << 20   // bytes of one answer
	maxKept   = 256 << 20 // bytes of all; then the oldest go
)

// Store is the part of the database that is needed.
type Store interface {
	Claim(c store.Claim, now time.Time) (*store.Answer, error)
	ForgetAnswers(older time.Time, most int64) error
	Answer(store.Claim, store.Answer) error
	Disclaim(store.Claim) error
}

// Keeper keeps answers. It is safe for concurrent use.
type Keeper struct {
	store Store
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex
	running map[name]*run
	tidied  time.Time
}

// name is a key's idempotency key.
type name struct{ key, name string }

// run is a request that is being answered.
type run struct {
	request [sha256.Size]byte
	over    chan struct{} // closed at its end
}

// NewKeeper makes a keeper.
func NewKeeper(s Store, log *slog.Logger, now func() time.Time) *Keeper {
	return &Keeper{store: s, log: log, now: now, running: map[name]*run{}}
}

// Serve answers a request of an API key: with what the handler says, or said to
// the same request before. Without an idempotency key the handler just serves.
// Errors are [*openai.Error] or [openai.ErrClient], or the store's.
func (k *Keeper) Serve(w http.ResponseWriter, r *http.Request, key string, serve func(http.ResponseWriter, *http.Request) error) error {
	given := r.Header.Get(Header)
	if given == "" {
		return serve(w, r)
	}
	if len(given) > maxKey {
		return openai.Invalid(Header, "The header '%s' must have at most %d bytes.", Header, maxKey)
	}
	body, err := openai.ReadBody(r)
	if err != nil {
		return err
	}
	claim := store.Claim{Key: key, Name: given, Request: sha256.Sum256(append([]byte(r.Method+" "+r.URL.Path+"\n"), body...))}
	mine, err := k.enter(r.Context(), claim)
	if err != nil {
		return err
	}
	defer k.leave(claim, mine)
	if err := k.tidy(); err != nil {
		return err
	}
	earlier, err := k.store.Claim(claim, k.now())
	switch {
	case errors.Is(err, store.ErrClaimed):
		return another()
	case err != nil:
		return err
	case earlier != nil:
		return repeat(w, *earlier)
	}
	return k.first(w, r, claim, body, serve)
}

// another is the refusal of a key that was used for another request.
func another() error {
	return &openai.Error{
		Status: http.StatusUnprocessableEntity, Type: "invalid_request_error", Code: "idempotency_key_reused",
		Message: "This '" + Header + "' was used for another request. Use a new key for each request, and the same one only to send it again.",
	}
}

// tidy forgets what is too old or too much, now and then.
func (k *Keeper) tidy() error {
	now := k.now()
	k.mu.Lock()
	due := now.Sub(k.tidied) >= time.Minute
	if due {
		k.tidied = now
	}
	k.mu.Unlock()
	if !due {
		return nil
	}
	return k.store.ForgetAnswers(now.Add(-lifetime), maxKept)
}

// enter waits until nobody else answers the request, and takes its place.
func (k *Keeper) enter(ctx context.Context, c store.Claim) (*run, error) {
	at := name{c.Key, c.Name}
	for {
		k.mu.Lock()
		other := k.running[at]
		if other == nil {
			mine := &run{request: c.Request, over: make(chan struct{})}
			k.running[at] = mine
			k.mu.Unlock()
			return mine, nil
		}
		k.mu.Unlock()
		if other.request != c.Request {
			return nil, another()
		}
		select {
		case <-other.over:
		case <-ctx.Done():
			return nil, openai.ErrClient
		}
	}
}

func (k *Keeper) leave(c store.Claim, mine *run) {
	k.mu.Lock()
	delete(k.running, name{c.Key, c.Name})
	k.mu.Unlock()
	close(mine.over)
}

// first answers a request for the first time, to its end.
func (k *Keeper) first(w http.ResponseWriter, r *http.Request, c store.Claim, body []byte, serve func(http.ResponseWriter, *http.Request) error) error {
	ctx, cancel := openai.Outlive(r.Context())
	defer cancel()
	again := r.Clone(ctx)
	again.Body = io.NopCloser(bytes.NewReader(body))
	record := &recorder{ResponseWriter: w}
	err := serve(record, again)

	var refusal *openai.Error
	switch {
	case err == nil:
		return k.keep(c, record.answer())
	case !errors.As(err, &refusal): // cut off, or the gateway's own failure: it may have been paid
		k.log.Warn("a request with an idempotency key was cut off", "error", err)
		return err
	case refusal.Status >= http.StatusInternalServerError && refusal.Status != http.StatusServiceUnavailable: // in the middle of an answer
		fault, failed := json.Marshal(fault(*refusal))
		return errors.Join(err, failed, k.keep(c, store.Answer{Status: refusal.Status, Body: fault}))
	}
	return errors.Join(err, k.store.Disclaim(c))
}

// keep stores an answer. One that cannot be stored is not an error: the client
// has it, and the claim remains.
func (k *Keeper) keep(c store.Claim, a store.Answer) error {
	if len(a.Body) > maxAnswer {
		return nil
	}
	if err := k.store.Answer(c, a); err != nil {
		k.log.Error("an answer could not be kept", "error", err)
	}
	return nil
}

// fault is an error as it is kept, without a header.
type fault openai.Error

// repeat says what was said before.
func repeat(w http.ResponseWriter, a store.Answer) error {
	if a.Status == 0 {
		return &openai.Error{
			Status: http.StatusConflict, Type: "invalid_request_error", Code: "idempotency_answer_lost",
			Message: "This request was begun, and its answer is lost: the gateway stopped, or the answer was too long to keep. It is not run again, since what arrived was paid; GET /v1/receipts says how much. To ask anew, use another '" + Header + "'.",
		}
	}
	w.Header().Set(Replayed, "true")
	if a.Header == "" {
		var f fault
		if err := json.Unmarshal(a.Body, &f); err != nil {
			return err
		}
		e := openai.Error(f)
		return &e
	}
	var kept http.Header
	if err := json.Unmarshal([]byte(a.Header), &kept); err != nil {
		return err
	}
	for field, values := range kept {
		w.Header()[field] = values
	}
	w.WriteHeader(a.Status)
	if _, err := w.Write(a.Body); err != nil {
		return errors.Join(openai.ErrClient, err)
	}
	return nil
}
