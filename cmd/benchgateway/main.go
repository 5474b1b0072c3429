// Command benchgateway measures what gateways add to a request: the same mock
// engine is asked directly, through Go's httputil.ReverseProxy, through the npm
// package @portkey-ai/gateway, and through koinon without and with payment, all
// on this machine in one run. docs/bench.md says how each number is taken.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/machine"
	"github.com/koinon/koinon/internal/measure"
	"github.com/koinon/koinon/receipt"
)

// options are a run's flags.
type options struct {
	mock
	binary         string
	tools          string // folder of npm packages
	connections    []int
	seconds        float64 // of each measurement
	rounds         int
	quick          bool
	withoutPortkey bool
	only           []string // parts of names of ways
	profile        string
	asJSON         bool
}

// mockFlags tell a role of this program what engine it is, or has behind it.
func (o options) mockFlags() []string {
	return []string{"--rate", fmt.Sprint(o.mock.Rate), "--tokens", fmt.Sprint(o.mock.Tokens)}
}

func main() { measure.Run(newCommand()) }

func newCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "benchgateway",
		Short: "Measure what gateways add to a request on this machine",
		Long: `Asks one mock engine of a fixed rate in five ways: directly, through Go's
httputil.ReverseProxy, through the npm package ` + portkey + `,
and through koinon at a price of nothing and at a price, with tickets and
receipts. Every way is a process of its own on loopback; so is the client. Needs
Node and npm, unless --without-portkey. Progress goes to standard error. Exit
codes: 0 measured, whether targets are met or not, 1 failed, 2 wrong usage.`,
		Example: `  go run ./cmd/benchgateway --binary bin/koinon
  go run ./cmd/benchgateway --connections 1,32 --quick --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.quick {
				o.seconds, o.rounds = 1, 1
			}
			if err := o.check(); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	flags := cmd.PersistentFlags()
	flags.Float64Var(&o.mock.Rate, "rate", 1000, "tokens per second of each answer; 0 for all at once")
	flags.IntVar(&o.mock.Tokens, "tokens", 16, "tokens of each answer")
	flags = cmd.Flags()
	flags.StringVar(&o.binary, "binary", "bin/koinon", "the program to measure")
	flags.StringVar(&o.tools, "tools", ".tools/portkey", "folder that the npm package is installed into")
	flags.IntSliceVar(&o.connections, "connections", []int{1, 32, 256}, "connections at once")
	flags.Float64Var(&o.seconds, "seconds", 3, "length of each measurement")
	flags.IntVar(&o.rounds, "rounds", 3, "measurements of each kind, of which the middle counts")
	flags.BoolVar(&o.quick, "quick", false, "one short round: a look, not a result")
	flags.BoolVar(&o.withoutPortkey, "without-portkey", false, "leave the npm package out")
	flags.StringSliceVar(&o.only, "only", nil, "measure only ways with one of these in their name, and the direct one")
	flags.StringVar(&o.profile, "profile", "", "folder for CPU profiles of koinon's gateway and providers")
	flags.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	cmd.AddCommand(newEngineRole(&o), newProxyRole(), newProvideRole(&o))
	return cmd
}

// check says what is wrong with a command line before anything takes time.
func (o options) check() error {
	if info, err := os.Stat(o.binary); err != nil || info.IsDir() {
		return fmt.Errorf("%w: --binary %s is not a program: run make build first", measure.ErrUsage, o.binary)
	}
	if o.mock.Tokens < 1 || o.mock.Rate < 0 || o.rounds < 1 || o.seconds <= 0 || len(o.connections) == 0 {
		return fmt.Errorf("%w: --tokens, --rounds, --seconds and --connections must be positive", measure.ErrUsage)
	}
	return nil
}

// run measures and prints.
func run(ctx context.Context, o options) (err error) {
	began := time.Now()
	progress := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%6s  %s …\n", time.Since(began).Round(100*time.Millisecond), fmt.Sprintf(format, args...))
	}
	dir, err := os.MkdirTemp("", "koinon-benchgateway-")
	if err != nil {
		return err
	}
	if o.profile != "" {
		if err := os.MkdirAll(o.profile, 0o755); err != nil {
			return err
		}
	}
	b := &bench{options: o, dir: dir}
	defer func() { err = errors.Join(err, b.close()) }()
	r := report{Machine: machine.This(), Quick: o.quick, Rate: o.mock.Rate, Tokens: o.mock.Tokens}
	if err := b.startWays(ctx, progress); err != nil {
		return err
	}
	if err := b.await(ctx); err != nil {
		return err
	}
	if r.Cells, err = b.measure(ctx, progress); err != nil {
		return err
	}
	r.Targets = judge(r.Cells)
	if !o.asJSON {
		r.print(os.Stdout)
		return nil
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// say prints what a role is known by, for the process that started it.
func say(key, value string) error {
	return json.NewEncoder(os.Stdout).Encode(map[string]string{key: value})
}

func newEngineRole(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "engine", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), o.mock)
		},
	}
}

func newProxyRole() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use: "proxy", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			u, err := url.Parse(to)
			if err != nil {
				return err
			}
			proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }}
			// As many idle connections as the load has: the default of two would
			// measure dialling.
			proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 1024}
			return serve(cmd.Context(), proxy)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "URL that requests go to")
	return cmd
}

func newProvideRole(o *options) *cobra.Command {
	var s seller
	cmd := &cobra.Command{
		Use: "provide", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			machine.Roomy() // as koinon provide --upstream
			s.mock = o.mock
			return s.sell(cmd.Context(), func(digest string) error { return say("digest", digest) })
		},
	}
	cmd.Flags().StringVar(&s.home, "home", "", "folder")
	cmd.Flags().StringVar(&s.ledger, "ledger", "", "gRPC address")
	cmd.Flags().StringVar(&s.keyFile, "key-file", "", "account")
	cmd.Flags().StringVar(&s.name, "name", "", "of the model version")
	var price uint64
	cmd.Flags().Uint64Var(&price, "price", 0, "ucredit for a million tokens")
	cmd.PreRun = func(*cobra.Command, []string) { s.price = receipt.Price{Input: price / 4, Output: price} }
	return cmd
}
