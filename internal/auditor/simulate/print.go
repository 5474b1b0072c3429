package simulate

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/koinon/koinon/internal/credit"
)

// Print writes the strategies' results as a table. Money is for a thousand
// jobs, which shows fractions of a micro-credit.
func Print(w io.Writer, results []Result) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "STRATEGY\tPROVIDERS\tCONVICTED\tNAMES\tCHEATED UNTIL CAUGHT\tEARNED, 1000 JOBS\tBEYOND HONESTY")
	for _, r := range results {
		until := "-"
		if r.Convicted > 0 {
			until = fmt.Sprintf("%d jobs", r.UntilFound)
		}
		fmt.Fprintf(table, "%s\t%d\t%.2f%%\t%.1f\t%s\t%s\t%s\n", r.Strategy, r.Providers, 100*r.Convicted, r.Identities,
			until, Dollars(1000*r.Income), Dollars(1000*r.Gain))
	}
	return table.Flush()
}

// PrintDiligence writes what ways of auditing came to.
func PrintDiligence(w io.Writer, results []Diligence) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "AUDITOR\tCAUGHT\tEARNED, 1000 AUDITS")
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%.2f%%\t%s\n", r.Way, 100*r.Caught, Dollars(1000*r.Income))
	}
	return table.Flush()
}

// Dollars writes an amount of ucredit that may be negative, to the micro-credit.
func Dollars(ucredit float64) string {
	amount := credit.Dollars(uint64(math.Round(math.Abs(ucredit))))
	if ucredit <= -0.5 {
		return "-" + amount
	}
	return amount
}
