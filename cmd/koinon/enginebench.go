package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/machine"
	"github.com/koinon/koinon/internal/tensor"
)

// benchBudget is how long one number may take: with its warm-up, the longest run
// of the defaults stays within a minute.
const benchBudget = 6 * time.Second

// engineBench is what is to be measured.
type engineBench struct {
	gguf             string
	prompt, generate int
	batches          []int
	threads          int
}

// benchReport is what was measured. Rates are of all texts of a batch together.
type benchReport struct {
	Machine      machine.Machine `json:"machine"`
	Threads      int             `json:"threads"`
	File         string          `json:"file"`
	FileBytes    int64           `json:"file_bytes"`
	Quantization string          `json:"quantization"`
	Parameters   uint64          `json:"parameters"`
	// Peak are multiplications with their addition per second, with weights of
	// this type in the nearest cache; Bandwidth bytes read from memory per second.
	Peak      float64       `json:"peak_multiply_adds_per_second"`
	Bandwidth float64       `json:"bandwidth_bytes_per_second"`
	Prefill   prefillSpeed  `json:"prefill"`
	Decode    []decodeSpeed `json:"decode"`
	// PeakMemory is all that the process had in RAM, 0 where the system does not
	// say; of that Program what it had before it opened the file and what it read
	// of its own code and tables since, and KVBytes what keys and values took at
	// most.
	PeakMemory uint64 `json:"peak_memory_bytes"`
	Program    uint64 `json:"program_bytes"`
	KVBytes    int    `json:"kv_bytes"`
}

type prefillSpeed struct {
	Tokens          int     `json:"tokens"`
	TokensPerSecond float64 `json:"tokens_per_second"`
	ShareOfPeak     float64 `json:"share_of_peak"`
}

type decodeSpeed struct {
	Batch            int     `json:"batch"`
	Tokens           int     `json:"tokens"`
	TokensPerSecond  float64 `json:"tokens_per_second"`
	ShareOfPeak      float64 `json:"share_of_peak"`
	ShareOfBandwidth float64 `json:"share_of_bandwidth"`
}

