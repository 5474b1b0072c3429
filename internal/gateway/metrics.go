package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/koinon/koinon/internal/gateway/pay"
)

// metrics are the gateway's own; each gateway has a registry of its own, so
// that several can live in one process.
type metrics struct {
	registry                   *prometheus.Registry
	requests                   *prometheus.CounterVec
	seconds                    *prometheus.HistogramVec
	firstToken                 prometheus.Histogram
	inFlight                   prometheus.Gauge
	tokens                     *prometheus.CounterVec
	charged                    prometheus.Counter
	tickets                    prometheus.Counter
	receipts                   *prometheus.CounterVec
	failures                   *prometheus.CounterVec
	heartbeats                 *prometheus.CounterVec
	hedges                     *prometheus.CounterVec
	promptTokens, answerTokens prometheus.Histogram

	escrow     *prometheus.GaugeVec
	live       prometheus.Gauge
	polled     prometheus.Gauge
	pollErrors prometheus.Counter
}

func newMetrics(in *prometheus.Registry) *metrics {
	latency := prometheus.ExponentialBuckets(0.001, 2, 17)
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "koinon", Subsystem: "gateway", Name: name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "koinon", Subsystem: "gateway", Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "koinon", Subsystem: "gateway", Name: name, Help: help})
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "koinon", Subsystem: "gateway", Name: name, Help: help}, labels)
	}
	lengths := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "koinon", Subsystem: "gateway", Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(8, 2, 13),
		})
	}
	m := &metrics{
		registry: in,
		requests: counters("requests_total", "HTTP requests by route and status.", "route", "status"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "koinon", Subsystem: "gateway", Name: "request_seconds", Help: "Time to the end of a response.", Buckets: latency,
		}, []string{"route"}),
		firstToken: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "koinon", Subsystem: "gateway", Name: "first_token_seconds", Help: "Time from asking a provider to its first token.", Buckets: latency,
		}),
		inFlight: gauge("in_flight_requests", "HTTP requests being answered."),
		// Which lengths are common is public, so that auditors' prompts are as long.
		promptTokens: lengths("prompt_tokens", "Lengths of prompts, in tokens."),
		answerTokens: lengths("answer_tokens", "Lengths of answers, in tokens."),

		tokens:     counters("tokens_total", "Tokens of answers, by kind.", "kind"),
		charged:    counter("charged_ucredit_total", "What API keys were charged."),
		tickets:    counter("tickets_total", "Reveals sent to providers."),
		receipts:   counters("receipts_total", "Receipts received, by verdict.", "verdict"),
		failures:   counters("provider_failures_total", "Attempts that failed, by reason.", "reason"),
		heartbeats: counters("heartbeats_total", "Providers' heartbeats heard, by verdict.", "verdict"),
		hedges:     counters("hedges_total", "Requests that a second provider was asked for, by who was sooner.", "sooner"),
		escrow:     gauges("escrow_ucredit", "What the payer has in escrow, available or locked for active grants.", "state"),
		live:       gauge("live_providers", "Providers that can be reached."),
		polled:     gauge("ledger_polled_timestamp_seconds", "When the ledger was last read."),
		pollErrors: counter("ledger_errors_total", "Failed readings of the ledger."),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.firstToken, m.promptTokens, m.answerTokens, m.inFlight, m.tokens, m.charged,
		m.tickets, m.receipts, m.failures, m.heartbeats, m.hedges, m.escrow, m.live, m.polled, m.pollErrors)
	return m
}

// open adds what is known of the grants that are open.
func (m *metrics) open(w *pay.Wallet) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "koinon", Subsystem: "gateway", Name: "exposure_ucredit", Help: "What open grants can still pay together.",
	}, func() float64 { return float64(w.Exposure()) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "koinon", Subsystem: "gateway", Name: "grants", Help: "Grants that are open.",
	}, func() float64 { return float64(w.Open()) }))
}

// Metrics registers a gateway's metrics without a gateway, for lists of them.
func Metrics(in *prometheus.Registry) { newMetrics(in).open(nil) }
