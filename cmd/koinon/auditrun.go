package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/auditor"
	"github.com/koinon/koinon/internal/auditor/process"
	"github.com/koinon/koinon/internal/auditor/store"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/devnet"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/mechanism/court"
)

// auditorHome is where an auditor keeps its keys and books by default.
func auditorHome() string { return filepath.Join(filepath.Dir(defaultHome()), "auditor") }

func newAuditRunCommand() *cobra.Command {
	c := process.Config{Home: auditorHome(), Ledger: "127.0.0.1:9090", Every: 5 * time.Second, Version: version}
	var file, maxCost, purse string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Earn by checking what providers sold",
		Long: `Registers and bonds an auditor and works as one: buys answers like anybody, of
the providers that the beacon draws for it, computes them again, tells the
ledger what it found and is paid for it whatever that is, accuses where an answer
is not what its receipt says, and sits in court when it is drawn.

The account is made at the first start and named; it needs KOIN for the bond and
some dollars to buy with, which come back with the pay. Ctrl-C stops it; open
cases wait until their deadlines, so start it again soon.`,
		Example: `  koinon audit run
  koinon audit run --gateway https://gateway.example/v1 --gateway https://other.example/v1
  koinon audit run --prompts my-prompts.txt --max-cost '$0.02'
  koinon audit run --tie koinon1…                # a provider of your own: you do not judge it
  koinon audit run --config auditor.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := configure(cmd, file, &c); err != nil {
				return err
			}
			for flag, into := range map[string]struct {
				text string
				at   *uint64
			}{"max-cost": {maxCost, &c.MaxCost}, "purse": {purse, &c.Purse}} {
				if into.text == "" {
					continue
				}
				amount, err := credit.Parse(into.text)
				if err != nil {
					return usageError("--%s: %w", flag, err)
				}
				*into.at = amount
			}
			conn := connection{home: defaultHome()}
			if len(c.Gateways) == 0 {
				if err := conn.needGateway(); err != nil {
					return err
				}
				c.Gateways = []string{conn.gateway}
			} else if err := conn.resolve(); err != nil {
				return err
			}
			if !cmd.Flags().Changed("ledger") && conn.ledger != "" {
				c.Ledger = conn.ledger
			}
			return runAuditor(cmd, c, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&file, "config", "", "YAML file of settings")
	flags.StringVar(&c.Home, "home", c.Home, "where the auditor's keys, weights and books live")
	flags.StringVar(&c.Ledger, "ledger", c.Ledger, "gRPC address of a node (default that of koinon up)")
	flags.StringVar(&c.KeyFile, "key-file", "", "account (default account.json in home)")
	flags.Uint64Var(&c.Bond, "bond", 0, "bond, in ukoin (default the least that the ledger asks for)")
	flags.StringSliceVar(&c.Ties, "tie", nil, "provider that you own or are paid by, and so do not judge")
	flags.StringSliceVar(&c.Gateways, "gateway", nil, "gateway to buy at, open to strangers; several are drawn from (default $OPENAI_BASE_URL, else that of koinon up)")
	flags.StringSliceVar(&c.Prompts, "prompts", nil, "files or folders of more prompts, one a line")
	flags.StringVar(&maxCost, "max-cost", "", "dollars that one answer may cost at most (default 0.05)")
	flags.StringVar(&purse, "purse", "", "dollars to keep in escrow to buy with (default 0.50)")
	flags.StringSliceVar(&c.Listen, "listen", nil, "libp2p multiaddrs to fetch weights by (default any port)")
	flags.StringSliceVar(&c.Bootstrap, "bootstrap", nil, "peers by which others are found: multiaddrs that end in /p2p/ID")
	flags.StringVar(&c.MetricsAddr, "metrics-addr", "", metricsUsage)
	flags.IntVar(&c.Threads, "threads", 0, "threads of computing again (default all cores)")
	flags.DurationVar(&c.Every, "every", c.Every, "how often to look for work")
	flags.BoolVar(&asJSON, "json", false, "print the status as JSON, a line each time that it changed")
	return cmd
}

// runAuditor works until it is told to stop, and shows how it is doing.
func runAuditor(cmd *cobra.Command, c process.Config, asJSON bool) error {
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	file, err := openJournal(c.Home)
	if err != nil {
		return err
	}
	defer file.Close()
	view := newView(cmd, asJSON)
	done := make(chan struct{})
	close(done)
	err = process.Run(ctx, c, view.log(file), func(i process.Info) {
		fmt.Fprintf(view, "%s audits\n", i.Address)
		done = make(chan struct{})
		go func() { defer close(done); followAuditor(ctx, cmd, view, asJSON, i.Status) }()
	})
	stop()
	<-done
	return ended(cmd.Context(), err)
}

// followAuditor shows a status whenever it changed.
func followAuditor(ctx context.Context, cmd *cobra.Command, view *view, asJSON bool, status func() auditor.Status) {
	var shown auditor.Status
	for {
		if s := status(); s != shown {
			if shown = s; asJSON {
				json.NewEncoder(cmd.OutOrStdout()).Encode(s)
			} else {
				fmt.Fprintln(view, auditorLine(s))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// auditorLine is a status on one line.
func auditorLine(s auditor.Status) string {
	parts := []string{
		fmt.Sprintf("epoch %d: %d of %d bought", s.Epoch, s.Bought, s.Drawn),
		fmt.Sprintf("found %d good, %d bad, %d unclear", s.Upheld, s.Refuted, s.Inconclusive),
		fmt.Sprintf("%d cases open, %d audits paid", s.Cases, s.Completed), "bond " + credit.Koin(s.Bond),
	}
	if s.Jailed {
		parts = append(parts, "jailed")
	}
	if s.Problem != "" {
		parts = append(parts, s.Problem)
	}
	return strings.Join(parts, "; ")
}

// watchedHome is that of the auditor whose books are shown by default: the one that
// koinon audit run keeps, or else the first of koinon up.
func watchedHome() string {
	own, first := auditorHome(), filepath.Join(defaultHome(), devnet.FirstAuditor)
	if _, err := os.Stat(own); err != nil {
		if _, err := os.Stat(first); err == nil {
			return first
		}
	}
	return own
}

func newAuditListCommand() *cobra.Command {
	var home string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List what this auditor bought and found, oldest first",
		Example: "  koinon audit list\n  koinon audit list --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Stat(home); err != nil {
				return &exitError{exitNotFound, fmt.Errorf("no auditor works in %s: start one with koinon audit run", home)}
			}
			kept, err := store.Read(home)
			if err != nil {
				return err
			}
			defer kept.Close()
			purchases, err := kept.Purchases(cmd.Context(), store.All)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), purchases)
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "WHEN\tCOST\tPROVIDER\tFOUND\tWHY")
			for _, p := range purchases {
				verdict, why := "not yet", ""
				if p.Finding != nil {
					verdict, why = string(p.Finding.Verdict), p.Finding.Reason
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", p.Bought.Format(time.DateTime), credit.Dollars(p.Receipt.Cost), p.Provider, verdict, why)
			}
			return table.Flush()
		},
	}
	cmd.Flags().StringVar(&home, "home", watchedHome(), "the auditor's home")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with receipts and transcripts")
	return cmd
}

func newAuditStatusCommand() *cobra.Command {
	var conn connection
	var address string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [ADDRESS]",
		Short: "Show the court's open cases, or what is known of one provider's honesty",
		Example: `  koinon audit status
  koinon audit status koinon1…          # its audit rate, convictions and open cases
  koinon audit status --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if address = args[0]; client.CheckAddress(address) != nil {
					return usageError("%s is no address", address)
				}
			}
			if err := conn.resolve(); err != nil {
				return err
			}
			ledger, err := client.Dial(cmd.Context(), cmp.Or(conn.ledger, "127.0.0.1:9090"), "")
			if err != nil {
				return err
			}
			defer ledger.Close()
			return showAudits(cmd, ledger, address, asJSON)
		},
	}
	cmd.Flags().StringVar(&conn.home, "home", defaultHome(), "home of the network that koinon up runs, or of a node")
	cmd.Flags().StringVar(&conn.ledger, "ledger", "", "gRPC address of a node (default that of the home)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// showAudits prints cases, and of one account its record.
func showAudits(cmd *cobra.Command, ledger *client.Client, address string, asJSON bool) error {
	cases, err := ledger.Cases(cmd.Context(), address)
	if err != nil {
		return err
	}
	convictions, err := ledger.Convictions(cmd.Context(), address)
	if err != nil {
		return err
	}
	var rate uint64
	if address != "" {
		if _, rate, err = ledger.AuditRecord(cmd.Context(), address); err != nil {
			return err
		}
	}
	out := cmd.OutOrStdout()
	if asJSON {
		return printJSON(out, map[string]any{"rate": rate, "cases": cases, "convictions": convictions})
	}
	if address != "" {
		fmt.Fprintf(out, "%s of its answers are audited\n", strings.TrimSuffix(fmt.Sprintf("%.4g%%", float64(rate)/court.Million*100), ".0"))
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CASE\tSTATE\tABOUT\tUNTIL\tOUTCOME")
	for _, c := range cases {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\n", c.Id, court.State(c.State), c.Provider, time.Unix(c.Deadline, 0).Local().Format(time.DateTime), court.Outcome(c.Outcome))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, c := range convictions {
		fmt.Fprintf(out, "%s: %s was convicted of %s: %s forfeited, %s of its bond\n", time.Unix(c.At, 0).Local().Format(time.DateTime), c.Convict,
			offence(c.Offence), credit.Dollars(c.Forfeited), credit.Koin(c.Fine))
	}
	return nil
}

// offence is one in words.
func offence(o auditv1.Offence) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(o.String(), "OFFENCE_"), "_", " "))
}
