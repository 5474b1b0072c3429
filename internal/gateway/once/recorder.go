package once

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/openai"
)

// recorder passes a response on to a client for as long as there is one, and
// keeps a copy.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	gone   bool // the client
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter. It never fails: an answer goes on without
// its client.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	if r.body.Len() <= maxAnswer {
		r.body.Write(b)
	}
	if !r.gone {
		_, err := r.ResponseWriter.Write(b)
		r.gone = err != nil
	}
	return len(b), nil
}

// FlushError is what http.ResponseController flushes with.
func (r *recorder) FlushError() error {
	if !r.gone {
		r.gone = http.NewResponseController(r.ResponseWriter).Flush() != nil
	}
	return nil
}

// SetWriteDeadline is what http.ResponseController sets deadlines with.
func (r *recorder) SetWriteDeadline(t time.Time) error {
	if !r.gone {
		_ = http.NewResponseController(r.ResponseWriter).SetWriteDeadline(t) // if it matters, writing fails
	}
	return nil
}

// answer is the copy. What a stream had in its trailer is a header when it is
// given again.
func (r *recorder) answer() store.Answer {
	kept := http.Header{}
	for _, field := range []string{"Content-Type", openai.HeaderModel, openai.HeaderProvider, openai.HeaderReceipt} {
		if values := r.Header().Values(field); len(values) > 0 {
			kept[field] = values
		}
	}
	header, err := json.Marshal(kept)
	if err != nil {
		panic(err) // strings always marshal
	}
	return store.Answer{Status: r.status, Header: string(header), Body: r.body.Bytes()}
}
