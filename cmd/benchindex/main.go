// Command benchindex measures the index and the pages made from it at size: how fast
// blocks are read into it, and how long each page takes with 100,000 providers and a
// million receipts settled. docs/bench.md has what it found.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/indexer"
	"github.com/koinon/koinon/internal/machine"
	"github.com/koinon/koinon/internal/measure"
)

// options are a run's flags.
type options struct {
	shape
	rounds   int
	dir      string
	keep     bool
	asJSON   bool
	ownStore int // receipts in a gateway's own database
}

// target is what a page may take of the server's time, 95 times in 100.
const target = 50 * time.Millisecond

func main() { measure.Run(newCommand()) }

func newCommand() *cobra.Command {
	o := options{shape: shape{models: 600, providers: 100_000, payers: 20_000, redemptions: 250_000, receipts: 4, payouts: 4, block: 100}, rounds: 100, ownStore: 1_000_000}
	cmd := &cobra.Command{
		Use:   "benchindex",
		Short: "Measure the index and its pages at size",
		Long: `Makes up a ledger, reads it into an index as a node's blocks are read, and asks every
page, with random arguments. Receipts are not on the ledger, but for how many each
redemption settles: a million are settled by 250,000 redemptions, which are a million
payouts. A gateway keeps its own receipts in its own database, which is measured
beside it.

Progress goes to standard error. Exits 1 if it could not measure; whether a page is
within 50 ms is in the table.`,
		Example: "  go run ./cmd/benchindex\n  go run ./cmd/benchindex --providers 1000 --redemptions 5000 --own-receipts 10000 --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if min(o.models, o.providers, o.payers, o.redemptions, o.payouts, o.block, o.rounds, o.ownStore) < 1 {
				return fmt.Errorf("%w: every number must be at least 1", measure.ErrUsage)
			}
			return bench(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.models, "models", o.models, "model versions")
	f.IntVar(&o.providers, "providers", o.providers, "providers")
	f.IntVar(&o.payers, "payers", o.payers, "accounts that pay")
	f.IntVar(&o.redemptions, "redemptions", o.redemptions, "redemptions")
	f.IntVar(&o.payouts, "payouts", o.payouts, "payouts of each, up to 4")
	f.IntVar(&o.receipts, "receipts", o.receipts, "receipts that each settles")
	f.IntVar(&o.ownStore, "own-receipts", o.ownStore, "receipts in a gateway's own database")
	f.IntVar(&o.rounds, "rounds", o.rounds, "how often each page is asked")
	f.StringVar(&o.dir, "dir", "", "folder for the databases (default a new one, which is removed)")
	f.BoolVar(&o.keep, "keep", false, "leave the databases, and take those of an earlier run with the same numbers")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	return cmd
}

// result is what was measured.
type result struct {
	Machine   machine.Machine `json:"machine"`
	Blocks    int64           `json:"blocks"`
	Filling   float64         `json:"filling_seconds"` // making the ledger up among them
	Bytes     int64           `json:"index_bytes"`
	AtSize    throughput      `json:"throughput_at_size"`
	Pages     []timing        `json:"pages"`
	Receipts  []timing        `json:"own_receipts"`
	OverLimit int             `json:"over_target"`
}

func bench(ctx context.Context, o options, out, talk io.Writer) (err error) {
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "koinon-benchindex-*"); err != nil {
			return err
		}
		if !o.keep {
			defer os.RemoveAll(o.dir)
		}
	}
	r := result{Machine: machine.This()}
	l := madeUp{shape: o.shape, began: time.Now().Add(-40 * 24 * time.Hour).Truncate(24 * time.Hour)}
	filled := l
	filled.held = min(200, int64(o.redemptions/o.block/2))
	path := filepath.Join(o.dir, "index.db")
	x, err := indexer.Open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	began, told := time.Now(), time.Now()
	have, err := x.Height(ctx)
	if latest, _ := filled.Height(ctx); err == nil && have < latest {
		err = x.CatchUp(ctx, filled, func(height, latest int64) {
			if time.Since(told) > 2*time.Second {
				told = time.Now()
				fmt.Fprintf(talk, "block %d of %d\n", height, latest)
			}
		})
	}
	if err != nil {
		return err
	}
	r.Filling = time.Since(began).Seconds()
	r.Blocks, _ = l.Height(ctx)
	if info, err := os.Stat(path); err == nil {
		r.Bytes = info.Size()
	}
	fmt.Fprintln(talk, "reading the last blocks …")
	if r.AtSize, err = atSize(ctx, x, l); err != nil {
		return err
	}
	fmt.Fprintln(talk, "asking pages …")
	if r.Pages, err = pages(ctx, x, l, o.rounds); err != nil {
		return err
	}
	fmt.Fprintln(talk, "a gateway's own receipts …")
	if r.Receipts, err = ownReceipts(ctx, o.dir, o.ownStore, o.rounds); err != nil {
		return err
	}
	for _, p := range append(r.Pages, r.Receipts...) {
		if p.P95 > target.Seconds()*1e3 {
			r.OverLimit++
		}
	}
	if o.asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	return r.print(out, o)
}

func (r result) print(w io.Writer, o options) error {
	r.Machine.Print(w)
	fmt.Fprintf(w, "\nindex     %d blocks, %d providers, %d redemptions of %d receipts, %d payouts: %.0f MB, made up and read in %.0f s\n",
		r.Blocks, o.providers, o.redemptions, o.redemptions*o.receipts, o.redemptions*o.payouts, float64(r.Bytes)/1e6, r.Filling)
	fmt.Fprintf(w, "reading   %.0f transactions/s, %.0f events/s (%d transactions in blocks of %d, at that size)\n\n",
		r.AtSize.Txs, r.AtSize.Events, r.AtSize.Count, o.block)
	fmt.Fprintf(w, "%-34s %9s %9s %9s  ms\n", "page", "median", "95 %", "most")
	for _, p := range append(r.Pages, r.Receipts...) {
		verdict := "ok"
		if p.P95 > target.Seconds()*1e3 {
			verdict = "over"
		}
		fmt.Fprintf(w, "%-34s %9.2f %9.2f %9.2f  %s\n", p.Page, p.Median, p.P95, p.Most, verdict)
	}
	_, err := fmt.Fprintf(w, "\n%d over %s\n", r.OverLimit, target)
	return err
}
