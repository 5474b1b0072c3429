// Simulaterouter prints how the router does in a market of many gateways and
// providers, beside other policies. See package simulate.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/koinon/koinon/internal/route/simulate"
)

func main() {
	c := simulate.Config{}
	flag.IntVar(&c.Gateways, "gateways", 1000, "gateways")
	flag.IntVar(&c.Providers, "providers", 10_000, "providers")
	flag.Float64Var(&c.Seconds, "seconds", 60, "seconds during which requests come")
	flag.Float64Var(&c.Load, "load", 0.6, "share of all slots that the requests take")
	flag.Float64Var(&c.Liars, "liars", 0.1, "share of providers that lie about their load and slots")
	flag.Float64Var(&c.Flaky, "flaky", 0.02, "share that fails one request in four")
	flag.Float64Var(&c.Mortal, "mortal", 0.02, "share that disappears for a third of the time")
	flag.Uint64Var(&c.Seed, "seed", 1, "of chance")
	flag.Parse()
	fmt.Printf("%d gateways, %d providers, %.0f s at %.0f%% load; %.0f%% lie, %.0f%% fail, %.0f%% disappear; seed %d\n\n",
		c.Gateways, c.Providers, c.Seconds, 100*c.Load, 100*c.Liars, 100*c.Flaky, 100*c.Mortal, c.Seed)
	var results []simulate.Result
	for _, p := range []simulate.Policy{simulate.Central, simulate.Router, simulate.Best, simulate.Random} {
		start := time.Now()
		results = append(results, simulate.Run(c, p))
		fmt.Fprintf(os.Stderr, "%s: simulated in %s\n", p, time.Since(start).Round(time.Second))
	}
	if err := simulate.Print(os.Stdout, results); err != nil {
		fmt.Fprintln(os.Stderr, "simulaterouter:", err)
		os.Exit(1)
	}
}
