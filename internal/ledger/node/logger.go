package node

import (
	"log/slog"

	"cosmossdk.io/log/v2"
)

// ledgerLogger lets the SDK and CometBFT log through slog.
type ledgerLogger struct{ *slog.Logger }

// With implements log.Logger.
func (l ledgerLogger) With(pairs ...any) log.Logger { return ledgerLogger{l.Logger.With(pairs...)} }

// Impl implements log.Logger.
func (l ledgerLogger) Impl() any { return l.Logger }
