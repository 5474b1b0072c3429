package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/engine/conduct"
	"github.com/koinon/koinon/internal/engine/gguf"
	rules "github.com/koinon/koinon/internal/mechanism/conduct"
)

// conductShown is what `koinon model conduct` prints as JSON.
type conductShown struct {
	File         string   `json:"file"`
	Digest       string   `json:"digest,omitempty"` // empty for none
	SystemPrompt string   `json:"system_prompt"`
	Filters      []string `json:"filters"`
}

func newModelConductCommand() *cobra.Command {
	var prompt string
	var filters []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "conduct IN.gguf [OUT.gguf]",
		Short: "Show how a model is told to behave, or write a copy that is told otherwise",
		Long: `Shows the system prompt and the safety filters in a model's file; with OUT, writes a
copy that has others. They are part of what a version is: its digest names them, every
conversation begins with them, and who leaves them out is caught as one who serves
other weights. The copy's tensors are the same, so that moving it moves little.`,
		Example: `  koinon model conduct bard.gguf
  koinon model conduct bard.gguf polite.gguf --system-prompt polite.txt --filter no-medical-advice
  koinon model register polite.gguf --name @ada/bard --model-version 1.1 --draft --from ada`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := gguf.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			if len(args) == 1 {
				if prompt != "" || len(filters) > 0 {
					return usageError("OUT.gguf: say where to write the copy that is told so")
				}
				c, err := conduct.Read(f)
				if err != nil {
					return err
				}
				return printConduct(cmd, args[0], c, asJSON)
			}
			c := rules.Conduct{Filters: slices.Compact(slices.Sorted(slices.Values(filters)))}
			if prompt != "" {
				text, err := os.ReadFile(prompt)
				if err != nil {
					return fmt.Errorf("--system-prompt: %w", err)
				}
				c.SystemPrompt = string(text)
			}
			w, err := conduct.File(f, c)
			if err != nil {
				return err
			}
			if err := writeModel(cmd.Context(), cmd.ErrOrStderr(), w, args[1], nil); err != nil {
				return err
			}
			return printConduct(cmd, args[1], c, asJSON)
		},
	}
	cmd.Flags().StringVar(&prompt, "system-prompt", "", "file of the system prompt")
	cmd.Flags().StringSliceVar(&filters, "filter", nil, "names of the safety filters that are on")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printConduct(cmd *cobra.Command, file string, c rules.Conduct, asJSON bool) error {
	shown := conductShown{File: file, SystemPrompt: c.SystemPrompt, Filters: append([]string{}, c.Filters...)}
	if !c.IsZero() {
		shown.Digest = c.Digest().String()
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), shown)
	}
	if c.IsZero() {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "it is told nothing")
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%q\nfilters %v\nconduct %s\n", c.SystemPrompt, c.Filters, shown.Digest)
	return err
}
