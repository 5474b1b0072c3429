// Command bench measures koinon on this machine: the engine, the checks of
// tickets and receipts, what the gateway adds to a request, what a network
// costs while nobody uses it, and how soon it is ready. docs/bench.md says how
// each number is taken.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/machine"
	"github.com/koinon/koinon/internal/measure"
)

// sections are what can be measured, in the order of the report.
var sections = []string{"engine", "tickets", "gateway", "idle", "start"}

// options are a run's flags.
type options struct {
	binary string
	only   []string
	quick  bool
	asJSON bool
}

// wants says whether a section is to be measured.
func (o options) wants(section string) bool {
	return len(o.only) == 0 || slices.Contains(o.only, section)
}

func main() { measure.Run(newCommand()) }

func newCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure koinon on this machine",
		Long: `Measures koinon on this machine and prints the machine's name first, for no
number means anything without it. The sections:

  engine   prefill and decode tokens per second of the model that ships
  tickets  tickets and receipts checked per second
  gateway  what the gateway adds to a request, against its provider asked directly
  idle     CPU and memory of a network that nobody uses
  start    time from the program's start until it serves

The last three run "koinon up" of --binary in a folder of their own, on free
ports, and remove it. Progress goes to standard error. Exit codes: 0 measured,
whether targets are met or not, 1 failed, 2 wrong usage.`,
		Example: `  go run ./cmd/bench --binary bin/koinon
  go run ./cmd/bench --binary bin/koinon --quick --json
  go run ./cmd/bench --only engine,tickets`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return bench(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.binary, "binary", "bin/koinon", "the program to run a network with")
	flags.StringSliceVar(&o.only, "only", nil, "measure these sections alone: "+strings.Join(sections, ", "))
	flags.BoolVar(&o.quick, "quick", false, "fewer and shorter runs: a look, not a result")
	flags.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	return cmd
}

// check says what is wrong with a command line before anything takes time.
func (o options) check() error {
	for _, name := range o.only {
		if !slices.Contains(sections, name) {
			return fmt.Errorf("%w: --only %s is none of %s", measure.ErrUsage, name, strings.Join(sections, ", "))
		}
	}
	if !o.wants("gateway") && !o.wants("idle") && !o.wants("start") {
		return nil
	}
	if info, err := os.Stat(o.binary); err != nil || info.IsDir() {
		return fmt.Errorf("%w: --binary %s is not a program: run make build first", measure.ErrUsage, o.binary)
	}
	return nil
}

// bench measures what is wanted and prints it.
func bench(ctx context.Context, o options) error {
	began := time.Now()
	progress := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%6s  %s …\n", time.Since(began).Round(100*time.Millisecond), fmt.Sprintf(format, args...))
	}
	r := report{Machine: machine.This(), Quick: o.quick}
	if !o.asJSON {
		r.Machine.Print(os.Stdout)
	}
	err := fill(ctx, o, &r, progress)
	if !o.asJSON {
		r.print(os.Stdout) // a section that fails does not take the others along
		return err
	}
	if err != nil {
		return err // no object at all rather than half of one
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// fill measures every section that is wanted.
func fill(ctx context.Context, o options, r *report, progress func(string, ...any)) (err error) {
	if o.wants("tickets") {
		progress("checking tickets and receipts")
		if r.Checks, err = measureChecks(ctx, o.quick); err != nil {
			return fmt.Errorf("tickets: %w", err)
		}
	}
	if o.wants("engine") {
		if r.Engine, err = measureEngine(ctx, o.quick, progress); err != nil {
			return fmt.Errorf("engine: %w", err)
		}
	}
	if o.wants("gateway") || o.wants("idle") || o.wants("start") {
		return measureNetwork(ctx, o, r, progress)
	}
	return nil
}
