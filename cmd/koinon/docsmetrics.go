package main

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	auditorprocess "github.com/koinon/koinon/internal/auditor/process"
	"github.com/koinon/koinon/internal/console"
	"github.com/koinon/koinon/internal/gateway"
	"github.com/koinon/koinon/internal/instrument"
	"github.com/koinon/koinon/internal/issuer/stripe"
	"github.com/koinon/koinon/internal/ledger/node"
	"github.com/koinon/koinon/internal/provider"
	providerprocess "github.com/koinon/koinon/internal/provider/process"
)

// metric is one that a role shows, as its registry describes it.
type metric struct{ Name, Help, Labels string }

// registries are those of all roles.
func registries() map[string]*prometheus.Registry {
	list := map[string]*prometheus.Registry{}
	for role, register := range map[string]func(*prometheus.Registry) error{
		"every role": func(*prometheus.Registry) error { return nil },
		"gateway":    func(r *prometheus.Registry) error { gateway.Metrics(r); return nil },
		"console":    func(r *prometheus.Registry) error { console.Metrics(r); return nil },
		"provider": func(r *prometheus.Registry) error {
			providerprocess.Metrics(r)
			return provider.Metrics(r)
		},
		"auditor": func(r *prometheus.Registry) error { auditorprocess.Metrics(r); return nil },
		"node":    func(r *prometheus.Registry) error { node.Metrics(r); return nil },
		"issuer":  func(r *prometheus.Registry) error { stripe.Metrics(r); return nil },
	} {
		r := prometheus.NewRegistry()
		if role == "every role" {
			r = instrument.Registry(version)
			r.MustRegister(instrument.Account(nil))
		}
		if err := register(r); err != nil {
			panic(err) // a registry of its own takes what is registered once
		}
		list[role] = r
	}
	return list
}

// described is how a description prints itself, which is all that it shows.
var described = regexp.MustCompile(`fqName: "([^"]*)", help: "((?:[^"\\]|\\.)*)".* variableLabels: \{([^}]*)\}`)

// metricsOf are a registry's metrics, by their names.
func metricsOf(r *prometheus.Registry) []metric {
	descriptions := make(chan *prometheus.Desc)
	go func() { r.Describe(descriptions); close(descriptions) }()
	list := map[string]metric{}
	for d := range descriptions {
		if m := described.FindStringSubmatch(d.String()); m != nil {
			list[m[1]] = metric{m[1], m[2], m[3]}
		}
	}
	return slices.SortedFunc(maps.Values(list), func(a, b metric) int { return strings.Compare(a.Name, b.Name) })
}

// writeMetrics writes the page of metrics.
func writeMetrics(w io.Writer) error {
	_, err := fmt.Fprint(w, `# Metrics

Made by `+"`make docs`"+` from the program's registries. Every role serves them at `+"`/metrics`"+`,
always; where, `+"`koinon status --json`"+` and `+"`instruments.json`"+` in its home say. Amounts are in
millionths: of a dollar (ucredit), of a KOIN (ukoin).
`)
	if err != nil {
		return err
	}
	all := registries()
	for _, role := range []string{"every role", "gateway", "console", "provider", "auditor", "node", "issuer"} {
		fmt.Fprintf(w, "\n## %s%s\n\n| metric | labels | what |\n|---|---|---|\n", strings.ToUpper(role[:1]), role[1:])
		for _, m := range metricsOf(all[role]) {
			if !strings.HasPrefix(m.Name, "koinon_") {
				continue // of Go and of the process, which are the same everywhere
			}
			if _, err := fmt.Fprintf(w, "| `%s` | %s | %s |\n", m.Name, m.Labels, m.Help); err != nil {
				return err
			}
		}
	}
	_, err = fmt.Fprint(w, "\nBeside these are the usual ones of Go (`go_…`) and of the process (`process_…`).\n")
	return err
}
