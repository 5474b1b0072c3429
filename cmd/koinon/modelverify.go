package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/mechanism/registry"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/receipt"
)

// verdict is what became of one manifest of a folder.
type verdict struct {
	Manifest string `json:"manifest"`
	File     string `json:"file"`
	Digest   string `json:"digest"`
	Model    string `json:"model,omitempty"`
	Status   string `json:"status,omitempty"`
	Owner    string `json:"owner,omitempty"`
	Valid    bool   `json:"valid"`
	Fault    string `json:"fault,omitempty"`
}

func newModelVerifyCommand() *cobra.Command {
	p := &purse{}
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Check a folder's weights against the ledger",
		Long: `Reads every manifest of a folder (NAME.manifest.json beside NAME.gguf), computes anew
what the weights are, every byte of them, and compares with the manifest and with what
the ledger has registered. Exit code 4: something does not agree.`,
		Example: "  koinon model verify ./models\n  koinon model verify . --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			manifests, err := filepath.Glob(filepath.Join(args[0], "*"+manifestSuffix))
			if err != nil {
				return err
			}
			if len(manifests) == 0 {
				return &exitError{exitNotFound, fmt.Errorf("%s has no *%s: koinon model register and koinon model import write one", args[0], manifestSuffix)}
			}
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			var list []verdict
			bad := 0
			for _, path := range manifests {
				fmt.Fprintf(cmd.ErrOrStderr(), "hashing the weights of %s\n", path)
				v, err := verify(cmd, c, path)
				if err != nil {
					return err
				}
				if !v.Valid {
					bad++
				}
				list = append(list, v)
			}
			if p.asJSON {
				err = printJSON(cmd.OutOrStdout(), list)
			} else {
				for _, v := range list {
					fmt.Fprintln(cmd.OutOrStdout(), v)
				}
			}
			if err == nil && bad > 0 {
				err = &exitError{exitInvalid, fmt.Errorf("%d of %d do not agree with the ledger", bad, len(list))}
			}
			return err
		},
	}
	p.flags(cmd)
	return cmd
}

// String is a verdict as people read it.
func (v verdict) String() string {
	if !v.Valid {
		return fmt.Sprintf("WRONG  %s: %s", v.File, v.Fault)
	}
	return fmt.Sprintf("valid  %s is %s, %s, %s, of %s", v.File, v.Model, v.Digest, v.Status, v.Owner)
}

// verify judges one manifest and the weights beside it. An error is of the asking,
// not of the model.
func verify(cmd *cobra.Command, c *client.Client, path string) (verdict, error) {
	v := verdict{Manifest: path, File: strings.TrimSuffix(path, manifestSuffix) + ".gguf"}
	wrong := func(err error) (verdict, error) { v.Fault = err.Error(); return v, nil }
	data, err := os.ReadFile(path)
	if err != nil {
		return v, err
	}
	m, err := weights.Decode(data)
	if err != nil {
		return wrong(err)
	}
	v.Digest = m.Digest().String()
	is, err := weights.Describe(v.File, weights.Card{Name: m.Name, Version: m.Version, License: m.License, Class: m.Class})
	if err != nil {
		return wrong(err)
	}
	if is != m {
		return wrong(fmt.Errorf("the file's digest is %s and its manifest says %s: it was changed, or belongs to another manifest", is.Digest(), v.Digest))
	}
	known, err := c.Version(cmd.Context(), v.Digest)
	if errors.Is(err, client.ErrNotFound) {
		return wrong(fmt.Errorf("%s@%s, %s, is not on the ledger: koinon model register %s", m.Name, m.Version, v.Digest, path))
	}
	if err != nil {
		return v, err
	}
	model, err := c.Model(cmd.Context(), known.Name)
	if err != nil {
		return v, err
	}
	v.Model, v.Status, v.Owner = known.Name+"@"+known.Version, registry.Status(known.Status).String(), model.Model.Owner
	if fault := disagreement(m, known); fault != "" {
		return wrong(errors.New(fault))
	}
	v.Valid = true
	return v, nil
}

// disagreement says where the ledger tells another story than the manifest, whose
// digest it has; "" if nowhere.
func disagreement(m weights.Manifest, v modelv1.Version) string {
	named := func(d receipt.Digest) string {
		if d.IsZero() {
			return ""
		}
		return d.String()
	}
	for _, f := range []struct{ field, manifest, ledger string }{
		{"name", m.Name, v.Name}, {"version", m.Version, v.Version}, {"class", m.Class, className(v.Class)}, {"licence", m.License, v.License},
		{"weights root", named(m.Root), v.WeightsRoot}, {"conduct", named(m.Conduct), v.Conduct}, {"size", fmt.Sprint(m.Weights.Size), fmt.Sprint(v.SizeBytes)},
		{"parameters", fmt.Sprint(m.Parameters), fmt.Sprint(v.Parameters)}, {"context length", fmt.Sprint(m.ContextLength), fmt.Sprint(v.ContextLength)},
	} {
		if f.manifest != f.ledger {
			return fmt.Sprintf("its %s is %q, on the ledger %q", f.field, f.manifest, f.ledger)
		}
	}
	return ""
}

// writeManifest writes a manifest, and the list of its blocks, beside a GGUF file,
// each whole or not at all.
func writeManifest(file string, m weights.Manifest, tree []byte) error {
	list := strings.TrimSuffix(file, filepath.Ext(file)) + weights.TreeEnding
	if err := errors.Join(renameio.WriteFile(list, tree, 0o644), renameio.WriteFile(manifestPath(file), m.Bytes(), 0o644)); err != nil {
		return fmt.Errorf("cannot write the manifest: %w", err)
	}
	return nil
}
