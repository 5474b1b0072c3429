package simulate

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// Result is how a policy did.
type Result struct {
	Policy   Policy
	Requests int
	// FirstP50 and FirstP99 are the times to the first token in seconds, failover
	// and waiting included; TotalP50 and TotalP99 those to the last.
	FirstP50, FirstP99, TotalP50, TotalP99 float64
	// Price is the mean price that was paid, of a market whose middle is 1.
	Price float64
	// Tries is how many providers a request was sent to; Failed the share of those
	// that nobody served.
	Tries, Failed float64
	// Gini of the providers' use of their slots: 0 if all are used alike, 1 if one
	// has all the work. Peak is the busiest provider's use above the mean one.
	Gini, Peak float64
	// Liars is the share of requests that liars served.
	Liars float64
}

func (w *world) result() Result {
	r := Result{Policy: w.policy, Requests: len(w.done)}
	var first, total []float64
	served, tries, liars := 0, 0, 0
	for _, q := range w.done {
		tries += len(q.tried)
		if q.failed {
			continue
		}
		served++
		first, total = append(first, q.first-q.came), append(total, q.end-q.came)
		r.Price += q.price
		if w.providers[q.at].liar {
			liars++
		}
	}
	r.FirstP50, r.FirstP99 = quantile(first, 0.5), quantile(first, 0.99)
	r.TotalP50, r.TotalP99 = quantile(total, 0.5), quantile(total, 0.99)
	r.Price /= float64(served)
	r.Tries = float64(tries) / float64(len(w.done))
	r.Failed = 1 - float64(served)/float64(len(w.done))
	r.Liars = float64(liars) / float64(served)
	var use []float64
	for _, p := range w.providers {
		use = append(use, p.busy/float64(p.slots)/w.Seconds)
	}
	r.Gini, r.Peak = spread(use)
	return r
}

func quantile(list []float64, q float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[min(len(list)-1, int(q*float64(len(list))))]
}

// spread is the Gini coefficient, and the largest over the mean.
func spread(use []float64) (gini, peak float64) {
	slices.Sort(use)
	sum, weighted := 0.0, 0.0
	for i, u := range use {
		sum += u
		weighted += float64(i+1) * u
	}
	if sum == 0 {
		return 0, 0
	}
	n := float64(len(use))
	return 2*weighted/(n*sum) - (n+1)/n, use[len(use)-1] * n / sum
}

// Print writes results as a table.
func Print(out io.Writer, results []Result) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "policy\trequests\tfirst p50\tp99\ttotal p50\tp99\tprice\ttries\tfailed\tgini\tpeak\tto liars\t")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%d\t%.2f s\t%.2f s\t%.1f s\t%.1f s\t%.3f\t%.2f\t%.2f%%\t%.2f\t%.1f\t%.1f%%\t\n",
			r.Policy, r.Requests, r.FirstP50, r.FirstP99, r.TotalP50, r.TotalP99, r.Price, r.Tries, 100*r.Failed, r.Gini, r.Peak, 100*r.Liars)
	}
	return t.Flush()
}
