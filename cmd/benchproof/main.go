// Command benchproof measures what proof of inference costs: the time to verify
// an answer beside the time to generate it, and bytes on the wire. docs/proof.md
// has what it found.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/machine"
	"github.com/koinon/koinon/internal/measure"
)

// options are a run's flags.
type options struct {
	gguf    string
	cache   string
	lengths []int
	prompt  int
	threads int
	rounds  int
	asJSON  bool
}

func main() { measure.Run(newCommand()) }

func newCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "benchproof",
		Short: "Measure what verifying an answer costs beside generating it",
		Long: `Generates answers of several lengths, one at a time, and verifies each in one
teacher-forced pass with the same weights and threads, in turns; the least of the
rounds counts. Then the bytes that receipts and their openings take.

Progress goes to standard error. Exit codes: 0 measured, whether the aims are
met or not, 1 failed, 2 wrong usage.`,
		Example: `  go run ./cmd/benchproof
  go run ./cmd/benchproof --gguf bin/bench-engine/50M-Q8_0.gguf --lengths 64,256 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.threads < 1 || o.rounds < 1 || o.prompt < 1 || len(o.lengths) == 0 {
				return fmt.Errorf("%w: --threads, --rounds, --prompt-tokens and --lengths: one at least", measure.ErrUsage)
			}
			return bench(cmd.Context(), o, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.gguf, "gguf", "", "model to measure with (default the one that ships)")
	f.StringVar(&o.cache, "cache", "bin/bench-proof", "folder of the model with a longer context")
	f.IntSliceVar(&o.lengths, "lengths", []int{64, 256, 1024, 4096}, "tokens of an answer")
	f.IntVar(&o.prompt, "prompt-tokens", 128, "tokens of a prompt")
	f.IntVar(&o.threads, "threads", 2, "threads")
	f.IntVar(&o.rounds, "rounds", 3, "rounds")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	return cmd
}

// report is everything that was measured.
type report struct {
	Machine       machine.Machine `json:"machine"`
	Model         string          `json:"model"`
	Parameters    uint64          `json:"parameters"`
	Quantisation  string          `json:"quantisation"`
	Verifications []verification  `json:"verifications"`
	Bytes         []size          `json:"bytes"`
}

func bench(ctx context.Context, o options, out io.Writer) error {
	began := time.Now()
	progress := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%6s  %s …\n", time.Since(began).Round(time.Second), fmt.Sprintf(format, args...))
	}
	m, err := o.load()
	if err != nil {
		return err
	}
	r := report{Machine: machine.This(), Model: m.Name, Parameters: m.Parameters, Quantisation: m.Quantization}
	for _, n := range o.lengths {
		progress("answers of %d tokens", n)
		v, err := o.verify(ctx, m, n)
		if err != nil {
			return err
		}
		r.Verifications, r.Bytes = append(r.Verifications, v), append(r.Bytes, sizeOf(o.prompt, v.Tokens))
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
	fmt.Fprintf(out, "\n%s, %.1f million parameters, %s\n\n", r.Model, float64(r.Parameters)/1e6, r.Quantisation)
	fmt.Fprintf(out, "| tokens | generating | verifying | share | of the network at an audit rate of 2 %% | a committee's 32 positions | share |\n|---|---|---|---|---|---|---|\n")
	for _, v := range r.Verifications {
		fmt.Fprintf(out, "| %d | %.3f s | %.3f s | %.2f × | %.2f %% | %.3f s | %.2f × |\n", v.Tokens, v.Generating, v.Verifying, v.Verifying/v.Generating, 2*v.Verifying/v.Generating,
			v.Judging, v.Judging/v.Generating)
	}
	fmt.Fprintf(out, "\n| tokens | receipt | committed log-probabilities | tokens for an auditor | TOPLOC's proof |\n|---|---|---|---|---|\n")
	for _, b := range r.Bytes {
		fmt.Fprintf(out, "| %d | %d B | %d B | %d B | %d B |\n", b.Tokens, b.Receipt, b.Logprobs, b.Opening, b.Toploc)
	}
}
