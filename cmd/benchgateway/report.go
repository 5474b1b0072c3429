package main

import (
	"fmt"
	"io"
	"math"

	"github.com/koinon/koinon/internal/machine"
)

// report is everything that was measured.
type report struct {
	Machine machine.Machine `json:"machine"`
	Quick   bool            `json:"quick"`
	Rate    float64         `json:"tokens_per_second"`
	Tokens  int             `json:"tokens"`
	Cells   []cell          `json:"cells"`
	Targets []goal          `json:"targets"`
}

// goal is a target and what came of it.
type goal struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Aim   string  `json:"aim"`
	OK    bool    `json:"ok"`
}

// The ways' names that targets speak of.
const (
	paid = "koinon, paid"
	node = "portkey"
)

// judge compares with what was aimed at.
func judge(cells []cell) (goals []goal) {
	most := map[string]float64{}
	least := math.Inf(1) // processor time of a paid request, µs
	for _, c := range cells {
		if !c.Stream {
			most[c.Way] = max(most[c.Way], c.PerSecond)
		}
		if c.Way == paid && c.CPU > 0 {
			least = min(least, c.CPU)
		}
		if c.Way == paid && c.Connections == 1 && !c.Stream {
			goals = append(goals, goal{"p50 added with payment, one connection", c.Added, "ms", "≤ 0.2", c.Added <= 0.2})
		}
	}
	if rate := most[paid]; rate > 0 {
		goals = append(goals, goal{"paid requests, client and provider on the same cores", rate, "/s", "≥ 5000", rate >= 5000})
		goals = append(goals, goal{"paid requests by the gateway's processor time, two cores", 2e6 / least, "/s", "≥ 5000", 2e6/least >= 5000})
		if other := most[node]; other > 0 {
			goals = append(goals, goal{"paid requests over Portkey's", rate / other, "×", "≥ 4", rate >= 4*other})
		}
	}
	return goals
}

// print writes what was measured.
func (r report) print(w io.Writer) {
	r.Machine.Print(w)
	if r.Quick {
		fmt.Fprintln(w, "\nA quick run: short and few measurements.")
	}
	fmt.Fprintf(w, "\nanswers of %d tokens at %.0f tokens/s; CPU is processor time a request of what stands between\n", r.Tokens, r.Rate)
	for i, c := range r.Cells {
		if i == 0 || c.Connections != r.Cells[i-1].Connections || c.Stream != r.Cells[i-1].Stream {
			mode := "whole answers"
			if c.Stream {
				mode = "streaming"
			}
			fmt.Fprintf(w, "\n%s, %d connections\n  %-15s %9s %9s %9s %9s %10s %9s %9s %8s %8s\n", mode, c.Connections,
				"", "p50 ms", "added", "first", "p99 ms", "requests/s", "CPU µs", "provider", "RSS MiB", "provider")
		}
		fmt.Fprintf(w, "  %-15s %9.2f %9.2f %9.2f %9.2f %10.0f %9.0f %9.0f %8.0f %8.0f\n", c.Way, c.P50, c.Added, c.First, c.P99, c.PerSecond,
			c.CPU, c.ProviderCPU, float64(c.RSS)/(1<<20), float64(c.ProviderRSS)/(1<<20))
		if c.Failed > 0 {
			fmt.Fprintf(w, "  %-15s %d requests failed, the last: %.160s\n", "", c.Failed, c.Problem)
		}
	}
	fmt.Fprintln(w)
	for _, g := range r.Targets {
		verdict := "ok"
		if !g.OK {
			verdict = "missed"
		}
		fmt.Fprintf(w, "  %-55s %8.2f %-2s  aim %s: %s\n", g.Name, g.Value, g.Unit, g.Aim, verdict)
	}
}
