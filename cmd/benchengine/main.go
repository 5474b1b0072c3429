// Command benchengine compares the reference engine with llama.cpp: the same
// GGUF files with random weights, the same threads, in turns. docs/engine.md says
// how each number is taken.
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

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/machine"
	"github.com/koinon/koinon/internal/measure"
)

// options are a run's flags.
type options struct {
	binary   string
	cache    string
	llamaCpp string
	sizes    []string
	formats  []string
	threads  []int
	quick    bool
	asJSON   bool
}

func main() { measure.Run(newCommand()) }

func newCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "benchengine",
		Short: "Compare the reference engine with llama.cpp",
		Long: `Writes models with random weights to a cache, and measures how many tokens per
second the reference engine and llama.cpp prefill and decode with them: the same
file, the same threads, in turns. Llama.cpp is the npm package that the engine's
tests pin; it is called by python3. Then the most memory that "koinon engine
bench" takes, and how fast steps of training are.

Progress goes to standard error. Exit codes: 0 measured, whether the aims are
met or not, 1 failed, 2 wrong usage.`,
		Example: `  go run ./cmd/benchengine --quick
  go run ./cmd/benchengine --sizes 500M --formats Q4_K --threads 2 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return bench(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.binary, "binary", "bin/koinon", "the program whose memory is measured")
	flags.StringVar(&o.cache, "cache", "bin/bench-engine", "folder of the models; 4 GB")
	flags.StringVar(&o.llamaCpp, "llama-cpp", "internal/engine/testdata/llamacpp", "folder of the npm package")
	flags.StringSliceVar(&o.sizes, "sizes", nil, "measure these alone: "+strings.Join(sizes(), ", "))
	flags.StringSliceVar(&o.formats, "formats", nil, "measure these alone: "+strings.Join(formatNames(), ", "))
	flags.IntSliceVar(&o.threads, "threads", []int{1, 2}, "numbers of threads")
	flags.BoolVar(&o.quick, "quick", false, "leave out the largest model")
	flags.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	return cmd
}

func sizes() []string {
	var names []string
	for _, s := range shapes {
		names = append(names, s.name)
	}
	return names
}

func formatNames() []string {
	var names []string
	for _, f := range formats {
		names = append(names, f.String())
	}
	return names
}

// check says what is wrong with a command line, and fills in what it leaves out.
func (o *options) check() error {
	for flag, chosen := range map[string]struct{ values, known []string }{
		"sizes": {o.sizes, sizes()}, "formats": {o.formats, formatNames()},
	} {
		for _, name := range chosen.values {
			if !slices.Contains(chosen.known, name) {
				return fmt.Errorf("%w: --%s %s is none of %s", measure.ErrUsage, flag, name, strings.Join(chosen.known, ", "))
			}
		}
	}
	for _, n := range o.threads {
		if n < 1 || n > 1024 {
			return fmt.Errorf("%w: --threads %d: 1 to 1024 are possible", measure.ErrUsage, n)
		}
	}
	if err := checkBinary(o.binary); err != nil {
		return err
	}
	if len(o.sizes) == 0 {
		if o.sizes = sizes(); o.quick {
			o.sizes = o.sizes[:len(o.sizes)-1]
		}
	}
	if len(o.formats) == 0 {
		o.formats = formatNames()
	}
	return nil
}

// report is everything that was measured.
type report struct {
	Machine     machine.Machine `json:"machine"`
	Comparisons []comparison    `json:"comparisons"`
	Memory      []memory        `json:"memory"`
	Training    []training      `json:"training"`
}

// bench measures what is wanted and prints it as it comes.
func bench(ctx context.Context, o options) error {
	began := time.Now()
	progress := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%6s  %s …\n", time.Since(began).Round(time.Second), fmt.Sprintf(format, args...))
	}
	r := report{Machine: machine.This()}
	say := func(format string, args ...any) {
		if !o.asJSON {
			fmt.Printf(format, args...)
		}
	}
	if !o.asJSON {
		r.Machine.Print(os.Stdout)
	}
	if err := r.compare(ctx, o, say, progress); err != nil {
		return err
	}
	say("\nmost memory, beside the program's own, with 32 texts\n")
	for _, f := range o.files() {
		progress("%s parameters in %s: memory", f.shape.name, f.format)
		m, err := measureMemory(ctx, o.binary, f.path)
		if err != nil {
			return err
		}
		m.Size, m.Format = f.shape.name, f.format.String()
		r.Memory = append(r.Memory, m)
		say("%-5s %-5s %8.1f MB: the file's %.1f, %.1f of keys and values, and %+.0f %%\n",
			m.Size, m.Format, float64(m.Peak)/1e6, float64(m.File)/1e6, float64(m.KV)/1e6, 100*m.above())
	}
	say("\ntraining, tokens per second\n")
	for _, n := range o.threads {
		progress("training, threads %d", n)
		t, err := measureTraining(ctx, n)
		if err != nil {
			return err
		}
		r.Training = append(r.Training, t)
		say("%.1f million parameters, threads %d: %.0f, %.0f %% of the peak of multiply-adds\n",
			float64(t.Parameters)/1e6, n, t.TokensPerSecond, 100*t.ShareOfPeak)
	}
	if !o.asJSON {
		return nil
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// file is one that is measured.
type file struct {
	shape  shape
	format gguf.Type
	path   string
}

// files are those that were chosen.
func (o *options) files() []file {
	var list []file
	for _, s := range shapes {
		for _, f := range formats {
			if slices.Contains(o.sizes, s.name) && slices.Contains(o.formats, f.String()) {
				list = append(list, file{s, f, s.path(o.cache, f)})
			}
		}
	}
	return list
}

// compare measures every file with both engines.
func (r *report) compare(ctx context.Context, o options, say, progress func(string, ...any)) error {
	libraries, err := installLlamaCpp(ctx, o.llamaCpp)
	if err != nil {
		return err
	}
	say("\ntokens per second, koinon's and llama.cpp's, and their ratio; prefill of %d tokens\n", prefillTokens)
	say("%-5s %-5s %7s %6s   %-24s   %-24s\n", "", "", "threads", "batch", " prefill", "  decode")
	for _, f := range o.files() {
		progress("%s parameters in %s: the file", f.shape.name, f.format)
		if err := f.shape.write(f.path, f.format); err != nil {
			return fmt.Errorf("cannot write a model: %w", err)
		}
		m, err := engine.Load(f.path)
		if err != nil {
			return err
		}
		for _, n := range o.threads {
			for _, w := range workloads(f.shape, n) {
				progress("%s parameters in %s: batch %d, threads %d", f.shape.name, f.format, w.batch, n)
				c, err := compare(ctx, m, libraries, f.path, w)
				if err != nil {
					return fmt.Errorf("%s parameters in %s, batch %d: %w", f.shape.name, f.format, w.batch, err)
				}
				c.Size, c.Format = f.shape.name, f.format.String()
				r.Comparisons = append(r.Comparisons, c)
				say("%-5s %-5s %7d %6d   %-24s   %-24s  %s\n", c.Size, c.Format, c.Threads, c.Batch, c.Prefill, &c.Decode, c.below())
			}
		}
	}
	return nil
}
