package instrument

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metric is one of those that are read together.
type Metric struct {
	Name, Help string
	Counter    bool // it only grows; else a gauge
}

// snapshot collects metrics that are read when they are asked for.
type snapshot struct {
	metrics []Metric
	descs   []*prometheus.Desc
	read    func(context.Context) ([]float64, error)
}

// Snapshot is a collector of metrics that are read when they are asked for, in their
// order. While they cannot be read, which must not take long, they are absent.
func Snapshot(subsystem string, read func(context.Context) ([]float64, error), metrics ...Metric) prometheus.Collector {
	s := &snapshot{metrics: metrics, read: read}
	for _, m := range metrics {
		s.descs = append(s.descs, prometheus.NewDesc(prometheus.BuildFQName("koinon", subsystem, m.Name), m.Help, nil, nil))
	}
	return s
}

// Account is a collector of what an account holds beside escrows and bonds, in
// ucredit and ukoin.
func Account(read func(context.Context) (ucredit, ukoin uint64, err error)) prometheus.Collector {
	return Snapshot("account", func(ctx context.Context) ([]float64, error) {
		ucredit, ukoin, err := read(ctx)
		return []float64{float64(ucredit), float64(ukoin)}, err
	},
		Metric{Name: "ucredit", Help: "Credit that the role's account holds."},
		Metric{Name: "ukoin", Help: "KOIN that the role's account holds."},
	)
}

// Describe implements [prometheus.Collector].
func (s *snapshot) Describe(to chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (s *snapshot) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	values, err := s.read(ctx)
	if err != nil {
		return
	}
	for i, v := range values {
		kind := prometheus.GaugeValue
		if s.metrics[i].Counter {
			kind = prometheus.CounterValue
		}
		to <- prometheus.MustNewConstMetric(s.descs[i], kind, v)
	}
}
