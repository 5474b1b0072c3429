package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/tensor"
)

func newEngineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "engine",
		Short: "Compute with a model file, alone: no ledger, no payment",
		Long: `Runs the reference engine on a GGUF file. What it computes is the same to the
bit on every machine; spec/engine.md says how.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newEngineTokenizeCommand(), newEngineScoreCommand(), newEngineDigestCommand(), newEngineServeCommand(), newEngineBenchCommand())
	return cmd
}

// prompted is a model file and a text for it.
type prompted struct {
	gguf, file string
	threads    int
	special    bool
}

func (p *prompted) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.gguf, "gguf", "", "model file")
	cmd.Flags().BoolVar(&p.special, "special", false, "take names of control tokens in the text for those tokens")
	_ = cmd.MarkFlagRequired("gguf") // fails only for an unknown flag
}

func (p *prompted) promptFlags(cmd *cobra.Command) {
	p.flags(cmd)
	cmd.Flags().StringVar(&p.file, "prompt-file", "-", "text; - for standard input")
	cmd.Flags().IntVar(&p.threads, "threads", runtime.NumCPU(), "threads")
}

// read reads the text and encodes it.
func (p *prompted) read(cmd *cobra.Command, v *engine.Vocabulary) ([]int32, error) {
	var text []byte
	var err error
	if p.file == "-" || p.file == "" {
		text, err = io.ReadAll(cmd.InOrStdin())
	} else {
		text, err = os.ReadFile(p.file)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the text: %w", err)
	}
	if p.special {
		return v.Encode(string(text), true), nil
	}
	return v.Prompt(string(text)), nil
}

// load loads the model and encodes the text.
func (p *prompted) load(cmd *cobra.Command) (*engine.Model, []int32, error) {
	m, err := engine.Load(p.gguf)
	if err != nil {
		return nil, nil, err
	}
	tokens, err := p.read(cmd, m.Vocabulary)
	return m, tokens, err
}

func newEngineTokenizeCommand() *cobra.Command {
	var p prompted
	cmd := &cobra.Command{
		Use:   "tokenize --gguf FILE",
		Short: "Turn a text into token ids, one JSON array",
		Example: `  koinon engine tokenize --gguf model.gguf < prompt.txt
  echo -n "Once more" | koinon engine tokenize --gguf model.gguf`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := engine.OpenVocabulary(p.gguf)
			if err != nil {
				return err
			}
			ids, err := p.read(cmd, v)
			if err != nil {
				return err
			}
			if ids == nil {
				ids = []int32{}
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(ids)
		},
	}
	p.flags(cmd)
	return cmd
}

func newEngineScoreCommand() *cobra.Command {
	var p prompted
	var top int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "score --gguf FILE",
		Short: "Say how likely each token of a text is, given those before it",
		Example: `  koinon engine score --gguf model.gguf --prompt-file sonnet.txt --top 3
  koinon engine score --gguf model.gguf --json < sonnet.txt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, tokens, err := p.load(cmd)
			if err != nil {
				return err
			}
			scored, err := m.ScoreTop(tokens, top, p.threads)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), scored)
			}
			return printScores(cmd.OutOrStdout(), m, scored)
		},
	}
	p.promptFlags(cmd)
	cmd.Flags().IntVar(&top, "top", 0, "also the most likely tokens in the place of each")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printScores(w io.Writer, m *engine.Model, scored []engine.ScoredToken) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tLOGPROB\tTEXT\tMOST LIKELY")
	var sum float64
	for _, s := range scored {
		logprob := "-"
		if s.Logprob != nil {
			logprob = fmt.Sprintf("%.4f", *s.Logprob)
			sum += float64(*s.Logprob)
		}
		fmt.Fprintf(table, "%d\t%s\t%q\t", s.ID, logprob, m.Piece(s.ID))
		for _, t := range s.Top {
			fmt.Fprintf(table, "%q %.4f  ", m.Piece(t.ID), t.Logprob)
		}
		fmt.Fprintln(table)
	}
	fmt.Fprintf(table, "\t%.4f\tin all\t\n", sum)
	return table.Flush()
}

func newEngineDigestCommand() *cobra.Command {
	var p prompted
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "digest --gguf FILE",
		Short: "Digest the logits after a text, to compare with another machine's",
		Example: `  koinon engine digest --gguf model.gguf --prompt-file prompt.txt
  koinon engine digest --gguf model.gguf --json < prompt.txt    # after every token`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, tokens, err := p.load(cmd)
			if err != nil {
				return err
			}
			digests, err := m.DigestLogits(tokens, p.threads)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]any{"kernel": tensor.Kernel(), "tokens": tokens, "digests": digests})
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "after %d tokens, with %s kernels:\n", len(tokens), tensor.Kernel())
			fmt.Fprintln(cmd.OutOrStdout(), digests[len(digests)-1])
			return nil
		},
	}
	p.promptFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with the digest after every token")
	return cmd
}
