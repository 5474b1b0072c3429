package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/provider/control"
	"github.com/koinon/koinon/internal/provider/process"
)

// providerHome is where a provider keeps what it has, unless told otherwise.
func providerHome() string { return filepath.Join(filepath.Dir(defaultHome()), "provider") }

// addProvideCommands adds what can be said to a provider that runs.
func addProvideCommands(provide *cobra.Command) {
	provide.AddCommand(
		newProvideControlCommand("pause", "Take no more requests, and have the offer not matched, until resumed",
			"Requests that run go on, and what they earn is redeemed. The pause ends with\nkoinon provide resume, or when the provider is started again.",
			func(s provider.State) bool { return s == provider.Paused }),
		newProvideControlCommand("resume", "Take requests again, within the schedule's hours", "",
			func(s provider.State) bool { return s == provider.Serving || s == provider.Paused }),
		newProvideControlCommand("drain", "Finish what runs, redeem, and stop",
			"The provider takes no new requests, says so on the ledger, finishes those that run,\nredeems what they earned, and exits. This command returns when it has.",
			nil),
		newProvideStatusCommand(),
	)
}

// newProvideControlCommand is a command to the provider; it returns once the
// provider's state is as it should be, or with nil, once it is gone.
func newProvideControlCommand(name, short, long string, done func(provider.State) bool) *cobra.Command {
	var home string
	var asJSON bool
	cmd := &cobra.Command{
		Use: name, Short: short, Long: long, Args: cobra.NoArgs,
		Example: "  koinon provide " + name + "\n  koinon provide " + name + " --home /srv/provider --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := configure(cmd, "", nil); err != nil {
				return err
			}
			if err := control.Do(cmd.Context(), home, name); err != nil {
				return notRunning(err)
			}
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for {
				var s process.Status
				err := control.Status(cmd.Context(), home, &s)
				gone := errors.Is(err, control.ErrNotRunning)
				if gone && done == nil {
					s.State = "stopped"
				} else if err != nil {
					return notRunning(err)
				}
				if gone || done != nil && done(s.State) {
					if asJSON {
						return printJSON(cmd.OutOrStdout(), map[string]string{"state": string(s.State), "reason": s.Reason})
					}
					fmt.Fprintln(cmd.OutOrStdout(), saidState(s.State, s.Reason))
					return nil
				}
				select {
				case <-tick.C:
				case <-cmd.Context().Done():
					return cmd.Context().Err()
				}
			}
		},
	}
	cmd.Flags().StringVar(&home, "home", providerHome(), "home of the provider")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newProvideStatusCommand() *cobra.Command {
	var home string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show what a provider that runs does, earns and risks", Args: cobra.NoArgs,
		Example: "  koinon provide status\n  koinon provide status --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := configure(cmd, "", nil); err != nil {
				return err
			}
			var s process.Status
			if err := control.Status(cmd.Context(), home, &s); err != nil {
				return notRunning(err)
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), s)
			}
			return printStatus(cmd.OutOrStdout(), s)
		},
	}
	cmd.Flags().StringVar(&home, "home", providerHome(), "home of the provider")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// notRunning gives the absence of a provider its exit code.
func notRunning(err error) error {
	if errors.Is(err, control.ErrNotRunning) {
		return &exitError{exitNotFound, err}
	}
	return err
}

func saidState(s provider.State, reason string) string {
	if reason == "" {
		return string(s)
	}
	return string(s) + ": " + reason
}

// printStatus writes a status for people: the same lines each time, so that they
// can be written over.
func printStatus(w io.Writer, s process.Status) error {
	var paid, maturing string
	if s.Earnings != nil {
		paid, maturing = credit.Dollars(s.Earnings.Paid)+" paid", credit.Dollars(s.Earnings.Maturing)+" maturing"
	} else {
		paid, maturing = "the ledger does not answer", "as of now"
	}
	_, err := fmt.Fprintf(w, `%s  %s
state     %s
requests  %d done, %d failed, %d open, %d slots
tokens    %d prompt, %d answer, %.1f/s now
earned    %s pending, %s, %s
exposure  %s served before its tickets, %s locked for this provider in %d grants
`, s.Model, s.Address, saidState(s.State, s.Reason), s.Requests, s.Failed, s.Running, s.Slots,
		s.PromptTokens, s.CompletionTokens, s.TokensPerSecond,
		credit.Dollars(s.Pending), maturing, paid,
		credit.Dollars(s.Exposed), credit.Dollars(s.Locked), s.Grants)
	if err == nil && s.LastError != "" {
		_, err = fmt.Fprintf(w, "error     %s\n", s.LastError)
	}
	return err
}
