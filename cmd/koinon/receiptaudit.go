package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/auditor/judge"
	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/proof"
	"github.com/koinon/koinon/internal/proof/party"
	"github.com/koinon/koinon/internal/proof/statistical"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/receipt"
)

// audit is one receipt to be audited with a model's file.
type audit struct {
	gguf, manifest string
	threads        int
}

// audited is what came of it.
type audited struct {
	Receipt receipt.Digest `json:"receipt"`
	Model   receipt.Digest `json:"model"`
	// Known says that the file is the one that the receipt's model version names.
	Known bool `json:"file_is_the_version"`
	proof.Finding
	Milliseconds int64 `json:"milliseconds"`
}

func newReceiptAuditCommand() *cobra.Command {
	var a audit
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "audit FILE --gguf MODEL",
		Short: "Compute an answer again, and say where it is not what its receipt states",
		Long: `Takes a receipt with its transcript (koinon call --save, or koinon receipt show
--json where the gateway keeps them), computes prompt and answer in one pass with
the model's file, and compares every step with what the provider committed to and
every token with what the sampler draws. Exits 4 if the answer is refuted, saying
the first step that differs and why, and 5 if it cannot be judged.

Of the statistical class, whose engines' bits differ, an answer is scored by what
honest ones were measured to be like (docs/proof.md): it is upheld, or suspicious,
which exits 5; only many suspicious answers convict.

That MODEL is the version's file is known from its manifest; without --manifest,
from the file itself where name and license in it are those of the version.`,
		Example: `  koinon call "Sing, O goddess," --pay-from bob --save answer.json
  koinon receipt audit answer.json --gguf model.gguf
  koinon receipt audit answer.json --gguf model.gguf --manifest model.manifest.json --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			records, err := readRecords(args[0])
			if err != nil {
				return err
			}
			result, err := a.run(cmd.Context(), records[len(records)-1], cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if asJSON {
				if err := printJSON(cmd.OutOrStdout(), result); err != nil {
					return err
				}
			}
			return result.conclude(cmd.OutOrStdout(), asJSON, a.gguf)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&a.gguf, "gguf", "", "model file")
	_ = cmd.MarkFlagRequired("gguf") // fails only for an unknown flag
	flags.StringVar(&a.manifest, "manifest", "", "the version's manifest, to make sure that this is its file")
	flags.IntVar(&a.threads, "threads", runtime.NumCPU(), "threads")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a audit) run(ctx context.Context, record receipt.Record, talk io.Writer) (audited, error) {
	r := record.Receipt
	result := audited{Receipt: r.Hash(), Model: r.Model}
	if record.Transcript == nil {
		return result, usageError("the file has no transcript, so that nobody can compute the answer again: save it with koinon call --save")
	}
	if err := r.Verify(); err != nil {
		return result, &exitError{exitInvalid, fmt.Errorf("the receipt is not valid: %w", err)}
	}
	var err error
	if result.Known, err = a.identify(r); err != nil {
		return result, err
	}
	fmt.Fprintf(talk, "computing %d tokens of prompt and %d of answer again …\n", r.PromptTokens, r.CompletionTokens)
	m, err := engine.Load(a.gguf)
	if err != nil {
		return result, err
	}
	began := time.Now()
	if r.Class == receipt.Statistical {
		result.Finding, err = a.weigh(m, r, *record.Transcript)
	} else {
		result.Finding, err = proof.Exact(ctx, m, r, *record.Transcript, a.threads)
	}
	result.Milliseconds = time.Since(began).Milliseconds()
	return result, err
}

// weigh scores an answer of the statistical class by the measured profiles.
func (a audit) weigh(m *engine.Model, r receipt.Receipt, t receipt.Transcript) (proof.Finding, error) {
	profiles, err := statistical.Measured()
	if err != nil {
		return proof.Finding{}, err
	}
	is, err := weights.Describe(a.gguf, weights.Card{Version: "1", Class: r.Class})
	if err != nil {
		return proof.Finding{}, err
	}
	return judge.Weigh(profiles, is.Name, is.Quantization, party.Weights{Model: m}, r, t, a.threads)
}

// identify says whether the file is known to be that of the receipt's version.
func (a audit) identify(r receipt.Receipt) (bool, error) {
	if a.manifest == "" {
		m, err := weights.Describe(a.gguf, weights.Card{Version: "1", Class: r.Class})
		return err == nil && m.Digest() == r.Model, nil // another card may describe it
	}
	data, err := os.ReadFile(a.manifest)
	if err != nil {
		return false, &exitError{exitNotFound, fmt.Errorf("cannot read the manifest: %w", err)}
	}
	m, err := weights.Decode(data)
	if err != nil {
		return false, err
	}
	if m.Digest() != r.Model {
		return false, fmt.Errorf("%s is the manifest of %s; the receipt is of %s", a.manifest, m.Digest(), r.Model)
	}
	is, err := weights.Describe(a.gguf, weights.Card{Name: m.Name, Version: m.Version, License: m.License, Class: m.Class})
	if err != nil {
		return false, err
	}
	if is.Digest() != m.Digest() {
		return false, fmt.Errorf("%s is not the file of the manifest: its SHA-256 is %s, not %s", a.gguf, is.Weights.SHA256, m.Weights.SHA256)
	}
	return true, nil
}

// conclude says what was found, in the exit code, too.
func (a audited) conclude(w io.Writer, quiet bool, file string) error {
	reason := a.Reason
	if a.Verdict == proof.Refuted && !a.Known {
		reason += fmt.Sprintf(" That %s is the file of %s is not known: give --manifest.", file, a.Model)
	}
	switch a.Verdict {
	case proof.Upheld:
		if !quiet {
			fmt.Fprintf(w, "upheld: %s\n", reason)
		}
		return nil
	case proof.Refuted:
		return &exitError{exitInvalid, fmt.Errorf("refuted: %s", reason)}
	}
	return &exitError{exitInconclusive, fmt.Errorf("inconclusive: %s", reason)}
}
