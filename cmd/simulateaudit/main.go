// Simulateaudit prints what cheating and idle auditing come to with the
// network's parameters. See package simulate.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/koinon/koinon/internal/auditor/simulate"
)

func main() {
	c := simulate.Default()
	flag.IntVar(&c.Providers, "providers", c.Providers, "providers, shared by the strategies")
	flag.IntVar(&c.Days, "days", c.Days, "days that pass")
	flag.Float64Var(&c.JobsADay, "jobs", c.JobsADay, "jobs of a provider a day")
	flag.Float64Var(&c.Bond, "bond", c.Bond, "of a provider, ucredit")
	flag.Float64Var(&c.Saving, "saving", c.Saving, "part of the price that cheating saves")
	flag.Float64Var(&c.Detection, "detection", c.Detection, "chance that an audit of a cheated job shows it, statistical class")
	flag.Float64Var(&c.Colluding, "colluding", c.Colluding, "share of auditors on the cheats' side")
	flag.Float64Var(&c.Lazy, "lazy", c.Lazy, "share of auditors that never look")
	flag.Uint64Var(&c.Seed, "seed", c.Seed, "of chance")
	flag.Parse()
	if err := run(c); err != nil {
		fmt.Fprintln(os.Stderr, "simulateaudit:", err)
		os.Exit(1)
	}
}

func run(c simulate.Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	fmt.Printf("%d providers for %d days, %g jobs a day at %s, saving %.0f%%; bond %s; %.0f%% of auditors collude, %.0f%% never look; seed %d\n",
		c.Providers, c.Days, c.JobsADay, simulate.Dollars(c.Price), 100*c.Saving, simulate.Dollars(c.Bond), 100*c.Colluding, 100*c.Lazy, c.Seed)
	for _, class := range []simulate.Class{simulate.Exact, simulate.Statistical} {
		played := c
		played.Class = class
		if class == simulate.Exact {
			played.Detection, played.False = 1, 0
		}
		start := time.Now()
		results := simulate.Run(played, simulate.Strategies())
		fmt.Fprintf(os.Stderr, "%s: simulated in %s\n", class, time.Since(start).Round(time.Millisecond))
		fmt.Printf("\n%s class\n", class)
		if err := simulate.Print(os.Stdout, results); err != nil {
			return err
		}
	}
	fmt.Println("\nwhat the best of these cheats gains with other bonds, statistical class")
	fixed := c
	fixed.Rest, fixed.Rate = 0, func(int) float64 { return 0.02 }
	for _, market := range []struct {
		name string
		simulate.Config
	}{{"as the network is", c}, {"if newcomers were trusted at once and back at once", fixed}} {
		fmt.Printf("%s:\n", market.name)
		if err := simulate.PrintBonds(os.Stdout, market.Config, []float64{0, 10, 30, 60, 100, 200, 400}); err != nil {
			return err
		}
	}
	fmt.Println("\nauditors, with 2% of jobs planted")
	return simulate.PrintDiligence(os.Stdout, simulate.Idle(simulate.DefaultBench(c)))
}
