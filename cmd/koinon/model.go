package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/quantize"
)

func newModelCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "model",
		Short: "Make, register, look up and move models",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newModelImportCommand(), newModelQuantizeCommand(), newModelConductCommand(), newModelPushCommand(), newModelPullCommand())
	cmd.AddCommand(newRegistryCommands()...)
	return cmd
}

// typeCopy asks for tensors as they are.
const typeCopy = "COPY"

// quantized is what `koinon model quantize` did.
type quantized struct {
	In      string          `json:"in"`
	Out     string          `json:"out"`
	Type    string          `json:"type"`
	Before  uint64          `json:"bytes_before"`
	After   uint64          `json:"bytes_after"`
	Tensors quantize.Report `json:"tensors"`
}

func newModelQuantizeCommand() *cobra.Command {
	var kind string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "quantize IN.gguf OUT.gguf --type TYPE",
		Short: "Store a model's matrices as another type, or merge a split model",
		Long: `Writes a copy of a GGUF file whose matrices are stored as another type: F32, F16,
BF16, Q8_0, Q6_K, Q5_K, Q4_K, Q4_0, TQ2_0, TQ1_0. Norms and biases stay F32; with
types of less than six bits the matrix that gives logits is Q6_K; a matrix whose
rows are no whole blocks of the type is Q8_0, or F16. Given the first file of a
split model it writes one; the type copy does only that, changing no bit of a
tensor. Errors are measured against what was read, so start from the best file.`,
		Example: `  koinon model quantize model-f16.gguf model-q4.gguf --type Q4_K
  koinon model quantize model-00001-of-00003.gguf model.gguf --type copy`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := quantized{In: args[0], Out: args[1], Type: strings.ToUpper(kind)}
			if q.Type != typeCopy {
				if _, err := gguf.ParseType(q.Type); err != nil {
					return usageError("--type: %w, and copy", err)
				}
			}
			if err := q.run(cmd.Context(), cmd.ErrOrStderr()); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), q)
			}
			return q.print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&kind, "type", "", "type of the matrices, or copy")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagRequired("type") // fails only for an unknown flag
	return cmd
}

func (q *quantized) run(ctx context.Context, talk io.Writer) error {
	f, err := gguf.Open(q.In)
	if err != nil {
		return err
	}
	defer f.Close()
	q.Before = f.Size()
	var w *gguf.Writer
	if q.Type == typeCopy {
		w = quantize.Merge(f)
	} else {
		kind, err := gguf.ParseType(q.Type)
		if err != nil {
			return err
		}
		w = quantize.File(f, kind)
	}
	w.Written = q.Tensors.Add
	q.After = w.Size()
	return writeModel(ctx, talk, w, q.Out, nil)
}

func (q *quantized) print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TENSOR\tTYPE\tCOUNT\tMEAN SQUARED ERROR\tOF THE SIGNAL")
	for _, p := range q.Tensors {
		fmt.Fprintf(table, "%s\t%s\t%d\t%.3g\t%.3g\n", p.Kind, p.Type, p.Tensors, p.MeanSquare, p.Relative)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s: %s, before %s\n", q.Out, megabytes(q.After), megabytes(q.Before))
	return err
}

func megabytes(n uint64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// writeModel writes a file that appears whole or not at all, and shows how far
// it is. Check, if there is one, sees the file before it has its name.
func writeModel(ctx context.Context, talk io.Writer, w *gguf.Writer, path string, check func(path string) error) (err error) {
	file, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o644))
	if err != nil {
		return fmt.Errorf("cannot write the model: %w", err)
	}
	defer func() { err = errors.Join(err, file.Cleanup()) }()
	bar := newBar(talk, w.Size())
	_, err = w.WriteTo(&writing{ctx: ctx, out: file, bar: bar})
	bar.end()
	if err != nil {
		return fmt.Errorf("cannot write the model: %w", err)
	}
	if check != nil {
		if err := check(file.Name()); err != nil {
			return err
		}
	}
	return file.CloseAtomicallyReplace()
}

// writing shows how much of a file is written. The end of its context ends the
// writing.
type writing struct {
	ctx context.Context
	out io.Writer
	bar *bar
}

func (w *writing) Write(data []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.out.Write(data)
	w.bar.at(w.bar.done+uint64(n), w.bar.total)
	return n, err
}
