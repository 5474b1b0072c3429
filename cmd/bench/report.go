package main

import (
	"fmt"
	"io"
	"time"

	"github.com/koinon/koinon/internal/machine"
)

// report is everything that was measured; what was not wanted is nil.
type report struct {
	Machine machine.Machine `json:"machine"`
	Quick   bool            `json:"quick"`
	Engine  []engineSpeed   `json:"engine,omitempty"`
	Checks  *checkSpeed     `json:"checks,omitempty"`
	Gateway *overhead       `json:"gateway,omitempty"`
	Idle    *idleCost       `json:"idle,omitempty"`
	Start   *startSpeed     `json:"start,omitempty"`
}

// print writes what was measured, without the machine, which comes first.
func (r report) print(w io.Writer) {
	if r.Quick {
		fmt.Fprintln(w, "\nA quick run: short and few measurements.")
	}
	if len(r.Engine) > 0 {
		title(w, "engine: tokens per second, model trivium")
		for _, e := range r.Engine {
			row(w, fmt.Sprintf("prefill %d tokens, threads %d", prefillTokens, e.Threads), e.Prefill, "%.0f")
			row(w, fmt.Sprintf("decode %d tokens, threads %d", decodeTokens, e.Threads), e.Decode, "%.1f")
		}
	}
	if r.Checks != nil {
		title(w, "checks per second, on one core")
		row(w, "tickets, one after the other", r.Checks.Tickets, "%.0f")
		row(w, "tickets, after the engine's kernels", r.Checks.AfterKernels, "%.0f")
		row(w, fmt.Sprintf("tickets, %d after the last", jump), r.Checks.Jumps, "%.0f")
		row(w, "receipts (Ed25519)", r.Checks.Receipts, "%.0f")
	}
	if r.Gateway != nil {
		r.Gateway.print(w)
	}
	if r.Idle != nil {
		title(w, fmt.Sprintf("idle network, over %.0f s", r.Idle.Seconds))
		fmt.Fprintf(w, "  %-36s %10.1f %%    target below %.0f %%: %s\n", "CPU, of one core", r.Idle.CPUPercent, r.Idle.CPUTarget, verdict(r.Idle.CPUOK))
		fmt.Fprintf(w, "  %-36s %10.0f MiB  target below %d MiB: %s\n", "memory (RSS)",
			float64(r.Idle.RSS)/(1<<20), r.Idle.RSSTarget>>20, verdict(r.Idle.RSSOK))
	}
	if r.Start != nil {
		title(w, "from start to ready, in seconds")
		row(w, "new network", r.Start.Fresh, "%.1f")
		row(w, "resumed network", r.Start.Resume, "%.1f")
		fmt.Fprintf(w, "  target at most %s: %s\n", time.Duration(r.Start.Target*float64(time.Second)), verdict(r.Start.OK))
	}
}

func title(w io.Writer, text string) { fmt.Fprintf(w, "\n%s\n", text) }

// row writes a median with how far its runs lie apart.
func row(w io.Writer, name string, s spread, format string) {
	fmt.Fprintf(w, "  %-36s %10s    %s to %s in %d runs\n", name,
		fmt.Sprintf(format, s.Median), fmt.Sprintf(format, s.Low), fmt.Sprintf(format, s.High), s.Runs)
}

func verdict(ok bool) string {
	if ok {
		return "ok"
	}
	return "over"
}

// within says what an interval that holds 0 means.
func within(interval [2]float64) string {
	if interval[0] <= 0 && interval[1] >= 0 {
		return ": no difference to be seen in this run"
	}
	return ""
}

func (o *overhead) print(w io.Writer) {
	title(w, fmt.Sprintf("gateway's overhead: %d requests each way in turns, prompt %d tokens, answer %d tokens; ms",
		o.Requests, o.PromptTokens, o.AnswerTokens))
	for _, part := range []struct {
		name string
		l    latencies
	}{{"first token", o.First}, {"whole answer", o.Total}} {
		fmt.Fprintf(w, "  %-36s %10s %10s\n", part.name, "p50", "p95")
		for _, way := range []struct {
			name string
			t    tail
		}{{"engine alone", part.l.Engine}, {"provider directly", part.l.Direct}, {"gateway", part.l.Gateway}} {
			fmt.Fprintf(w, "    %-34s %10.2f %10.2f\n", way.name, way.t.P50, way.t.P95)
		}
		fmt.Fprintf(w, "    %-34s %10.3f %10.3f\n", "gateway / directly", part.l.Ratio, part.l.RatioP95)
		fmt.Fprintf(w, "    %-34s %10.2f %10.2f\n", "gateway − directly, by request", part.l.Difference.P50, part.l.Difference.P95)
		fmt.Fprintf(w, "    %-34s %10.2f to %.2f%s\n", "  95 % interval of its median", part.l.Interval[0], part.l.Interval[1], within(part.l.Interval))
	}
	if o.Moved > 0 {
		fmt.Fprintf(w, "  %d rounds were left out: the gateway chose another provider\n", o.Moved)
	}
}
