package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"
)

// daemonLog is where a role on its own logs: standard error. Prompts and
// answers are never logged.
func daemonLog(cmd *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// ended is how a role's end is told: being asked to stop, even while it still
// starts, is no failure.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
