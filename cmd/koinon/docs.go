package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newDocsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:    "docs",
		Short:  "Write what is generated of the documentation",
		Hidden: true, // for whoever builds koinon, or packages it
		Args:   cobra.NoArgs,
		RunE:   func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "man DIR", Short: "Write a manual page for every command", Args: cobra.ExactArgs(1),
			Example: "  koinon docs man /usr/share/man/man1",
			RunE: func(cmd *cobra.Command, args []string) error {
				if err := os.MkdirAll(args[0], 0o755); err != nil {
					return err
				}
				release := time.Unix(0, 0) // the same pages whenever they are made
				return doc.GenManTree(documented(cmd.Root()), &doc.GenManHeader{Section: "1", Source: "koinon " + version, Manual: "koinon", Date: &release}, args[0])
			},
		},
		&cobra.Command{
			Use: "reference DIR", Short: "Write the reference of commands and metrics as Markdown", Args: cobra.ExactArgs(1),
			Example: "  HOME='~' koinon docs reference docs/reference",
			RunE: func(cmd *cobra.Command, args []string) error {
				if err := os.MkdirAll(args[0], 0o755); err != nil {
					return err
				}
				for name, write := range references() {
					var b bytes.Buffer
					if err := write(&b); err != nil {
						return err
					}
					if err := renameio.WriteFile(filepath.Join(args[0], name), b.Bytes(), 0o644); err != nil {
						return err
					}
				}
				return nil
			},
		},
	)
	return cmd
}

// references are the generated pages of docs/reference, by their names.
func references() map[string]func(io.Writer) error {
	return map[string]func(io.Writer) error{
		"cli.md":     func(w io.Writer) error { return writeCLI(w, documented(newRootCommand())) },
		"metrics.md": writeMetrics,
	}
}

// documented is the tree of commands that pages are made of: without those of the
// ledger's modules, which are as many again and follow the protobuf files.
func documented(root *cobra.Command) *cobra.Command {
	root.DisableAutoGenTag = true
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "query" || c.Name() == "tx" {
			c.RemoveCommand(c.Commands()...)
		}
	}
	anyMachine(root)
	return root
}

// anyMachine makes defaults that this machine chose what they are on any.
func anyMachine(c *cobra.Command) {
	if f := c.Flags().Lookup("threads"); f != nil && f.DefValue == strconv.Itoa(runtime.NumCPU()) {
		f.DefValue = "all cores"
	}
	for _, below := range c.Commands() {
		anyMachine(below)
	}
}

// links are those that cobra makes between the pages of commands.
var links = regexp.MustCompile(`\]\(koinon[a-z_-]*\.md\)`)

// writeCLI writes every command on one page, in the order of help.
func writeCLI(w io.Writer, root *cobra.Command) error {
	if _, err := fmt.Fprintf(w, "# Commands\n\nMade by `make docs` from the program itself: `koinon COMMAND --help` says the same.\n\n"); err != nil {
		return err
	}
	var each func(c *cobra.Command) error
	each = func(c *cobra.Command) error {
		if c.Hidden || c.Name() == "help" {
			return nil
		}
		var b bytes.Buffer
		if err := doc.GenMarkdownCustom(c, &b, func(string) string { return "" }); err != nil {
			return err
		}
		text := b.String()
		text, _, _ = strings.Cut(text, "### SEE ALSO")
		text, _, _ = strings.Cut(text, "### Options inherited")
		text = strings.ReplaceAll(links.ReplaceAllString(text, "]"), "### ", "#### ")
		for line := range strings.Lines(text) {
			if _, err := io.WriteString(w, strings.TrimRight(line, " \n")+"\n"); err != nil {
				return err
			}
		}
		for _, below := range c.Commands() {
			if err := each(below); err != nil {
				return err
			}
		}
		return nil
	}
	return each(root)
}
