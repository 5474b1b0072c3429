// Command calibrate measures what the statistical class detects and whom it
// accuses: it trains models, serves them honestly and not, and judges the answers
// with the registered weights. docs/proof.md has what it found.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/machine"
	"github.com/koinon/koinon/internal/measure"
)

// options are a run's flags.
type options struct {
	texts        []string
	cache        string
	llamaCpp     string
	ollama       string
	only         string
	threads      int
	twoThreads   bool
	honest       int
	answers      int
	promptTokens int
	answerTokens int
	lifetimes    int
	quick        bool
	asJSON       bool
	profiles     string
}

func main() { measure.Run(newCommand()) }

func newCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "calibrate --text FILE…",
		Short: "Measure detection and false accusation of the statistical class",
		Long: `Trains models of two sizes from texts, unless the cache has them, stores them in
GGUF's formats, and has answers written by honest servers and by cheats. Each
token is held against the registered weights. Prompts are of the last tenth of
the texts, which no model was trained on.

A profile is calibrated on honest answers of engines that are not ours, its bet
chosen on one cheat; both are then judged on answers that neither has seen.

Progress goes to standard error. Exit codes: 0 measured, whether the aims are
met or not, 1 failed, 2 wrong usage.`,
		Example: `  go run ./cmd/calibrate --text shakespeare.txt --text kjv.txt
  go run ./cmd/calibrate --text kjv.txt --quick --llama-cpp "" --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return calibrate(cmd.Context(), o, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.texts, "text", nil, "UTF-8 text to learn from and to take prompts from; repeat for more")
	f.StringVar(&o.cache, "cache", "bin/calibrate", "folder of the models")
	f.StringVar(&o.llamaCpp, "llama-cpp", "internal/engine/testdata/llamacpp", "folder of the npm package; empty leaves llama.cpp out")
	f.StringVar(&o.ollama, "ollama", "", "Ollama's binary, as make e2e builds it; empty leaves it out")
	f.StringVar(&o.only, "only", "", "measure only what has a title that matches, as in \"^large F16, margin\"")
	f.IntVar(&o.threads, "threads", 2, "threads, without effect on what is found")
	f.BoolVar(&o.twoThreads, "two-threads", false, "also have llama.cpp answer with two threads; slow on busy cores")
	f.IntVar(&o.honest, "honest", 120, "honest answers, of each kind")
	f.IntVar(&o.answers, "answers", 40, "answers of each cheat")
	f.IntVar(&o.promptTokens, "prompt-tokens", 48, "tokens of a prompt")
	f.IntVar(&o.answerTokens, "answer-tokens", 128, "tokens of an answer")
	f.IntVar(&o.lifetimes, "lifetimes", 300, "honest years that are simulated of each kind")
	f.BoolVar(&o.quick, "quick", false, "train for a tenth of the steps, and measure briefly, one model without --only")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	f.StringVar(&o.profiles, "profiles", "", "also write the profiles to this file, as JSON")
	return cmd
}

// check says what is wrong with a command line.
func (o *options) check() error {
	if len(o.texts) == 0 {
		return fmt.Errorf("%w: no --text: prompts come from there", measure.ErrUsage)
	}
	if o.promptTokens < 8 || o.answerTokens < 8 || o.promptTokens+o.answerTokens > 224 {
		return fmt.Errorf("%w: --prompt-tokens and --answer-tokens: 8 at least, and 224 together at most", measure.ErrUsage)
	}
	if o.honest < 10 || o.answers < 2 || o.lifetimes < 1 || o.threads < 1 {
		return fmt.Errorf("%w: --honest 10, --answers 2, --lifetimes 1 and --threads 1 at least", measure.ErrUsage)
	}
	if o.quick {
		o.cache += "-quick"
		o.honest, o.answers, o.lifetimes = min(o.honest, 30), min(o.answers, 8), min(o.lifetimes, 20)
	}
	return nil
}

// report is everything that was measured.
type report struct {
	Machine     machine.Machine `json:"machine"`
	Experiments []experiment    `json:"experiments"`
}

func calibrate(ctx context.Context, o options, out io.Writer) error {
	began := time.Now()
	progress := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%6s  %s …\n", time.Since(began).Round(time.Second), fmt.Sprintf(format, args...))
	}
	only, err := regexp.Compile(o.only)
	if err != nil {
		return fmt.Errorf("%w: --only: %w", measure.ErrUsage, err)
	}
	if err := os.MkdirAll(o.cache, 0o755); err != nil {
		return err
	}
	f := folder(o.cache)
	if err := f.train(ctx, o.texts, o.quick, progress); err != nil {
		return err
	}
	r := report{Machine: machine.This()}
	if !o.asJSON {
		r.Machine.Print(out)
	}
	for _, x := range plans(o.quick && o.only == "") {
		if !only.MatchString(x.title()) {
			continue
		}
		if err := x.run(ctx, f, o, progress); err != nil {
			return err
		}
		r.Experiments = append(r.Experiments, x)
		if !o.asJSON {
			x.print(out)
		}
	}
	if o.profiles != "" {
		if err := r.writeProfiles(o.profiles); err != nil {
			return err
		}
	}
	if !o.asJSON {
		return nil
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}
