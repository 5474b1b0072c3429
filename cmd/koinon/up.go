package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/devnet"
	"github.com/koinon/koinon/internal/journal"
)

func newUpCommand() *cobra.Command {
	config := devnet.Config{
		Providers: 3, Auditors: 1, BlockTime: time.Second, GatewayAddr: "127.0.0.1:8080",
		RPCAddr: "127.0.0.1:26657", RESTAddr: "127.0.0.1:1317", GRPCAddr: "127.0.0.1:9090", Version: version,
	}
	var fresh, asJSON, verbose bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run a whole network in one process on this machine",
		Long: `Runs a ledger, providers of the model that ships, a gateway and an auditor, all
on loopback, and prints how to use them. Ctrl-C stops it; the same command resumes.
Its log goes to koinon.log in its home: koinon logs. Every flag can be given as a variable:
--block-time as KOINON_BLOCK_TIME.`,
		Example: `  koinon up
  koinon up --fresh --providers 5 --block-time 500ms
  koinon up --fresh --auditors 3 --audit-epoch 1m    # then: koinon audit status
  koinon up --gateway-addr 127.0.0.1:8081 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := configure(cmd, "", &config); err != nil {
				return err
			}
			if config.BlockTime < 10*time.Millisecond {
				return usageError("--block-time %s is too short: give at least 10ms", config.BlockTime)
			}
			if fresh {
				if err := devnet.Fresh(config.Home); err != nil {
					return err
				}
			}
			return up(cmd.Context(), config, asJSON, verbose, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&config.Home, "home", defaultHome(), "where the network's state lives")
	flags.BoolVar(&fresh, "fresh", false, "start over: remove the state first")
	flags.IntVar(&config.Providers, "providers", config.Providers, "how many providers")
	flags.IntVar(&config.Auditors, "auditors", config.Auditors, "how many auditors check what the providers sell; 0 for none")
	justiceFlags(flags, &config.Justice, "10m", "30s")
	flags.DurationVar(&config.BlockTime, "block-time", config.BlockTime, "least time between the ledger's blocks")
	flags.StringVar(&config.GatewayAddr, "gateway-addr", config.GatewayAddr, "gateway's address")
	flags.StringVar(&config.RPCAddr, "rpc-addr", config.RPCAddr, "ledger's RPC address")
	flags.StringVar(&config.RESTAddr, "rest-addr", config.RESTAddr, "ledger's REST address")
	flags.StringVar(&config.GRPCAddr, "grpc-addr", config.GRPCAddr, "ledger's gRPC address")
	flags.BoolVar(&config.Public, "public", true, "serve those without a key who pay for themselves, as koinon call does")
	flags.BoolVar(&asJSON, "json", false, "print one JSON object once ready")
	flags.BoolVar(&verbose, "verbose", false, "log to standard error, too")
	return cmd
}

// justiceFlags set how fast a new ledger's audits and courts are.
func justiceFlags(flags *pflag.FlagSet, j *devnet.Justice, epoch, step string) {
	flags.DurationVar(&j.ChallengeEpoch, "challenge-epoch", 0, "how often providers must show that they run the model, of a new ledger (default "+epoch+")")
	flags.DurationVar(&j.AuditEpoch, "audit-epoch", 0, "how often auditors are drawn to buy of providers, of a new ledger (default "+epoch+")")
	flags.DurationVar(&j.CourtStep, "court-step", 0, "how long whoever must act in court has for it, of a new ledger (default "+step+")")
}

func up(ctx context.Context, c devnet.Config, asJSON, verbose bool, out, talk io.Writer) error {
	if err := checkPorts(c); err != nil {
		return err
	}
	file, err := openJournal(c.Home)
	if err != nil {
		return err
	}
	defer file.Close()
	c.Log = journal.New(file)
	if verbose {
		c.Log = journal.New(talk, file)
	}

	began := time.Now()
	n, err := devnet.Start(ctx, c, func(step string) {
		if !asJSON {
			fmt.Fprintf(talk, "%6s  %s …\n", time.Since(began).Round(100*time.Millisecond), step)
		}
	})
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	if asJSON {
		err = printJSON(out, n.Info)
	} else {
		banner(out, n.Info, time.Since(began))
	}
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-n.Failed():
		}
	}
	if !asJSON {
		fmt.Fprintln(talk, "\nstopping: answers end, providers redeem …")
	}
	return errors.Join(err, n.Stop())
}

// checkPorts says which port is taken and how to choose another, before
// anything is started.
func checkPorts(c devnet.Config) error {
	for _, port := range []struct{ what, flag, address string }{
		{"gateway", "gateway-addr", c.GatewayAddr}, {"ledger's RPC", "rpc-addr", c.RPCAddr},
		{"ledger's REST", "rest-addr", c.RESTAddr}, {"ledger's gRPC", "grpc-addr", c.GRPCAddr},
	} {
		listener, err := net.Listen("tcp", port.address)
		if err != nil {
			return fmt.Errorf("the %s address %s cannot be used (%w): choose another with --%s, such as --%s 127.0.0.1:0 for any free port",
				port.what, port.address, err, port.flag, port.flag)
		}
		if err := listener.Close(); err != nil {
			return err
		}
	}
	return nil
}

// banner tells a newcomer all that there is to know.
func banner(w io.Writer, i devnet.Info, took time.Duration) {
	fmt.Fprintf(w, `
  koinon is up (%s)

  Console   %s
  Gateway   %s
  API key   %s
            it may spend %s in all
  Ledger    RPC %s   REST %s   gRPC %s
  Chain     %s
`, took.Round(100*time.Millisecond), strings.TrimSuffix(i.Gateway, "v1"), i.Gateway, i.APIKey, credit.Dollars(devnet.KeyBudget), i.RPC, i.REST, i.GRPC, i.ChainID)
	for _, m := range i.Models {
		fmt.Fprintf(w, "  Model     %s@%s  %s\n", m.Name, m.Version, m.Digest)
	}
	fmt.Fprintf(w, "\n  Accounts (for this network alone: anyone who reads this can spend them)\n")
	for _, a := range i.Accounts {
		fmt.Fprintf(w, "    %-11s %s\n                %s\n", a.Name, a.Address, a.Mnemonic)
	}
	model := "trivium"
	if len(i.Models) > 0 {
		model = i.Models[0].Name
	}
	fmt.Fprintf(w, `
  Try it
    curl %s/chat/completions -H "Authorization: Bearer %s" \
      -H "Content-Type: application/json" \
      -d '{"model":"%s","max_tokens":80,"temperature":0.7,"messages":[{"role":"user","content":"ROMEO:"}]}'

    export OPENAI_BASE_URL=%s OPENAI_API_KEY=%s
    koinon chat
    koinon audit status        # what auditors took to court, and koinon audit list what they bought

  Ctrl-C stops it; koinon up resumes.
`, i.Gateway, i.APIKey, model, i.Gateway, i.APIKey)
}
