package simulate

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Sweep is what the best of the cheats gains beyond honesty with each bond, for
// a job, ucredit, and which that is: the parameter is chosen where it is below
// nothing.
type Sweep struct {
	Bond float64
	Best Result
}

// Bonds plays every dishonest strategy with each bond.
func Bonds(c Config, bonds []float64) []Sweep {
	var cheats []Strategy
	for _, s := range Strategies() {
		if s.Part > 0 {
			cheats = append(cheats, s)
		}
	}
	sweeps := make([]Sweep, len(bonds))
	for i, bond := range bonds {
		played := c
		played.Bond = bond
		results := Run(played, cheats)
		best := results[0]
		for _, r := range results[1:] {
			if r.Gain > best.Gain {
				best = r
			}
		}
		sweeps[i] = Sweep{Bond: bond, Best: best}
	}
	return sweeps
}

// PrintBonds plays bonds, given in prices of a job, with the market's maturing
// window and without any, and writes what the best of the cheats gains.
func PrintBonds(w io.Writer, c Config, prices []float64) error {
	bonds := make([]float64, len(prices))
	for i, p := range prices {
		bonds[i] = p * c.Price
	}
	at := c
	at.Window = c.Verdict
	waiting, paid := Bonds(c, bonds), Bonds(at, bonds)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "BOND\tBEST CHEAT GAINS, 1000 JOBS\tTHE SAME, NOTHING FORFEITED\tWHICH\n")
	for i := range bonds {
		fmt.Fprintf(table, "%s, %.0f jobs\t%s\t%s\t%s\n", Dollars(bonds[i]), prices[i],
			Dollars(1000*waiting[i].Best.Gain), Dollars(1000*paid[i].Best.Gain), paid[i].Best.Strategy)
	}
	return table.Flush()
}
