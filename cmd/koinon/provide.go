package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/machine"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/provider/forecast"
	"github.com/koinon/koinon/internal/provider/process"
	"github.com/koinon/koinon/receipt"
)

// provideOptions are a provider's configuration and what flags say in words.
type provideOptions struct {
	process.Config
	file                  string
	input, cached, output string // dollars
	powerCost             string // dollars
	owners                []string
	dryRun, asJSON        bool
	web                   string // address of the pages
	hold                  []uint // pins
}

func newProvideCommand() *cobra.Command {
	o := provideOptions{Config: process.Config{
		Config: provider.Config{Home: providerHome(), Bond: 100_000_000, RedeemEvery: time.Hour}, Ledger: "127.0.0.1:9090", Traverse: true, Program: version,
	}}
	cmd := &cobra.Command{
		Use:   "provide [MODEL.gguf]",
		Short: "Sell inference with a model on this machine",
		Long: `Serves a model to whoever pays: measures how fast this machine is and proposes a
price, registers the model version if it is new, registers and bonds this
provider, offers the model, and redeems what it earns. Safe to run again: it
changes only what is different.

Without a file, --model names a registered version, whose weights are fetched from
the others who offer it. With --upstream an engine sells what it serves already:
it is asked where its GGUF file is, whose digest names the version, of class
statistical, and whose tokenizer counts what is sold.

The account is made at the first start and named; it needs KOIN for the bond.
--dry-run joins nothing: it forecasts what there is to earn, and checks that the
machine reproduces its own bits. Ctrl-C finishes what runs, redeems, and stops.`,
		Example: `  koinon provide model.gguf
  koinon provide model.gguf --dry-run --power-cost 0.30 --power-watts 120
  koinon provide model.gguf --name bard --input-price 0.50 --output-price 2
  koinon provide model.gguf --owner koinon1…=1200      # 12% of the revenue to its author
  koinon provide model.gguf --schedule 22:00-07:00     # nights only
  koinon provide model.gguf --own koinon1…             # free for your own gateway
  koinon provide --model sha256:… --ledger 10.0.0.1:9090
  koinon provide --upstream http://127.0.0.1:11434/v1 --model llama3.2    # Ollama, llama.cpp's server, vLLM
  koinon provide --config provider.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.settle(cmd, args); err != nil {
				return err
			}
			if o.dryRun {
				return o.forecast(cmd)
			}
			if o.Upstream != "" { // the model is in another process
				machine.Roomy()
			}
			return o.run(cmd)
		},
	}
	o.flags(cmd)
	addProvideCommands(cmd)
	return cmd
}

func (o *provideOptions) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.file, "config", "", "YAML file of settings")
	flags.StringVar(&o.Home, "home", o.Home, "where the provider's keys, weights and books live")
	flags.StringVar(&o.Ledger, "ledger", o.Ledger, "gRPC address of a node")
	flags.StringVar(&o.KeyFile, "key-file", "", "account (default account.json in home)")
	flags.StringVar(&o.Model, "model", "", "digest of a registered version to fetch and serve; with --upstream, the engine's name for its model")
	flags.StringVar(&o.Upstream, "upstream", "", "base URL of an engine that runs already and serves OpenAI's API")
	flags.StringVar(&o.Weights, "weights", "", "with --upstream, the GGUF file that the engine serves (default what Ollama and llama.cpp say)")
	flags.StringVar(&o.UpstreamKey, "upstream-key", "", "API key of that engine")
	flags.BoolVar(&o.UpstreamSeeded, "upstream-seeded", false, "that engine is vLLM with the logits processor of deploy/vllm")
	flags.IntVar(&o.Context, "context", 0, "with --upstream, most tokens of prompt and answer (default what the engine says)")
	flags.StringVar(&o.Name, "name", "", "model's name (default the file's)")
	flags.StringVar(&o.Version, "model-version", "", "model's version (default 1, or 1-statistical with --upstream)")
	flags.StringVar(&o.License, "license", "", "SPDX identifier (default the file's)")
	flags.StringVar(&o.Moniker, "moniker", "", "name that people see")
	flags.StringVar(&o.Region, "region", "", "where the machine is, such as DE or US-CA (ISO 3166), for requests that must stay there")
	flags.StringVar(&o.Pricing, "price", "", "how to find the price: auto, market or break-even (default auto, unless prices are given)")
	flags.StringVar(&o.input, "input-price", "", "dollars for a million prompt tokens")
	flags.StringVar(&o.cached, "cached-price", "", "dollars for a million prompt tokens that were computed for the same buyer before (default the input price)")
	flags.StringVar(&o.output, "output-price", "", "dollars for a million answer tokens")
	flags.BoolVar(&o.FollowCeiling, "follow-ceiling", false, "sell at what the model's shareholders allow, should that be less; without it, nothing is sold above")
	flags.StringVar(&o.powerCost, "power-cost", "", "dollars for a kWh (default 0.20)")
	flags.Uint64Var(&o.PowerWatts, "power-watts", 0, "what the machine draws while it serves (default a guess from its processors)")
	flags.StringSliceVar(&o.owners, "owner", nil, "whom the model's revenue goes to, too: ADDRESS=BPS, basis points out of the provider's share; for a version not yet registered")
	flags.StringSliceVar(&o.Own, "own", nil, "payers who pay nothing, such as your own gateway's account")
	flags.Uint64Var(&o.Bond, "bond", o.Bond, "least bond, in ukoin")
	flags.IntVar(&o.Slots, "slots", 4, "answers at once")
	flags.IntVar(&o.Threads, "threads", 0, "threads for each answer (default all cores)")
	flags.StringSliceVar(&o.Listen, "listen", nil, "libp2p multiaddrs to serve at")
	flags.StringSliceVar(&o.Bootstrap, "bootstrap", nil, "peers by which others are found: multiaddrs that end in /p2p/ID")
	flags.StringVar(&o.Plain, "plain", ":0", plainUsage)
	flags.UintSliceVar(&o.hold, "hold", nil, "pins to accept and to answer for, as for all that the account holds; their weights must be in HOME/weights")
	flags.BoolVar(&o.Traverse, "traverse", o.Traverse, "be reachable behind NAT: by a port of the router, a relay, a punched hole")
	flags.StringSliceVar(&o.Relays, "relay", nil, "where to keep a place while not reachable otherwise (default the bootstrap peers)")
	flags.BoolVar(&o.ServeRelay, "serve-relay", false, "relay to others who cannot be reached; this machine must be reachable itself")
	flags.StringVar(&o.MetricsAddr, "metrics-addr", "", metricsUsage)
	flags.DurationVar(&o.RedeemEvery, "redeem-every", o.RedeemEvery, "time between redemptions of a grant")
	flags.StringVar(&o.Schedule, "schedule", "", `hours at which to serve, in local time: "22:00-07:00", "mon-fri 22:00-07:00, sat-sun 00:00-24:00"`)
	flags.BoolVar(&o.dryRun, "dry-run", false, "join nothing: forecast earnings, and check the machine's own determinism")
	flags.StringVar(&o.web, "web", "", "serve pages at this address: what you earn and risk, and the ledger; such as 127.0.0.1:8081")
	flags.BoolVar(&o.asJSON, "json", false, "print JSON: an object once the model is loaded, then the status, a line each, when it changed")
}

// settle makes a configuration of flags, variables, file and arguments.
func (o *provideOptions) settle(cmd *cobra.Command, args []string) error {
	if err := configure(cmd, o.file, &o.Config); err != nil {
		return err
	}
	if len(args) == 1 {
		o.Weights = args[0]
	}
	for _, pin := range o.hold {
		o.Hold = append(o.Hold, uint64(pin))
	}
	given := o.Price != receipt.Price{}
	for _, p := range []struct {
		flag, text string
		into       *uint64
		price      bool
	}{
		{"input-price", o.input, &o.Price.Input, true}, {"cached-price", o.cached, &o.Price.CachedInput, true},
		{"output-price", o.output, &o.Price.Output, true}, {"power-cost", o.powerCost, &o.PowerCost, false},
	} {
		if p.text == "" {
			continue
		}
		amount, err := credit.Parse(p.text)
		if err != nil {
			return usageError("--%s: %w", p.flag, err)
		}
		*p.into = amount
		given = given || p.price
	}
	switch {
	case given && o.Pricing != "":
		return usageError("--price %s finds the prices: give it, or --input-price and --output-price", o.Pricing)
	case (o.input == "") != (o.output == ""):
		return usageError("give both --input-price and --output-price, or neither")
	case !given && o.Pricing == "":
		o.Pricing = forecast.Auto
	}
	if o.Policy.ProviderBps == 0 {
		o.Policy = modelv1.Policy{ProviderBps: 9000, AppBps: 300, CuratorsBps: 200, TreasuryBps: 500}
	}
	return addOwners(&o.Policy, o.owners)
}

// run sells until it is told to stop.
func (o *provideOptions) run(cmd *cobra.Command) error {
	file, err := openJournal(o.Home)
	if err != nil {
		return err
	}
	defer file.Close()
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	view := newView(cmd, o.asJSON)
	done := make(chan struct{})
	close(done)
	var shown sync.WaitGroup // the pages
	err = process.Run(ctx, o.Config, view.log(file), func(i process.Info) {
		fmt.Fprintf(view, "%s serves %s@%s (%s) at %s in, %s out for a million tokens\n", i.Address,
			i.Model.Name, i.Model.Version, i.Model.Digest, credit.Dollars(i.Price.Input), credit.Dollars(i.Price.Output))
		if o.asJSON {
			printJSON(cmd.OutOrStdout(), map[string]string{
				"address": i.Address, "name": i.Model.Name, "version": i.Model.Version, "digest": i.Model.Digest.String(),
			})
		}
		done = make(chan struct{})
		go func() { defer close(done); view.follow(ctx, i.Status) }()
		if o.web != "" {
			shown.Go(func() {
				if err := o.pages(ctx, view, view.log(file), i.Address); err != nil {
					view.log(file).Error("the pages are not shown", "error", err)
				}
			})
		}
	})
	stop()
	<-done
	shown.Wait()
	return ended(cmd.Context(), err)
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
