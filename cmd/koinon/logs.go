package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/journal"
)

func newLogsCommand() *cobra.Command {
	home, last := defaultHome(), 50
	var follow, asJSON bool
	cmd := &cobra.Command{
		Use:   "logs [ROLE]",
		Short: "Show the log of a role",
		Long: `Shows the last lines of the log in a home, and with -f what is added to it. ROLE is
a home beside that of koinon up: node, provider, gateway, auditor, stripe; without it,
the log is that of koinon up. Prompts and answers are never logged.`,
		Example: `  koinon logs -f
  koinon logs provider -n 200
  koinon logs --home /srv/koinon/gateway --json | jq 'select(.level=="ERROR")'`,
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: []string{"node", "provider", "gateway", "auditor", "stripe"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := configure(cmd, "", nil); err != nil {
				return err
			}
			if len(args) == 1 {
				home = filepath.Join(homesRoot(), filepath.Base(args[0]))
			}
			out := cmd.OutOrStdout()
			if !asJSON {
				out = journal.Human(out)
			}
			return showLog(cmd, home, last, follow, out)
		},
	}
	cmd.Flags().StringVar(&home, "home", home, "home of the role")
	cmd.Flags().IntVarP(&last, "lines", "n", last, "how many lines to begin with")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is added")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON lines as they are in the file")
	return cmd
}

func showLog(cmd *cobra.Command, home string, last int, follow bool, out io.Writer) error {
	log, err := journal.Read(home)
	if errors.Is(err, fs.ErrNotExist) {
		return &exitError{exitNotFound, fmt.Errorf("nothing was logged in %s: give the role, such as 'koinon logs gateway', or its --home%s", home, logged())}
	}
	if err != nil {
		return err
	}
	defer log.Close()
	if err := log.Tail(last, out); err != nil || !follow {
		return err
	}
	return log.Follow(cmd.Context(), out)
}

// logged names the homes that have a log.
func logged() (text string) {
	entries, err := os.ReadDir(homesRoot())
	if err != nil {
		return ""
	}
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(homesRoot(), e.Name(), journal.File)); err == nil {
			text += "\n  there is one in " + filepath.Join(homesRoot(), e.Name())
		}
	}
	return text
}
