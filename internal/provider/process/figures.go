package process

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/koinon/koinon/internal/instrument"
	"github.com/koinon/koinon/internal/provider"
)

// figures are a provider's status as metrics.
func figures(status func(context.Context) Status) prometheus.Collector {
	return instrument.Snapshot("provider", func(ctx context.Context) ([]float64, error) {
		s := status(ctx)
		serving, maturing := 0.0, 0.0
		if s.State == provider.Serving {
			serving = 1
		}
		if s.Earnings != nil {
			maturing = float64(s.Earnings.Maturing)
		}
		return []float64{serving, float64(s.Slots), float64(s.Grants), float64(s.Exposed), float64(s.Locked), maturing}, nil
	},
		instrument.Metric{Name: "serving", Help: "1 while requests are taken."},
		instrument.Metric{Name: "slots", Help: "Answers that it computes at once."},
		instrument.Metric{Name: "grants", Help: "Grants that are open."},
		instrument.Metric{Name: "exposed_ucredit", Help: "Value served before its tickets came."},
		instrument.Metric{Name: "locked_ucredit", Help: "What payers have locked for this provider and not spent."},
		instrument.Metric{Name: "maturing_ucredit", Help: "Earnings that wait for their challenge window to end."},
	)
}

// Metrics registers what a provider's process has beside [provider.Metrics], without
// a provider, for lists of it.
func Metrics(in *prometheus.Registry) { in.MustRegister(figures(nil)) }

// ready says why no requests are taken; nil if they are.
func (o *operator) ready(context.Context) error {
	if state, reason := o.provider.State(); state != provider.Serving {
		return errors.New(saidState(state, reason))
	}
	return nil
}

func saidState(s provider.State, reason string) string {
	if reason == "" {
		return string(s)
	}
	return string(s) + ": " + reason
}
