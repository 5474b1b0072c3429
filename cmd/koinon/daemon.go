package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/journal"
)

// commandLog is the log of a command that has no home: standard error. Prompts and
// answers are never logged.
func commandLog(cmd *cobra.Command) *slog.Logger { return journal.New(cmd.ErrOrStderr()) }

// daemonLog is the log of a role that runs in a home: standard error, and the home's
// file, which is to be closed.
func daemonLog(cmd *cobra.Command, home string) (*slog.Logger, io.Closer, error) {
	file, err := openJournal(home)
	if err != nil {
		return nil, nil, err
	}
	return journal.New(cmd.ErrOrStderr(), file), file, nil
}

func openJournal(home string) (io.WriteCloser, error) {
	file, err := journal.Open(home)
	if err != nil {
		return nil, fmt.Errorf("cannot log to %s: %w", home, err)
	}
	return file, nil
}

// metricsUsage describes the flag of all roles that serve metrics.
const metricsUsage = "address of /metrics, /livez, /readyz and /version (default loopback, any port: instruments.json in home says which)"

// ended is how a role's end is told: being asked to stop, even while it still
// starts, is no failure.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
