package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/instrument"
	"github.com/koinon/koinon/internal/issuer/bank"
	"github.com/koinon/koinon/internal/issuer/onledger"
	"github.com/koinon/koinon/internal/issuer/stripe"
)

func newIssuerCommand() *cobra.Command {
	p := &purse{}
	cmd := &cobra.Command{
		Use:   "issuer",
		Short: "Issue credit against dollars: by card, by bank",
		Long: `An issuer, admitted by governance, mints credit for dollars that it received, up
to its cap, and pays dollars for credit that holders cash out. Every payment is
minted under its own reference, which the ledger takes once: running anything
here again does nothing twice.`,
		Example: `  koinon issuer bank journal.csv --from issuer --dry-run
  koinon issuer payouts --from issuer > payouts.csv
  koinon issuer stripe --from issuer --listen 127.0.0.1:8787`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	p.flags(cmd)
	cmd.AddCommand(newIssuerBankCommand(p), newIssuerPayoutsCommand(p), newIssuerStripeCommand(p), newIssuerTrialCommand(p))
	return cmd
}

// asIssuer opens the issuer's account on the ledger.
func (p *purse) asIssuer(cmd *cobra.Command, name string, use func(*onledger.Account) error) error {
	key, err := p.key(cmd, name)
	if err != nil {
		return err
	}
	c, err := p.connect(cmd.Context())
	if err != nil {
		return err
	}
	return errors.Join(use(onledger.New(c, key)), c.Close())
}

func newIssuerBankCommand(p *purse) *cobra.Command {
	var from string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "bank JOURNAL.csv",
		Short: "Mint for the incoming transfers of a bank's journal, settle for the outgoing",
		Long: `Reads a CSV file whose first line names its columns, among them:

  id         the bank's own name of the transfer; never used twice
  amount     dollars, 25.00; with a minus if they went out
  currency   USD
  reference  of an incoming transfer, text with the recipient's koinon1… address;
             of an outgoing one, koinon-cash-out-N as 'koinon issuer payouts' wrote it

and reports on each line: minted, settled, known (done before), skipped, refused
(needs you) or failed (run again). It exits 4 if any was refused, 1 if any failed.`,
		Example: "  koinon issuer bank journal.csv --from issuer --dry-run\n  koinon issuer bank journal.csv --from issuer --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			journal, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer journal.Close()
			return p.asIssuer(cmd, from, func(l *onledger.Account) error {
				return p.bookJournal(cmd, l, journal, dryRun)
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "name of the issuer's key")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "report what would be done, and do nothing")
	return cmd
}

// bookJournal books a journal and reports.
func (p *purse) bookJournal(cmd *cobra.Command, l *onledger.Account, journal *os.File, dryRun bool) error {
	lines, counts := []bank.Line{}, map[bank.Outcome]int{}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	err := bank.Book(cmd.Context(), l, journal, dryRun, func(line bank.Line) {
		counts[line.Outcome]++
		lines = append(lines, line)
		if !p.asJSON {
			fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\n", line.Line, line.ID, line.Outcome, credit.Dollars(line.Ucredit), line.To, line.Why)
		}
	})
	if p.asJSON {
		err = errors.Join(err, printJSON(cmd.OutOrStdout(), map[string]any{"dry_run": dryRun, "lines": lines}))
	}
	if err = errors.Join(err, table.Flush()); err != nil {
		return err
	}
	if n := counts[bank.Failed]; n > 0 {
		return fmt.Errorf("transfers that failed: %d; run this again", n)
	}
	if n := counts[bank.Refused]; n > 0 {
		return &exitError{exitInvalid, fmt.Errorf("transfers refused: %d; see why above", n)}
	}
	return nil
}

func newIssuerPayoutsCommand(p *purse) *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use:   "payouts",
		Short: "Write what holders cashed out as CSV for the bank",
		Long: `Writes one line for each cash-out that is not settled: id, date, amount, currency,
destination (what the holder and you agreed on), holder, reference. Give each
transfer its reference; the bank's journal then settles it.`,
		Example: "  koinon issuer payouts --from issuer > payouts.csv",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.asIssuer(cmd, from, func(l *onledger.Account) error {
				if p.asJSON {
					owed, err := l.CashOuts(cmd.Context())
					if err != nil {
						return err
					}
					return printJSON(cmd.OutOrStdout(), owed)
				}
				n, err := bank.Payouts(cmd.Context(), l, cmd.OutOrStdout())
				fmt.Fprintf(cmd.ErrOrStderr(), "cash-outs to pay: %d\n", n)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "name of the issuer's key")
	return cmd
}

func newIssuerStripeCommand(p *purse) *cobra.Command {
	config := stripe.DefaultConfig()
	config.Home = filepath.Join(filepath.Dir(defaultHome()), "stripe")
	var from, file string
	cmd := &cobra.Command{
		Use:   "stripe",
		Short: "Take card payments with Stripe, and refund what is cashed out",
		Long: `Serves POST /checkout {"address","amount"}, which opens a Checkout Session and
answers its page, and POST /webhook for Stripe's signed events
(checkout.session.completed, checkout.session.async_payment_succeeded,
charge.dispute.created). A paid session is minted once. A holder who cashes out
to a session's id is refunded to its card. The secrets are best given as
KOINON_SECRET_KEY and KOINON_WEBHOOK_SECRET.`,
		Example: "  KOINON_SECRET_KEY=sk_… KOINON_WEBHOOK_SECRET=whsec_… koinon issuer stripe --from issuer",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := configure(cmd, file, &config); err != nil {
				return err
			}
			if err := config.Validate(); err != nil {
				return usageError("%w", err)
			}
			return p.asIssuer(cmd, from, func(l *onledger.Account) error {
				log, file, err := daemonLog(cmd, config.Home)
				if err != nil {
					return err
				}
				defer file.Close()
				i, err := stripe.New(config, l, log)
				if err != nil {
					return err
				}
				return ended(cmd.Context(), serveCards(cmd, i, config, p.asJSON, log))
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "", "name of the issuer's key")
	flags.StringVar(&file, "config", "", "YAML file of settings")
	flags.StringVar(&config.Home, "stripe-home", config.Home, "where payments are kept")
	flags.StringVar(&config.Listen, "listen", config.Listen, "address of the endpoint")
	flags.StringVar(&config.MetricsAddr, "metrics-addr", "", metricsUsage)
	flags.StringVar(&config.SecretKey, "secret-key", "", "Stripe's API key")
	flags.StringVar(&config.WebhookSecret, "webhook-secret", "", "Stripe's secret for signing events")
	flags.StringVar(&config.SuccessURL, "success-url", config.SuccessURL, "where payers go afterwards")
	flags.Int64Var(&config.MinCents, "min-cents", config.MinCents, "least payment")
	flags.Int64Var(&config.MaxCents, "max-cents", config.MaxCents, "largest payment")
	flags.DurationVar(&config.Every, "every", config.Every, "how often unfinished work is looked at")
	flags.StringVar(&config.APIURL, "api-url", config.APIURL, "Stripe's API")
	return cmd
}

// serveCards serves the endpoint and works until the command is stopped.
func serveCards(cmd *cobra.Command, i *stripe.Issuer, c stripe.Config, asJSON bool, log *slog.Logger) (err error) {
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("the endpoint's address %s cannot be used (%w): choose another with --listen", c.Listen, err)
	}
	url := "http://" + listener.Addr().String()
	fmt.Fprintf(cmd.ErrOrStderr(), "card payments at %s/checkout, Stripe's webhook at %s/webhook\n", url, url)
	if asJSON {
		if err := printJSON(cmd.OutOrStdout(), map[string]string{"url": url}); err != nil {
			return err
		}
	}
	registry := instrument.Registry(version)
	registry.MustRegister(i.Metrics()...)
	role := instrument.Role{Name: "issuer", Home: c.Home, Version: version, Account: i.Address(), Ready: i.Ready}
	unwatch, err := instrument.Serve(cmp.Or(c.MetricsAddr, instrument.DefaultListen), role, registry, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unwatch()) }()
	server := &http.Server{Handler: i.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 45 * time.Second}
	group, ctx := errgroup.WithContext(cmd.Context())
	group.Go(func() error { return i.Run(ctx) })
	group.Go(func() error {
		<-ctx.Done()
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return server.Shutdown(stopping)
	})
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	return group.Wait()
}
