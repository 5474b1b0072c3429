package openai

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// Headers that name who answered. A stream's receipt comes after it, as a trailer.
const (
	HeaderModel    = "X-Koinon-Model"
	HeaderProvider = "X-Koinon-Provider"
	HeaderReceipt  = "X-Koinon-Receipt"
)

// label writes the headers of a whole answer.
func label(w http.ResponseWriter, j Job, answers []Answer) {
	h := w.Header()
	h.Set(HeaderModel, j.Digest())
	for _, a := range answers {
		if a.Koinon != nil {
			h.Add(HeaderProvider, a.Koinon.Provider)
			h.Add(HeaderReceipt, a.Koinon.Receipt)
		}
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

// start writes the headers, when the first token has come: until then an error
// still has a status of its own.
func (e *events) start(j Job, provider string) {
	if e.began {
		return
	}
	e.began = true
	h := e.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
	h.Set(HeaderModel, j.Digest())
	if provider != "" {
		h.Set(HeaderProvider, provider)
		h.Set("Trailer", HeaderReceipt)
	}
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
func (e *events) finish(answers []Answer) {
	for _, a := range answers {
		if a.Koinon != nil {
			e.w.Header().Add(HeaderReceipt, a.Koinon.Receipt)
		}
	}
	_ = e.raw([]byte("[DONE]")) // the answer is whole and paid for, read or not
}

// fail ends a stream that has begun with an event that clients raise as an
// error. No [DONE] follows, so that nobody takes the answer for complete.
func (e *events) fail(err error) error {
	var known *Error
	if !e.began || !errors.As(err, &known) {
		return err
	}
	_ = e.raw(known.Body())
	return nil
}
