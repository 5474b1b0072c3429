package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/huggingface"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/receipt"
)

// imported is what `koinon model import` did.
type imported struct {
	File         string   `json:"file"`
	Manifest     string   `json:"manifest"`
	Digest       string   `json:"digest"` // of the manifest
	Root         string   `json:"root"`   // over the rows of the weights
	Name         string   `json:"name"`
	Version      string   `json:"version"`
	License      string   `json:"license"`
	Architecture string   `json:"architecture"`
	Type         string   `json:"type"` // of most weights
	Parameters   uint64   `json:"parameters"`
	Context      uint32   `json:"context_length"`
	Bytes        uint64   `json:"bytes"`
	Notes        []string `json:"notes,omitempty"`
}

// typeAuto keeps matrices as they are stored.
const typeAuto = "AUTO"

func newModelImportCommand() *cobra.Command {
	var o huggingface.Options
	var out, kind string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "import DIR",
		Short: "Turn a Hugging Face folder into a GGUF file and its manifest",
		Long: `Reads a model as transformers saves it (config.json, tokenizer.json,
model.safetensors or its parts) and writes it as llama.cpp and koinon read it.
Architectures: Llama, Mistral, Qwen2 and Qwen3. Matrices stay as they are stored
unless --type says otherwise (see koinon model quantize). The manifest beside the
file names the model version that koinon provide would register. The written file
is loaded as a check before it gets its name.`,
		Example: `  koinon model import ./SmolLM2-135M-Instruct
  koinon model import ./Qwen3-0.6B --type Q8_0 --out qwen3.gguf --license Apache-2.0
  koinon model import ./my-finetune --pre llama-bpe --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if kind = strings.ToUpper(kind); kind != typeAuto {
				t, err := gguf.ParseType(kind)
				if err != nil {
					return usageError("--type: %w, and auto", err)
				}
				o.Type = &t
			}
			if out == "" {
				whole, err := filepath.Abs(args[0])
				if err != nil {
					return err
				}
				out = filepath.Base(whole) + ".gguf"
			}
			result, err := importModel(cmd.Context(), cmd.ErrOrStderr(), args[0], out, o)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), result)
			}
			return result.print(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&out, "out", "", "GGUF file to write (default the folder's name, here)")
	f.StringVar(&kind, "type", "auto", "type of the matrices: F32, F16, BF16, Q8_0, Q6_K, Q5_K, Q4_K, Q4_0, TQ2_0, TQ1_0; auto keeps them")
	f.StringVar(&o.License, "license", "", "SPDX identifier (default that of the folder's README.md)")
	f.StringVar(&o.Name, "name", "", "model's name (default the folder's)")
	f.StringVar(&o.Pre, "pre", "", "pre-tokenizer, as llama.cpp names it (default the one that is recognised)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func importModel(ctx context.Context, talk io.Writer, dir, out string, o huggingface.Options) (imported, error) {
	began := time.Now()
	folder, err := huggingface.Open(dir, o)
	if err != nil {
		return imported{}, err
	}
	defer folder.Close()
	if folder.License == "" {
		return imported{}, usageError("%s does not say the licence: give --license SPDX, such as Apache-2.0 or LicenseRef-NAME", filepath.Join(dir, "README.md"))
	}
	for _, note := range folder.Notes {
		fmt.Fprintf(talk, "note: %s\n", note)
	}
	w, err := folder.Writer()
	if err != nil {
		return imported{}, err
	}
	var m weights.Manifest
	var tree []byte
	err = writeModel(ctx, talk, w, out, func(path string) (err error) {
		if time.Since(began) > 2*time.Second {
			fmt.Fprintln(talk, "written; loading and hashing it")
		}
		if _, err := engine.Load(path); err != nil {
			return fmt.Errorf("what was written cannot be loaded: %w", err)
		}
		m, tree, err = weights.DescribeTree(path, weights.Card{Version: "1", Class: receipt.Exact})
		return err
	})
	if err != nil {
		return imported{}, err
	}
	if err := writeManifest(out, m, tree); err != nil {
		return imported{}, err
	}
	return imported{
		File: out, Manifest: manifestPath(out), Digest: m.Digest().String(), Root: m.Root.String(), Name: m.Name, Version: m.Version, License: m.License, Architecture: m.Architecture,
		Type: m.Quantization, Parameters: m.Parameters, Context: m.ContextLength, Bytes: m.Weights.Size, Notes: folder.Notes,
	}, nil
}

func (i imported) print(out io.Writer) error {
	_, err := fmt.Fprintf(out, "%s: %s %s, %.2f million parameters, mostly %s, %s, context %d, %s\n%s: %s@%s\n%s\nweights root %s\n",
		i.File, i.Architecture, i.Name, float64(i.Parameters)/1e6, i.Type, megabytes(i.Bytes), i.Context, i.License, i.Manifest, i.Name, i.Version, i.Digest, i.Root)
	return err
}
