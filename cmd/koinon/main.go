// Command koinon is the whole of koinon in one program: a network to try on
// one machine (up), each of its roles (node, provide, gateway), the tools of a
// buyer (chat, receipt, keys), of an author (train, model, engine), and of the ledger
// (query, tx).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/koinon/koinon/internal/gateway"
	"github.com/koinon/koinon/internal/ledger/cli"
	"github.com/koinon/koinon/internal/machine"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/tracing"
)

// version is set by the linker.
var version = "dev"

// Exit codes, as `koinon --help` documents them.
const (
	exitFailure  = 1
	exitUsage    = 2
	exitNotFound = 3
	exitInvalid  = 4
	// exitInconclusive is for what can be found neither good nor bad.
	exitInconclusive = 5
)

// exitError carries the exit code of a failure that means something to a script.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string) int {
	root := newRootCommand()
	root.SetArgs(args)
	stop, err := machine.Profile()
	if err == nil {
		err = errors.Join(traced(ctx, root), stop())
	}
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "koinon: %s\n", wrapping.ReplaceAllString(err.Error(), ""))
	var coded *exitError
	switch {
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, provider.ErrConfig), errors.Is(err, gateway.ErrConfig):
		return exitUsage
	case status.Code(err) == codes.NotFound:
		return exitNotFound
	}
	return exitFailure
}

// wrapping is what gRPC puts before what a node said, once for each node between.
var wrapping = regexp.MustCompile(`rpc error: code = \w+ desc = `)

// traced executes a command whose requests are recorded if the environment says so.
func traced(ctx context.Context, root *cobra.Command) error {
	stop, err := tracing.Start(ctx, version)
	if err != nil {
		return err
	}
	err = root.ExecuteContext(ctx)
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if lost := stop(sending); lost != nil {
		fmt.Fprintf(os.Stderr, "koinon: the last traces were not sent: %v\n", lost)
	}
	return err
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "koinon",
		Short: "Run, own, govern and pay for generative AI together",
		Long: `koinon lets people who do not trust each other run, own, govern and pay for
generative AI together. Begin with a whole network on this machine:

  koinon up

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 checked and found invalid,
5 could not be judged.
Every command writes data to standard output and talk to standard error;
--json makes the data JSON.`,
		Example: `  koinon up                      # a whole network on loopback
  koinon chat                    # talk to it
  koinon receipt show ID         # what was run, by whom, what it cost
  koinon provide model.gguf      # sell inference`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError("%w\nSee '%s --help'.", err, cmd.CommandPath())
	})
	root.AddGroup(
		&cobra.Group{ID: "use", Title: "Use:"},
		&cobra.Group{ID: "serve", Title: "Serve:"},
		&cobra.Group{ID: "watch", Title: "Watch:"},
		&cobra.Group{ID: "make", Title: "Make:"},
		&cobra.Group{ID: "own", Title: "Own:"},
		&cobra.Group{ID: "ledger", Title: "Ledger:"},
	)
	grouped := func(id string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	grouped("use", newUpCommand(), newChatCommand(), newCallCommand(), newReceiptCommand(), newKeysCommand(), newWalletCommand(),
		newRateCommand(), newSignalCommand(), newShareCommand(), newAccessCommand(), newMCPCommand())
	grouped("serve", newNodeCommand(), newProvideCommand(), newGatewayCommand(), newIndexCommand(), newAuditCommand(), newIssuerCommand())
	grouped("watch", newStatusCommand(), newTopCommand(), newLogsCommand(), newDoctorCommand())
	root.AddCommand(newDocsCommand())
	grouped("make", newTrainCommand(), newModelCommand(), newEngineCommand())
	grouped("own", newOfferingCommand(), newPoolCommand(), newVoteCommand())
	grouped("ledger", cli.Commands(defaultHome(), ledgerTarget)...)

	checkUsage(root)
	return root
}

// checkUsage makes what is missing on a command line, or too much, of a command
// and of all below it, the wrong usage that it is: cobra's own errors say no kind.
func checkUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if err == nil {
				err = cmd.ValidateRequiredFlags()
			}
			if err != nil {
				return usageError("%w\nSee '%s --help'.", err, cmd.CommandPath())
			}
			return nil
		}
	}
	for _, below := range cmd.Commands() {
		checkUsage(below)
	}
}
