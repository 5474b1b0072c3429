package instrument

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Reading is how a role is doing.
type Reading struct {
	About
	Address string // host:port of its instruments
	// Waiting is why it is not ready; empty if it is. Silent is why it says nothing;
	// nothing else is then known but where it should be.
	Waiting string
	Silent  error
	Values  Values
}

// Values are a role's metrics by their names.
type Values map[string]*dto.MetricFamily

// Has says whether a metric is there.
func (v Values) Has(name string) bool { return v[name] != nil }

// Sum adds up a metric's values over those of its labels that are not said: pairs of
// names and values. Of a histogram it counts what was observed.
func (v Values) Sum(name string, labels ...string) (sum float64) {
	family := v[name]
	if family == nil {
		return 0
	}
next:
	for _, m := range family.Metric {
		for i := 0; i+1 < len(labels); i += 2 {
			if !slices.ContainsFunc(m.Label, func(l *dto.LabelPair) bool { return l.GetName() == labels[i] && l.GetValue() == labels[i+1] }) {
				continue next
			}
		}
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	return sum
}

// Amount is a sum of ucredit or ukoin.
func (v Values) Amount(name string, labels ...string) uint64 {
	return uint64(max(0, v.Sum(name, labels...)))
}

// How long a role has to answer, and how much it may say.
const (
	patience    = 5 * time.Second
	mostMetrics = 8 << 20
)

// ReadAll asks every role announced in a folder how it is doing; they are sorted by
// their homes.
func ReadAll(ctx context.Context, root string) ([]Reading, error) {
	found, err := Announced(root)
	if err != nil {
		return nil, err
	}
	homes := slices.Sorted(maps.Keys(found))
	readings := make([]Reading, len(homes))
	var asking sync.WaitGroup
	for i, home := range homes {
		asking.Go(func() {
			target := found[home]
			readings[i] = Read(ctx, target.Targets[0])
			readings[i].Home = home
			if readings[i].Silent != nil {
				readings[i].Role = target.Labels["role"]
			}
		})
	}
	asking.Wait()
	return readings, nil
}

// Read asks the role at an address how it is doing.
func Read(ctx context.Context, address string) Reading {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r := Reading{Address: address, Values: Values{}}
	if _, r.Silent = get(ctx, address, "/version", func(body io.Reader) error { return json.NewDecoder(body).Decode(&r.About) }); r.Silent != nil {
		return r
	}
	var s status
	code, err := get(ctx, address, "/readyz", func(body io.Reader) error { return json.NewDecoder(body).Decode(&s) })
	if r.Silent = err; err != nil {
		return r
	}
	if code != http.StatusOK {
		if r.Waiting = s.Reason; r.Waiting == "" {
			r.Waiting = "not all that it needs is there yet"
		}
	}
	_, r.Silent = get(ctx, address, "/metrics", func(body io.Reader) error {
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(body)
		r.Values = families
		return err
	})
	return r
}

func get(ctx context.Context, address, path string, read func(io.Reader) error) (code int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusServiceUnavailable {
		return 0, fmt.Errorf("GET %s at %s answers %s: it is no koinon", path, address, response.Status)
	}
	if err := read(io.LimitReader(response.Body, mostMetrics)); err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("reading %s of %s: %w", path, address, err)
	}
	return response.StatusCode, nil
}
