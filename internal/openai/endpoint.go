package openai

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
)

// ErrClient says that the client went away, or could not be written to.
var ErrClient = errors.New("the client is gone")

// Endpoints is what all routes of a server have in common.
type Endpoints struct {
	// MaxBody bounds a request's body, in bytes.
	MaxBody int64
	Log     *slog.Logger
	// Begin is called when a request comes, and what it returns when it is over;
	// nil for nothing to be done.
	Begin func(route string) (end func(status int, took time.Duration))
	// Trace is called when a request comes, for the request to go on with, and what
	// it returns when it is over; nil for nothing to be done.
	Trace func(r *http.Request, route string) (*http.Request, func(status int))
	// Refuse writes an error as the API has it; nil for OpenAI's.
	Refuse func(http.ResponseWriter, *Error)
}

// refuse writes an error.
func (e Endpoints) refuse(w http.ResponseWriter, err *Error) {
	if e.Refuse == nil {
		err.Write(w)
		return
	}
	e.Refuse(w, err)
}

// RequestID is the header and the log's name for one HTTP request.
const RequestID = "X-Request-Id"

// Handler gives a request its id, its limit and its line in the log, and turns
// errors into OpenAI's bodies. Neither bodies nor keys are logged.
func (e Endpoints) Handler(route string, serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		id := "req_" + rand.Text()
		out := &response{ResponseWriter: w}
		out.Header().Set(RequestID, id)
		r.Body = http.MaxBytesReader(out, r.Body, e.MaxBody)
		if e.Trace != nil {
			var traced func(int)
			r, traced = e.Trace(r, route)
			defer func() { traced(out.status) }()
		}
		end := func(int, time.Duration) {}
		if e.Begin != nil {
			end = e.Begin(route)
		}
		defer func() {
			if fault := recover(); fault != nil && fault != http.ErrAbortHandler {
				e.Log.Error("a handler panicked", "request", id, "fault", fault, "stack", string(debug.Stack()))
				if out.status == 0 {
					e.refuse(out, Internal(id))
				}
			}
			took := time.Since(begun)
			end(out.status, took)
			e.Log.Info("request", "request", id, "route", route, "status", out.status, "took", took)
		}()
		if err := serve(out, r); err != nil {
			e.fail(out, r, id, err)
		}
	})
}

// Unknown is the handler of all that no route of mux takes.
func (e Endpoints) Unknown(mux *http.ServeMux) http.Handler {
	return e.Handler("other", func(w http.ResponseWriter, r *http.Request) error {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			probe := r.Clone(r.Context())
			probe.Method = method
			if _, pattern := mux.Handler(probe); pattern != "/" {
				w.Header().Set("Allow", method)
				return MethodNotAllowed(r.Method, r.URL.Path)
			}
		}
		return NotFound("unknown_url", "", "Unknown request URL: %s %s.", r.Method, r.URL.Path)
	})
}

// statusClientGone is what the log says of a client that did not wait, as nginx
// does; nobody is there to read it.
const statusClientGone = 499

// fail writes an error's body, unless the response has begun.
func (e Endpoints) fail(w *response, r *http.Request, id string, err error) {
	if w.status != 0 {
		return
	}
	var known *Error
	switch {
	case errors.Is(err, ErrClient) && r.Context().Err() != nil:
		w.status = statusClientGone
		return
	case !errors.As(err, &known):
		e.Log.Error("a request failed", "request", id, "error", err)
		known = Internal(id)
	}
	e.refuse(w, known)
}

// ReadBody reads a body within the limit. Errors are [*Error] or [ErrClient].
func ReadBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, TooLarge(large.Limit)
	case err != nil && r.Context().Err() != nil:
		return nil, ErrClient
	case err != nil:
		return nil, Malformed("The request's body could not be read.")
	}
	return body, nil
}

// response remembers the status that was sent.
type response struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (r *response) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *response) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *response) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteJSON sends a whole answer.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := w.Write(append(body, '\n')); err != nil {
		return errors.Join(ErrClient, err)
	}
	return nil
}
