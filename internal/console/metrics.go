package console

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/koinon/koinon/internal/instrument"
)

// pages measures what pages take. Their addresses are no label, as anybody may make
// up more of them.
type pages struct {
	requests *prometheus.CounterVec // by status
	seconds  prometheus.Histogram
}

func newPages() *pages {
	return &pages{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "koinon", Subsystem: "console", Name: "requests_total", Help: "Pages, tables and files asked for, by status.",
		}, []string{"status"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "koinon", Subsystem: "console", Name: "first_byte_seconds", Help: "Time until an answer began.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
	}
}

// measured counts what a handler answers.
func (p *pages) measured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		next.ServeHTTP(&answer{ResponseWriter: w, begun: func(status int) {
			p.seconds.Observe(time.Since(began).Seconds())
			p.requests.WithLabelValues(strconv.Itoa(status)).Inc()
		}}, r)
	})
}

// answer tells when it begins.
type answer struct {
	http.ResponseWriter
	begun func(status int) // nil once told
}

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	if a.begun != nil && status >= http.StatusOK {
		a.begun(status)
		a.begun = nil
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (a *answer) Write(p []byte) (int, error) {
	if a.begun != nil {
		a.WriteHeader(http.StatusOK)
	}
	return a.ResponseWriter.Write(p)
}

// Unwrap lets an [http.ResponseController] flush.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Metrics are the console's.
func (c *Console) Metrics() []prometheus.Collector {
	return append(c.pages.all(), height(c.index.Height))
}

func (p *pages) all() []prometheus.Collector { return []prometheus.Collector{p.requests, p.seconds} }

func height(read func(context.Context) (int64, error)) prometheus.Collector {
	return instrument.Snapshot("console", func(ctx context.Context) ([]float64, error) {
		h, err := read(ctx)
		return []float64{float64(h)}, err
	}, instrument.Metric{Name: "index_height", Help: "Height of the last block in the index."})
}

// Metrics registers a console's metrics without a console, for lists of them.
func Metrics(in *prometheus.Registry) { in.MustRegister(append(newPages().all(), height(nil))...) }
