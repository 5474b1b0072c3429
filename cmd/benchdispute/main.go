// Command benchdispute measures what a dispute about an answer of the exact class
// costs: a whole game between two models, and the referee's work and the largest
// move for models of several sizes. docs/dispute.md has what it found.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/machine"
	"github.com/koinon/koinon/internal/measure"
)

// options are a run's flags.
type options struct {
	gguf, cache     string
	prompt, answer  int
	lengths         []int
	threads, rounds int
	asJSON          bool
}

func main() { measure.Run(newCommand()) }

func newCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "benchdispute",
		Short: "Measure what a dispute of the exact class costs",
		Long: `Generates answers of several lengths with the model that ships and replays them: what
an auditor does, and what making the leaves takes while serving. Lets the model that ships and its Q4_0 twin dispute about the twin's answer, move
by move, and lets the referee compute one number of every operator for models from
3 million to 70 billion parameters (their shapes alone: no weights are needed).

Progress goes to standard error. Exit codes: 0 measured, 1 failed, 2 wrong usage.`,
		Example: `  go run ./cmd/benchdispute
  go run ./cmd/benchdispute --answer-tokens 64 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.threads < 1 || o.rounds < 1 || o.prompt < 1 || o.answer < 1 || len(o.lengths) == 0 {
				return fmt.Errorf("%w: --threads, --rounds, --prompt-tokens, --answer-tokens and --lengths: one at least", measure.ErrUsage)
			}
			return bench(cmd.Context(), o, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.gguf, "gguf", "", "llama model whose answers are replayed (default the one that ships)")
	f.StringVar(&o.cache, "cache", "bin/bench-dispute", "folder of the models")
	f.IntVar(&o.prompt, "prompt-tokens", 64, "tokens of the prompt")
	f.IntVar(&o.answer, "answer-tokens", 256, "tokens of the answer")
	f.IntSliceVar(&o.lengths, "lengths", []int{64, 256, 1024, 4096}, "tokens of the answers that are replayed")
	f.IntVar(&o.threads, "threads", 1, "threads; more wait for each other, which counts as processor time")
	f.IntVar(&o.rounds, "rounds", 5, "times that each number is computed; the least counts")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	return cmd
}

// report is everything that was measured.
type report struct {
	Machine machine.Machine `json:"machine"`
	Replays []replayed      `json:"replays"`
	Game    game            `json:"game"`
	Words   []word          `json:"words"`
}

func bench(ctx context.Context, o options, out io.Writer) error {
	r := report{Machine: machine.This()}
	path, twin, err := o.models()
	if err != nil {
		return err
	}
	if r.Replays, err = o.replays(ctx, cmp.Or(o.gguf, path)); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "a dispute …")
	if r.Game, err = o.dispute(ctx, path, twin); err != nil {
		return err
	}
	for _, s := range sizes {
		for _, context := range s.contexts {
			fmt.Fprintf(os.Stderr, "one number of each operator: %s, %d positions …\n", s.name, context)
			words, err := s.judge(context, o.rounds)
			if err != nil {
				return err
			}
			r.Words = append(r.Words, words...)
		}
	}
	if o.asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	r.print(out)
	return nil
}

func (r report) print(out io.Writer) {
	r.Machine.Print(out)
	fmt.Fprintf(out, "\n| tokens | generating | replaying | share | leaves | share | trace of the last step |\n|---|---|---|---|---|---|---|\n")
	for _, v := range r.Replays {
		fmt.Fprintf(out, "| %d | %.3f s | %.3f s | %.2f × | %.2f ms | %.2f %% | %.3f s |\n",
			v.Tokens, v.Generating, v.Replaying, v.Replaying/v.Generating, 1e3*v.Committing, 100*v.Committing/v.Generating, v.Tracing)
	}
	g := r.Game
	fmt.Fprintf(out, "\nA dispute: %d tokens after %d, the model that ships against its %s twin; the %s wins.\n\n", g.Answer, g.Prompt, g.Twin, g.Winner)
	fmt.Fprintf(out, "| moves | bytes in all | largest | generating | challenger's replay | accused | challenger | ledger | found |\n|---|---|---|---|---|---|---|---|---|\n")
	fmt.Fprintf(out, "| %d | %d | %d | %.3f s | %.3f s | %.3f s | %.3f s | %.1f ms | %s |\n\n",
		g.Moves, g.Bytes, g.Largest, g.Generating, g.Replaying, g.Accused, g.Challenger, 1e3*g.Ledger, g.Found)
	fmt.Fprintf(out, "| model | positions | operator | referee | largest move |\n|---|---|---|---|---|\n")
	for _, w := range r.Words {
		fmt.Fprintf(out, "| %s | %d | %s | %.1f µs | %.1f KiB |\n", w.Model, w.Positions, w.Operator, 1e6*w.Seconds, float64(w.Bytes)/1024)
	}
}
