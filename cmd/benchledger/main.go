// Command benchledger measures what a ledger of one validator sustains on this
// machine: transfers, and redemptions one or many to a transaction, executed one
// after the other and side by side (Block-STM). docs/bench.md says how.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/koinon/koinon/internal/machine"
)

// speed is one way of loading the ledger.
type speed struct {
	Parallel bool    `json:"block_stm"`
	Way      string  `json:"way"`
	Txs      float64 `json:"txs_per_second"`
	Grants   float64 `json:"grants_per_second,omitempty"`
	// Ratio is of its rate to that of single redemptions without Block-STM.
	Ratio float64 `json:"ratio,omitempty"`
}

// options are a run's flags.
type options struct {
	providers, each int // grants, and transfers, of each provider
	batch           int // redemptions in a transaction
	asJSON          bool
}

func main() {
	var o options
	flag.IntVar(&o.providers, "providers", 16, "how many providers, each with a payer of its own")
	flag.IntVar(&o.each, "grants", 128, "grants of each provider, half of them redeemed one by one")
	flag.IntVar(&o.batch, "batch", 64, "redemptions in a transaction")
	flag.BoolVar(&o.asJSON, "json", false, "print JSON")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "benchledger: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	this := machine.This()
	if !o.asJSON {
		this.Print(os.Stdout)
		fmt.Printf("\n%d providers and payers, %d grants; a block at least every %s\n", o.providers, o.providers*o.each, blockTime)
	}
	var all []speed
	for _, parallel := range []bool{false, true} {
		fmt.Fprintf(os.Stderr, "Block-STM %t …\n", parallel)
		list, err := measure(ctx, o, parallel)
		if err != nil {
			return err
		}
		all = append(all, list...)
	}
	for i := range all {
		if all[i].Grants > 0 {
			all[i].Ratio = all[i].Grants / all[1].Grants
		}
	}
	if o.asJSON {
		return json.NewEncoder(os.Stdout).Encode(map[string]any{"machine": this, "speeds": all})
	}
	for _, s := range all {
		fmt.Printf("  Block-STM %-5t  %-28s %7.0f txs/s", s.Parallel, s.Way, s.Txs)
		if s.Grants > 0 {
			fmt.Printf("  %7.0f grants/s  ×%.2f", s.Grants, s.Ratio)
		}
		fmt.Println()
	}
	return nil
}

// measure runs a new ledger and loads it in each way.
func measure(ctx context.Context, o options, parallel bool) ([]speed, error) {
	w, err := open(ctx, o, parallel)
	if err != nil {
		return nil, err
	}
	defer w.close()
	if err := w.prepare(ctx); err != nil {
		return nil, fmt.Errorf("preparing: %w", err)
	}
	half := o.each / 2
	var all []speed
	for _, way := range []struct {
		name   string
		grants int // of each provider
		load   func() ([][][]byte, error)
	}{
		{"transfers", 0, func() ([][][]byte, error) { return w.transfers(ctx, half) }},
		{"redemptions, 1 a tx", half, func() ([][][]byte, error) { return w.redemptions(ctx, 0, half, 1) }},
		{fmt.Sprintf("redemptions, %d a tx", o.batch), o.each - half, func() ([][][]byte, error) { return w.redemptions(ctx, half, o.each, o.batch) }},
	} {
		load, err := way.load()
		if err != nil {
			return nil, err
		}
		took, err := w.send(ctx, load)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", way.name, err)
		}
		txs := 0
		for _, list := range load {
			txs += len(list)
		}
		rate := func(n int) float64 { return float64(n) / took.Seconds() }
		all = append(all, speed{Parallel: parallel, Way: way.name, Txs: rate(txs), Grants: rate(way.grants * o.providers)})
	}
	books, err := w.ledger.Invariants(ctx)
	if err == nil && (!books.Holds || books.Locked != 0) {
		err = fmt.Errorf("not every grant was redeemed: %+v", books)
	}
	return all, err
}

// blockTime is the least between blocks; under load they come as fast as they
// are executed.
const blockTime = 100 * time.Millisecond
