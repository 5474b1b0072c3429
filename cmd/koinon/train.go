package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/trainer"
)

func newTrainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Make a model",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTrainLocalCommand())
	return cmd
}

// cardSample is how many tokens of each voice a model card shows.
const cardSample = 120

func newTrainLocalCommand() *cobra.Command {
	var config trainer.Config
	var card string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "local --text FILE… --out MODEL.gguf",
		Short: "Train a small model from text on this machine",
		Long: `Learns a vocabulary and a small Llama-architecture model from text files and
writes it as GGUF. The same texts, settings and seed give the same weights bit
for bit, on any processor and number of threads.

The last tenth of each text is held out to measure the result. Ctrl-C leaves a
checkpoint beside the model; the same command continues from there.`,
		Example: `  koinon train local --text shakespeare.txt --text kjv.txt --out voices.gguf
  koinon train local --text notes.txt --out notes.gguf --dim 128 --steps 500 --card CARD.md`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if card != "" {
				config.SampleTokens = cardSample
			}
			talk := progress{out: cmd.ErrOrStderr(), terminal: isTerminal(cmd.ErrOrStderr())}
			summary, err := trainer.Run(cmd.Context(), config, talk.report)
			talk.end()
			if err != nil {
				return err
			}
			if card != "" {
				if err := writeCard(card, trainer.Card{Config: config, Summary: summary, Command: commandLine(os.Args)}); err != nil {
					return err
				}
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(summary)
			}
			return printSummary(cmd.OutOrStdout(), config.Out, summary)
		},
	}
	f, a := cmd.Flags(), &config.Architecture
	f.StringArrayVar(&config.Texts, "text", nil, "UTF-8 text to learn from; repeat for more")
	f.StringVar(&config.Out, "out", "", "GGUF file to write")
	f.StringVar(&config.Start, "start", "", "model to train further, of format F32: its vocabulary and shape, but for --context, are kept")
	f.StringVar(&config.Name, "name", "", "model's name (default that of the file)")
	f.StringVar(&config.License, "license", "CC0-1.0", "SPDX identifier of the weights' licence")
	f.StringVar(&config.Format, "format", "Q8_0", "how matrices are stored: Q8_0, F16 or F32")
	f.StringVar(&card, "card", "", "also write a model card, with samples, to this file")
	f.IntVar(&config.Steps, "steps", 3000, "steps of the learning-rate schedule")
	f.IntVar(&config.StopAfter, "stop-after", 0, "end at this step of the schedule and export (default its last)")
	f.IntVar(&config.Batch, "batch", 4, "windows a step")
	f.Float64Var(&config.Rate, "rate", 0.003, "peak learning rate")
	f.Uint64Var(&config.Seed, "seed", 1, "fixes the start and the order of the texts")
	f.IntVar(&a.Vocab, "vocab", 4096, "tokens in the vocabulary")
	f.IntVar(&a.Context, "context", 512, "tokens in a window")
	f.IntVar(&a.Dim, "dim", 192, "width of the model")
	f.IntVar(&a.Layers, "layers", 6, "layers")
	f.IntVar(&a.Heads, "heads", 6, "attention heads")
	f.IntVar(&a.KVHeads, "kv-heads", 3, "key-value heads that they share")
	f.IntVar(&a.Hidden, "hidden", 512, "width of the feed-forward layers")
	f.IntVar(&config.Threads, "threads", 0, "threads, without effect on the outcome (default all)")
	f.StringVar(&config.Checkpoint, "checkpoint", "", "where to keep an unfinished run (default the model's file with .checkpoint)")
	f.IntVar(&config.Every, "checkpoint-every", 100, "steps between checkpoints")
	f.BoolVar(&asJSON, "json", false, "print the summary as JSON")
	for _, name := range []string{"text", "out"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flag is defined above
		}
	}
	return cmd
}

// progress shows a run's progress: one line that renews itself on a terminal,
// elsewhere a line now and then, for logs.
type progress struct {
	out      io.Writer
	terminal bool
	loss     float64 // smoothed, as single steps jump about
	shown    time.Time
}

func (p *progress) report(now trainer.Progress) {
	if p.loss == 0 {
		p.loss = now.Loss
	}
	p.loss += (now.Loss - p.loss) / 20
	pause := 10 * time.Second
	if p.terminal {
		pause = time.Second / 5
	}
	if time.Since(p.shown) < pause && now.Step < now.Steps {
		return
	}
	p.shown = time.Now()
	const width = 30
	done := width * now.Step / now.Steps
	line := fmt.Sprintf("%s%s %d/%d  loss %.3f  %.0f tokens/s  %s left",
		strings.Repeat("█", done), strings.Repeat("░", width-done), now.Step, now.Steps,
		p.loss, now.TokensPerSecond, now.Remaining.Round(time.Second))
	if p.terminal {
		fmt.Fprintf(p.out, "\r\x1b[K%s", line)
	} else {
		fmt.Fprintln(p.out, line)
	}
}

// end leaves the line that report renews.
func (p *progress) end() {
	if p.terminal && !p.shown.IsZero() {
		fmt.Fprintln(p.out)
	}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	stat, err := file.Stat()
	return err == nil && stat.Mode()&os.ModeCharDevice != 0
}

func printSummary(w io.Writer, file string, s trainer.Summary) error {
	fmt.Fprintf(w, "%s: %d parameters after %d steps, %d tokens in %s\n", file, s.Parameters, s.Steps, s.Tokens, s.Elapsed.Round(time.Second))
	for _, name := range s.Names() {
		h := s.HeldOut[name]
		if _, err := fmt.Fprintf(w, "  held out of %-20s %.3f bits a byte, %.3f nats a token\n", name, h.BitsPerByte, h.NatsPerToken); err != nil {
			return err
		}
	}
	return nil
}

func writeCard(file string, card trainer.Card) error {
	var text strings.Builder
	if err := card.Write(&text); err != nil {
		return fmt.Errorf("cannot write the model card: %w", err)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("cannot write the model card: %w", err)
	}
	return nil
}

// commandLine is args as one would type them, the program by its name alone.
func commandLine(args []string) string {
	words := append([]string{"koinon"}, args[1:]...)
	for i, word := range words {
		if strings.ContainsAny(word, " \t\n'\"$\\*?[](){}<>|&;#~`") {
			words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
