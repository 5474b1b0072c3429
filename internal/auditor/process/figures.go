package process

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/koinon/koinon/internal/auditor"
	"github.com/koinon/koinon/internal/instrument"
)

// figures are an auditor's status as metrics.
func figures(status func() auditor.Status) prometheus.Collector {
	return instrument.Snapshot("auditor", func(context.Context) ([]float64, error) {
		s := status()
		jailed := 0.0
		if s.Jailed {
			jailed = 1
		}
		return []float64{
			float64(s.Epoch), float64(s.Drawn), float64(s.Bought), float64(s.Upheld), float64(s.Refuted), float64(s.Inconclusive),
			float64(s.Cases), float64(s.Completed), float64(s.Bond), jailed,
		}, nil
	},
		instrument.Metric{Name: "epoch", Help: "The epoch of audits that it is in."},
		instrument.Metric{Name: "drawn", Help: "Providers that this epoch drew for it."},
		instrument.Metric{Name: "bought", Help: "Those of them of whom it has bought."},
		instrument.Metric{Name: "upheld_total", Help: "Receipts that it found good.", Counter: true},
		instrument.Metric{Name: "refuted_total", Help: "Receipts that it found false.", Counter: true},
		instrument.Metric{Name: "inconclusive_total", Help: "Receipts that it could not judge.", Counter: true},
		instrument.Metric{Name: "open_cases", Help: "Cases before the court in which it has a part."},
		instrument.Metric{Name: "completed_total", Help: "Audits that it was paid for, ever.", Counter: true},
		instrument.Metric{Name: "bond_ukoin", Help: "Its bond."},
		instrument.Metric{Name: "jailed", Help: "1 while it is jailed."},
	)
}

// Metrics registers an auditor's metrics without an auditor, for lists of them.
func Metrics(in *prometheus.Registry) { in.MustRegister(figures(nil)) }

// working says what keeps an auditor from its work; nil if nothing does.
func working(status func() auditor.Status) func(context.Context) error {
	return func(context.Context) error {
		s := status()
		if s.Jailed {
			return errors.New("it is jailed")
		}
		if s.Problem != "" {
			return errors.New(s.Problem)
		}
		return nil
	}
}
