// Package measure is how programs begin and end that measure koinon: make bench
// and its like.
package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/machine"
)

// ErrUsage marks a command line that makes no sense.
var ErrUsage = errors.New("wrong usage")

// Run executes a program's command and leaves the process: with 0 if it measured,
// whether targets are met or not, 1 if it failed or was interrupted, 2 if it was
// used wrongly ([ErrUsage]). A profile is made if [machine.Profile] is asked for one.
func Run(cmd *cobra.Command) {
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return fmt.Errorf("%w: %w: see --help", ErrUsage, err)
	})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	finish, err := machine.Profile()
	if err == nil {
		err = errors.Join(cmd.ExecuteContext(ctx), finish())
	}
	stop()
	switch {
	case err == nil:
		return
	case errors.Is(err, context.Canceled):
		fmt.Fprintf(os.Stderr, "%s: interrupted\n", cmd.Name())
	default:
		fmt.Fprintf(os.Stderr, "%s: %v\n", cmd.Name(), err)
	}
	if errors.Is(err, ErrUsage) {
		os.Exit(2)
	}
	os.Exit(1)
}
