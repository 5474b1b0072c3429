package openai

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// Headers that name who answered. A stream's receipt comes after it, as a trailer.
const (
	HeaderModel    = "Koinon-Model"
	HeaderProvider = "Koinon-Provider"
	HeaderReceipt  = "Koinon-Receipt"
)

// Label writes the headers of a whole answer.
func Label(w http.ResponseWriter, j Job, answers []Answer) {
	h := w.Header()
	h.Set(HeaderModel, j.Digest())
	for _, a := range answers {
		if a.Koinon != nil {
			h.Add(HeaderProvider, a.Koinon.Provider)
			h.Add(HeaderReceipt, a.Koinon.Receipt)
		}
	}
}

// Events writes server-sent events.
type Events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	began   bool
}

// NewEvents makes the stream of a response, which begins with [Events.Start].
func NewEvents(w http.ResponseWriter) *Events {
	return &Events{w: w, control: http.NewResponseController(w)}
}

// Start writes the headers, when the first token has come: until then an error
// still has a status of its own. It says whether it was the first to.
func (e *Events) Start(j Job, provider string) bool {
	if e.began {
		return false
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
	return true
}

// clientPatience is how long a client may leave one event unread.
const clientPatience = 30 * time.Second

// Send writes one event of JSON; the name may be empty.
func (e *Events) Send(name string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return e.raw(name, body)
}

func (e *Events) raw(name string, data []byte) error {
	// Recorders and the like have no deadlines.
	if err := e.control.SetWriteDeadline(time.Now().Add(clientPatience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	event := make([]byte, 0, len(data)+len(name)+16)
	if name != "" {
		event = append(append(append(event, "event: "...), name...), '\n')
	}
	event = append(append(append(event, "data: "...), data...), "\n\n"...)
	if _, err := e.w.Write(event); err != nil {
		return err
	}
	return e.control.Flush()
}

// Receipts puts the receipts of a stream that ended well into its trailer.
func (e *Events) Receipts(answers []Answer) {
	for _, a := range answers {
		if a.Koinon != nil {
			e.w.Header().Add(HeaderReceipt, a.Koinon.Receipt)
		}
	}
}

// Fault is what a stream that has begun can still say of an error; nil if it
// has not begun, or there is nobody to tell.
func (e *Events) Fault(err error) *Error {
	var known *Error
	if !e.began || !errors.As(err, &known) {
		return nil
	}
	return known
}

// finish ends a stream well.
func (e *Events) finish(answers []Answer) {
	e.Receipts(answers)
	_ = e.raw("", []byte("[DONE]")) // the answer is whole and paid for, read or not
}

// fail ends a stream that has begun with an event that clients raise as an
// error. No [DONE] follows, so that nobody takes the answer for complete.
func (e *Events) fail(err error) error {
	fault := e.Fault(err)
	if fault == nil {
		return err
	}
	_ = e.raw("", fault.Body())
	return nil
}
