package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/provider/process"
	"github.com/koinon/koinon/receipt"
)

func newProvideCommand() *cobra.Command {
	config := process.Config{Config: provider.Config{
		Home: providerHome(), Bond: 100_000_000, RedeemEvery: time.Hour,
		Price: receipt.Price{Input: 500_000, Output: 2_000_000},
	}, Ledger: "127.0.0.1:9090", Traverse: true}
	var file, inputPrice, cachedPrice, outputPrice string
	var owners []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "provide [MODEL.gguf]",
		Short: "Sell inference with a model on this machine",
		Long: `Serves a model to whoever pays: registers the model version if it is new,
registers and bonds this provider, offers the model at a price, and redeems what
it earns. Safe to run again: it changes only what is different. Without a file,
--model names a registered version, whose weights are fetched from the others
who offer it. With --upstream an engine sells what it serves already: it is asked
where its GGUF file is, whose digest names the version, of class statistical, and
whose tokenizer counts what is sold. The account is made at the first start and named; it needs KOIN for
the bond. Ctrl-C lets answers end and redeems.`,
		Example: `  koinon provide model.gguf --name bard --input-price 0.50 --output-price 2
  koinon provide model.gguf --owner koinon1…=1200      # 12% of the revenue to its author
  koinon provide --model sha256:… --ledger 10.0.0.1:9090
  koinon provide --upstream http://127.0.0.1:11434/v1 --model llama3.2    # Ollama, llama.cpp's server, vLLM
  koinon provide --config provider.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := configure(cmd, file, &config); err != nil {
				return err
			}
			if len(args) == 1 {
				config.Weights = args[0]
			}
			for _, p := range []struct {
				text string
				into *uint64
			}{{inputPrice, &config.Price.Input}, {cachedPrice, &config.Price.CachedInput}, {outputPrice, &config.Price.Output}} {
				if p.text == "" {
					continue
				}
				amount, err := credit.Parse(p.text)
				if err != nil {
					return usageError("price: %w", err)
				}
				*p.into = amount
			}
			if config.Policy.ProviderBps == 0 {
				config.Policy = modelv1.Policy{ProviderBps: 9000, AppBps: 300, TreasuryBps: 700}
			}
			if err := addOwners(&config.Policy, owners); err != nil {
				return err
			}
			return ended(cmd.Context(), process.Run(cmd.Context(), config, daemonLog(cmd), func(i process.Info) {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s serves %s@%s (%s) at %s in, %s out for a million tokens\n", i.Address,
					i.Model.Name, i.Model.Version, i.Model.Digest, credit.Dollars(config.Price.Input), credit.Dollars(config.Price.Output))
				if asJSON {
					printJSON(cmd.OutOrStdout(), map[string]string{
						"address": i.Address, "name": i.Model.Name, "version": i.Model.Version, "digest": i.Model.Digest.String(),
					})
				}
			}))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&file, "config", "", "YAML file of settings")
	flags.StringVar(&config.Home, "home", config.Home, "where the provider's keys, weights and books live")
	flags.StringVar(&config.Ledger, "ledger", config.Ledger, "gRPC address of a node")
	flags.StringVar(&config.KeyFile, "key-file", "", "account (default account.json in home)")
	flags.StringVar(&config.Model, "model", "", "digest of a registered version to fetch and serve; with --upstream, the engine's name for its model")
	flags.StringVar(&config.Upstream, "upstream", "", "base URL of an engine that runs already and serves OpenAI's API")
	flags.StringVar(&config.Weights, "weights", "", "with --upstream, the GGUF file that the engine serves (default what Ollama and llama.cpp say)")
	flags.StringVar(&config.UpstreamKey, "upstream-key", "", "API key of that engine")
	flags.IntVar(&config.Context, "context", 0, "with --upstream, most tokens of prompt and answer (default what the engine says)")
	flags.StringVar(&config.Name, "name", "", "model's name (default the file's)")
	flags.StringVar(&config.Version, "model-version", "", "model's version (default 1)")
	flags.StringVar(&config.License, "license", "", "SPDX identifier (default the file's)")
	flags.StringVar(&config.Moniker, "moniker", "", "name that people see")
	flags.StringVar(&config.Region, "region", "", "where the machine is, such as DE or US-CA (ISO 3166), for requests that must stay there")
	flags.StringVar(&inputPrice, "input-price", "", "dollars for a million prompt tokens (default 0.50)")
	flags.StringVar(&cachedPrice, "cached-price", "", "dollars for a million prompt tokens that were computed for the same buyer before (default the input price)")
	flags.StringVar(&outputPrice, "output-price", "", "dollars for a million answer tokens (default 2)")
	flags.StringSliceVar(&owners, "owner", nil, "whom the model's revenue goes to, too: ADDRESS=BPS, basis points out of the provider's share; for a version not yet registered")
	flags.Uint64Var(&config.Bond, "bond", config.Bond, "least bond, in ukoin")
	flags.IntVar(&config.Slots, "slots", 4, "answers at once")
	flags.IntVar(&config.Threads, "threads", 0, "threads for each answer (default all cores)")
	flags.StringSliceVar(&config.Listen, "listen", nil, "libp2p multiaddrs to serve at")
	flags.StringSliceVar(&config.Bootstrap, "bootstrap", nil, "peers by which others are found: multiaddrs that end in /p2p/ID")
	flags.BoolVar(&config.Traverse, "traverse", config.Traverse, "be reachable behind NAT: by a port of the router, a relay, a punched hole")
	flags.StringSliceVar(&config.Relays, "relay", nil, "where to keep a place while not reachable otherwise (default the bootstrap peers)")
	flags.BoolVar(&config.ServeRelay, "serve-relay", false, "relay to others who cannot be reached; this machine must be reachable itself")
	flags.DurationVar(&config.RedeemEvery, "redeem-every", config.RedeemEvery, "time between redemptions of a grant")
	flags.StringVar(&config.Schedule, "schedule", "", `hours at which to serve, in local time: "22:00-07:00", "mon-fri 22:00-07:00, sat-sun 00:00-24:00"`)
	flags.BoolVar(&asJSON, "json", false, "print one JSON object once the model is loaded")
	addProvideCommands(cmd)
	return cmd
}

// addOwners gives owners their parts, written ADDRESS=BPS, of what would be the
// provider's.
func addOwners(policy *modelv1.Policy, owners []string) error {
	for _, o := range owners {
		address, bps, ok := strings.Cut(o, "=")
		part, err := strconv.ParseUint(bps, 10, 32)
		if !ok || address == "" || err != nil || part == 0 || part > uint64(policy.ProviderBps) {
			return usageError("--owner %q: give ADDRESS=BPS, with at most %d basis points (hundredths of a percent)", o, policy.ProviderBps)
		}
		policy.ProviderBps -= uint32(part)
		policy.Owners = append(policy.Owners, modelv1.Share{Address: address, Bps: uint32(part)})
	}
	return nil
}
