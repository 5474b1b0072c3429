package main

import (
	"fmt"
	"net"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/console"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/gateway"
	"github.com/koinon/koinon/internal/gateway/process"
	"github.com/koinon/koinon/internal/machine"
)

func newGatewayCommand() *cobra.Command {
	config := process.Config{Config: gateway.DefaultConfig(), Ledger: "127.0.0.1:9090", Version: version}
	config.Home = filepath.Join(filepath.Dir(defaultHome()), "gateway")
	var file, deposit, rpc, rest string
	var asJSON, web bool
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Serve OpenAI's API from the providers on the ledger",
		Long: `Serves OpenAI's API: finds providers on the ledger, pays them from one escrow
with tickets, checks their receipts, and gives each API key a budget. The account
that pays is made at the first start and named; send it credit, and it pays. Make
keys with 'koinon keys create --gateway-home'.`,
		Example: `  koinon gateway --ledger 10.0.0.1:9090 --listen 127.0.0.1:8080 --deposit 20
  koinon gateway --web
  koinon gateway --config gateway.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := configure(cmd, file, &config); err != nil {
				return err
			}
			if deposit != "" {
				amount, err := credit.Parse(deposit)
				if err != nil {
					return usageError("--deposit: %w", err)
				}
				config.Deposit, config.TopUpBelow = amount, amount/2
			}
			if config.Home == "" {
				return usageError("--home must be a folder")
			}
			machine.Roomy()
			payer, err := config.Account()
			if err != nil {
				return err
			}
			log, journal, err := daemonLog(cmd, config.Home)
			if err != nil {
				return err
			}
			defer journal.Close()
			if web {
				pages, err := console.Open(cmd.Context(), console.Config{
					Ledger: config.Ledger, Index: filepath.Join(config.Home, indexFile), Names: map[string]string{payer.Address(): "this gateway"}, RPC: rpc, REST: rest,
					Hosted:  filepath.Join(config.Home, console.HostedFile),
					Version: version, Log: log,
				})
				if err != nil {
					return err
				}
				defer pages.Close()
				config.Pages, config.Metrics = pages, pages.Metrics()
			}
			return ended(cmd.Context(), process.Run(cmd.Context(), config, log, func(a net.Addr) {
				url := "http://" + a.String() + "/v1"
				fmt.Fprintf(cmd.ErrOrStderr(), "gateway %s pays from %s\n", url, payer.Address())
				if asJSON {
					printJSON(cmd.OutOrStdout(), map[string]string{"gateway": url, "address": payer.Address()})
				}
			}))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&file, "config", "", "YAML file of settings")
	flags.StringVar(&config.Home, "home", config.Home, "where the gateway's database lives")
	flags.StringVar(&config.Ledger, "ledger", config.Ledger, "gRPC address of a node")
	flags.StringVar(&config.KeyFile, "key-file", "", "account that pays (default account.json in home)")
	flags.StringVar(&config.Listen, "listen", config.Listen, "address of the API")
	flags.StringVar(&config.MetricsAddr, "metrics-addr", "", metricsUsage)
	flags.StringVar(&config.App, "app", "", "account of the referring application")
	flags.StringSliceVar(&config.Bootstrap, "bootstrap", nil, "peers by which providers are found: multiaddrs that end in /p2p/ID")
	flags.BoolVar(&config.Hedge, "hedge", false, "ask a second provider when the first is slower than nineteen in twenty")
	flags.StringVar(&deposit, "deposit", "", "dollars that the escrow is filled up to (default 20)")
	flags.BoolVar(&config.Public, "public", false, "serve those without a key who pay for themselves")
	flags.StringVar(&config.TopUp, "top-up", "", "URL at which a key's holder buys more; {key} stands for the key's id")
	flags.BoolVar(&web, "web", false, "serve pages for people beside the API: playground, models, providers, the ledger")
	flags.StringVar(&rpc, "rpc-url", "", "a node's RPC URL, for the pages' visitors who sign with Keplr or Leap")
	flags.StringVar(&rest, "rest-url", "", "a node's REST URL, likewise")
	flags.BoolVar(&asJSON, "json", false, "print one JSON object once requests are taken")
	return cmd
}
