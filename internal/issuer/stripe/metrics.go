package stripe

import (
	"context"
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// state is how the issuer is doing: its metrics, and what its last round came to.
type state struct {
	minted, refunded  prometheus.Counter // ucredit
	refused, disputed prometheus.Counter
	waiting           *prometheus.GaugeVec // by what: payments, cash_outs
	rounds            *prometheus.CounterVec

	mu   sync.Mutex
	last error
}

func newState() *state {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "koinon", Subsystem: "issuer", Name: name, Help: help})
	}
	return &state{
		minted:   counter("minted_ucredit_total", "Credit minted for payments by card."),
		refunded: counter("refunded_ucredit_total", "Credit cashed out and refunded to cards."),
		refused:  counter("refused_webhooks_total", "Webhooks that were not signed by Stripe, or too long ago."),
		disputed: counter("disputed_payments_total", "Payments that their payers dispute."),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "koinon", Subsystem: "issuer", Name: "waiting", Help: "What is left to do: payments to mint, cash-outs to pay.",
		}, []string{"what"}),
		rounds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "koinon", Subsystem: "issuer", Name: "rounds_total", Help: "Rounds of work, by result.",
		}, []string{"result"}),
		last: errors.New("the first round of work is not over"),
	}
}

func (s *state) all() []prometheus.Collector {
	return []prometheus.Collector{s.minted, s.refunded, s.refused, s.disputed, s.waiting, s.rounds}
}

// done notes what a round of work came to.
func (s *state) done(err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	s.rounds.WithLabelValues(result).Inc()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = err
}

// Metrics are the issuer's.
func (i *Issuer) Metrics() []prometheus.Collector { return i.state.all() }

// Metrics registers an issuer's metrics without an issuer, for lists of them.
func Metrics(in *prometheus.Registry) { in.MustRegister(newState().all()...) }

// Ready says why the last round of work failed; nil if it did not.
func (i *Issuer) Ready(context.Context) error {
	i.state.mu.Lock()
	defer i.state.mu.Unlock()
	return i.state.last
}
