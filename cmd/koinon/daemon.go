package main

import (
	"log/slog"

	"github.com/spf13/cobra"
)

// daemonLog is where a role on its own logs: standard error. Prompts and
// answers are never logged.
func daemonLog(cmd *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}
