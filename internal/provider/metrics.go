package provider

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the provider's counters. Labels take few values: a code of the
// protocol or a kind, never a payer or a grant.
type metrics struct {
	requests   *prometheus.CounterVec // by outcome: ok, cancelled, broken, or an error's code
	tokens     *prometheus.CounterVec // by kind: prompt, completion
	streams    prometheus.Gauge
	ttft       prometheus.Histogram // seconds
	tickets    *prometheus.CounterVec
	revealed   prometheus.Counter // ucredit
	redeemed   prometheus.Counter // ucredit
	forgiven   prometheus.Counter // ucredit
	ledger     *prometheus.CounterVec
	unredeemed prometheus.Gauge // ucredit
}

// Metrics registers a provider's metrics without a provider, for lists of them.
func Metrics(in prometheus.Registerer) error {
	_, err := newMetrics(in)
	return err
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "koinon", Subsystem: "provider", Name: name, Help: help}
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts(opts(name, help)))
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(opts(name, help)), labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts(opts(name, help)))
	}
	m := &metrics{
		requests:   counters("requests_total", "Requests ended, by outcome.", "outcome"),
		tokens:     counters("tokens_total", "Tokens served, by kind.", "kind"),
		streams:    gauge("streams", "Streams open now."),
		tickets:    counters("tickets_total", "Tickets received, by result.", "result"),
		revealed:   counter("revealed_ucredit_total", "Value of the tickets received."),
		redeemed:   counter("redeemed_ucredit_total", "Value redeemed on the ledger."),
		forgiven:   counter("forgiven_ucredit_total", "Value delivered in broken streams and not claimed."),
		ledger:     counters("ledger_transactions_total", "Transactions, by kind and result.", "kind", "result"),
		unredeemed: gauge("unredeemed_ucredit", "Value of tickets not yet redeemed."),
		ttft: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "koinon", Subsystem: "provider", Name: "first_token_seconds",
			Help: "Time from a request's arrival to its first token.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
		}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.requests, m.tokens, m.streams, m.ttft, m.tickets, m.revealed, m.redeemed, m.forgiven, m.ledger, m.unredeemed,
	} {
		if err := reg.Register(c); err != nil {
			return nil, errors.Join(errors.New("registering the provider's metrics"), err)
		}
	}
	return m, nil
}

func result(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrRefused):
		return "refused"
	}
	return "failed"
}
