package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// watched finds in a PromQL expression the metrics of ours and of every process, and
// the labels that they are asked for by.
var (
	watched  = regexp.MustCompile(`\b((?:koinon|process|go)_[a-z_]+)(?:\{([^}]*)\})?`)
	labelled = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
	grouped  = regexp.MustCompile(`\b(?:by|on|ignoring|without)\s*\(([^)]*)\)`)
)

// expressions are what the dashboards and alert rules of deploy ask for, by where.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	boards, err := filepath.Glob("../../deploy/grafana/*.json")
	if err != nil || len(boards) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	for _, path := range boards {
		var board struct {
			UID    string
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		read(t, path, json.Unmarshal, &board)
		for _, p := range board.Panels {
			for i, target := range p.Targets {
				found[strings.Join([]string{board.UID, p.Title, string(rune('A' + i))}, "/")] = target.Expr
			}
		}
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	read(t, "../../deploy/prometheus/koinon.rules.yml", yaml.Unmarshal, &rules)
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			found[r.Alert] = r.Expr
			if r.Annotations["summary"] == "" || r.Annotations["action"] == "" {
				t.Errorf("%s does not say what is wrong, or what to do", r.Alert)
			}
		}
	}
	return found
}

func read(t *testing.T, path string, parse func([]byte, any) error, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = parse(data, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestWhatIsWatchedExists: every metric and label that dashboards and alerts name is
// in the registry of a role.
func TestWhatIsWatchedExists(t *testing.T) {
	labels := map[string][]string{}
	everywhere := []string{"home", "role", "job", "instance", "le"} // of the target, and of histograms
	for _, registry := range registries() {
		for _, m := range metricsOf(registry) {
			labels[m.Name] = append(strings.Split(m.Labels, ","), everywhere...)
		}
	}
	all := slices.Concat(slices.Collect(func(yield func([]string) bool) {
		for _, l := range labels {
			if !yield(l) {
				return
			}
		}
	})...)
	for where, expr := range expressions(t) {
		names := watched.FindAllStringSubmatch(expr, -1)
		if len(names) == 0 && !strings.HasPrefix(expr, "up{") {
			t.Errorf("%s watches nothing: %s", where, expr)
		}
		for _, m := range names {
			name := m[1]
			if _, known := labels[name]; !known {
				name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
			}
			known, ok := labels[name]
			if !ok {
				t.Errorf("%s: no role has a metric %s", where, m[1])
				continue
			}
			for _, l := range labelled.FindAllStringSubmatch(m[2], -1) {
				if !slices.Contains(known, l[1]) {
					t.Errorf("%s: %s has no label %s", where, name, l[1])
				}
			}
		}
		for _, group := range grouped.FindAllStringSubmatch(expr, -1) {
			for _, l := range strings.Split(group[1], ",") {
				if !slices.Contains(all, strings.TrimSpace(l)) {
					t.Errorf("%s groups by %s, which no metric has", where, l)
				}
			}
		}
	}
}

// TestMetricsAreNamedAsOthersAre: Prometheus's conventions, of our names.
func TestMetricsAreNamedAsOthersAre(t *testing.T) {
	for role, registry := range registries() {
		families := metricsOf(registry)
		if len(families) == 0 {
			t.Errorf("%s has no metrics", role)
		}
		for _, m := range families {
			if !strings.HasPrefix(m.Name, "koinon_") {
				continue
			}
			if !strings.HasSuffix(m.Help, ".") {
				t.Errorf("%s: its help is no sentence: %q", m.Name, m.Help)
			}
			for _, unit := range []string{"_ms", "_millis", "_dollars"} {
				if strings.HasSuffix(strings.TrimSuffix(m.Name, "_total"), unit) {
					t.Errorf("%s is not in a base unit", m.Name)
				}
			}
			for _, label := range strings.Split(m.Labels, ",") {
				if slices.Contains([]string{"payer", "grant", "grant_id", "key", "address", "path", "id"}, label) {
					t.Errorf("%s has a label of which there is no end: %s", m.Name, label)
				}
			}
		}
	}
}