func newEngineBenchCommand() *cobra.Command {
	var b engineBench
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench --gguf FILE",
		Short: "Measure how fast this machine computes with a model",
		Long: `Measures tokens per second of taking in a prompt (prefill) and of continuing
texts side by side (decode), without sampling; the most memory that took; and
the share of what the machine could do: of its multiplications with an addition,
measured with weights in the nearest cache, and of its memory's bandwidth, as a
step reads all weights once. Each number takes a few seconds; large models are
measured on fewer tokens.`,
		Example: `  koinon engine bench --gguf model.gguf
  koinon engine bench --gguf model.gguf --batch 1,4 --threads 2 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := b.run(cmd.Context(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), r)
			}
			return r.print(cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&b.gguf, "gguf", "", "model file")
	_ = cmd.MarkFlagRequired("gguf") // fails only for an unknown flag
	flags.IntVar(&b.prompt, "prompt", 512, "tokens of the prompt; cut to what the context holds")
	flags.IntVar(&b.generate, "generate", 128, "tokens to add to each text")
	flags.IntSliceVar(&b.batches, "batch", []int{1, 8, 32}, "numbers of texts continued side by side")
	flags.IntVar(&b.threads, "threads", runtime.NumCPU(), "threads")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// check names the flag that makes no sense.
func (b *engineBench) check() error {
	if b.prompt < 1 || b.generate < 1 {
		return usageError("--prompt and --generate must be at least 1")
	}
	if b.threads < 1 || b.threads > 1024 {
		return usageError("--threads %d: 1 to 1024 are possible", b.threads)
	}
	for _, n := range b.batches {
		if n < 1 || n > 1024 {
			return usageError("--batch %d: 1 to 1024 are possible", n)
		}
	}
	return nil
}

// run measures the machine last: what that takes is not the engine's.
func (b *engineBench) run(ctx context.Context, talk io.Writer) (benchReport, error) {
	r := benchReport{Machine: machine.This(), Threads: b.threads, File: b.gguf}
	if err := b.check(); err != nil {
		return r, err
	}
	info, err := os.Stat(b.gguf)
	if err != nil {
		return r, fmt.Errorf("cannot read the model: %w", err)
	}
	fmt.Fprintln(talk, "loading the model …")
	r.Program = machine.PeakMemory() - machine.ProgramPages()
	m, err := engine.Load(b.gguf)
	if err != nil {
		return r, err
	}
	r.FileBytes, r.Quantization, r.Parameters = info.Size(), m.Quantization, m.Parameters
	b.generate = min(b.generate, max(1, m.ContextLength/2))
	b.prompt = min(b.prompt, m.ContextLength-b.generate)

	fmt.Fprintln(talk, "prefill …")
	prefill, err := b.prefill(m, &r)
	if err != nil {
		return r, err
	}
	decode := make([]engine.Spent, len(b.batches))
	for i, n := range b.batches {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		fmt.Fprintf(talk, "decode, batch %d …\n", n)
		if decode[i], err = b.decode(m, n, &r); err != nil {
			return r, err
		}
	}
	r.PeakMemory = machine.PeakMemory()
	r.Program += machine.ProgramPages()

	fmt.Fprintln(talk, "the machine …")
	r.Peak, r.Bandwidth = tensor.PeakRate(m.Format(), b.threads), tensor.ReadRate(b.threads)
	cost := m.Cost()
	r.Prefill = prefillSpeed{prefill.Tokens, prefill.Rate(), prefill.Rate() * float64(cost.Layers) / r.Peak}
	for i, n := range b.batches {
		rate := decode[i].Rate()
		r.Decode = append(r.Decode, decodeSpeed{
			Batch: n, Tokens: decode[i].Tokens, TokensPerSecond: rate,
			ShareOfPeak:      rate * float64(cost.Layers+cost.Output) / r.Peak,
			ShareOfBandwidth: rate / float64(n) * float64(cost.Bytes) / r.Bandwidth,
		})
	}
	return r, nil
}

func (b *engineBench) prefill(m *engine.Model, r *benchReport) (engine.Spent, error) {
	p, err := m.NewPace(1, b.prompt, b.threads)
	if err != nil {
		return engine.Spent{}, err
	}
	if _, err := p.Prefill(b.prompt, benchBudget/4); err != nil { // memory is touched for the first time
		return engine.Spent{}, err
	}
	spent, err := p.Prefill(b.prompt, benchBudget)
	r.KVBytes = max(r.KVBytes, p.Bytes())
	return spent, err
}

func (b *engineBench) decode(m *engine.Model, batch int, r *benchReport) (engine.Spent, error) {
	debug.FreeOSMemory() // the keys and values of the batch before
	start := max(1, b.prompt/batch)
	p, err := m.NewPace(batch, start+b.generate, b.threads)
	if err != nil {
		return engine.Spent{}, err
	}
	if _, err := p.Prefill(start, benchBudget); err != nil {
		return engine.Spent{}, err
	}
	spent, err := p.Decode(b.generate, benchBudget)
	r.KVBytes = max(r.KVBytes, p.Bytes())
	return spent, err
}

func (r benchReport) print(w io.Writer) error {
	r.Machine.Print(w)
	fmt.Fprintf(w, "model    %s, %.1f million parameters, %s, %.1f MB\n", r.File, float64(r.Parameters)/1e6, r.Quantization, float64(r.FileBytes)/1e6)
	fmt.Fprintf(w, "peak     %.1f thousand million multiply-adds and %.1f GB read per second, with %d threads\n\n", r.Peak/1e9, r.Bandwidth/1e9, r.Threads)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tBATCH\tTOKENS\tTOKENS/S\tOF MULTIPLY-ADDS\tOF BANDWIDTH\t")
	fmt.Fprintf(table, "prefill\t1\t%d\t%.1f\t%.0f %%\t\t\n", r.Prefill.Tokens, r.Prefill.TokensPerSecond, 100*r.Prefill.ShareOfPeak)
	for _, d := range r.Decode {
		fmt.Fprintf(table, "decode\t%d\t%d\t%.1f\t%.0f %%\t%.0f %%\t\n", d.Batch, d.Tokens, d.TokensPerSecond, 100*d.ShareOfPeak, 100*d.ShareOfBandwidth)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if r.PeakMemory == 0 {
		return nil
	}
	own, needed := float64(r.PeakMemory-r.Program), float64(r.FileBytes)+float64(r.KVBytes)
	_, err := fmt.Fprintf(w, "\nmemory   %.1f MB at most beside the program's own %.1f MB: the file, %.1f MB of keys and values, and %+.0f %%\n",
		own/1e6, float64(r.Program)/1e6, float64(r.KVBytes)/1e6, 100*(own/needed-1))
	return err
}
