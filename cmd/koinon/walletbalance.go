package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/ledger/client/wallet"
)

func newWalletBalanceCommand(p *purse) *cobra.Command {
	return &cobra.Command{
		Use:     "balance NAME|ADDRESS",
		Short:   "Show what an account has: in hand, in escrow, on its way",
		Example: "  koinon wallet balance me\n  koinon wallet balance koinon1… --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			address, err := p.address(args[0])
			if err != nil {
				return err
			}
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			balance, err := wallet.Read(cmd.Context(), c, address)
			if err != nil {
				return err
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), balance)
			}
			return showBalance(cmd.OutOrStdout(), balance)
		},
	}
}

func showBalance(w io.Writer, b wallet.Balance) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%s\t\t%s\n", credit.Dollars(b.Dollars()), b.Address)
	fmt.Fprintf(table, "  account\t%s\t\n", credit.Dollars(b.Account))
	fmt.Fprintf(table, "  escrow\t%s\tavailable for grants, or to withdraw\n", credit.Dollars(b.Available))
	fmt.Fprintf(table, "\t%s\tlocked for active grants\n", credit.Dollars(b.Locked))
	next := ""
	if len(b.Payouts) > 0 {
		next = "the next " + credit.Dollars(b.Payouts[0].Ucredit) + " at " + b.Payouts[0].Due.Format(time.DateTime)
	}
	fmt.Fprintf(table, "  on its way\t%s\t%s\n", credit.Dollars(b.OnItsWay), next)
	fmt.Fprintf(table, "%s\t\t\n", credit.Koin(b.Koin))
	return table.Flush()
}

func newWalletHistoryCommand(p *purse) *cobra.Command {
	limit := 20
	cmd := &cobra.Command{
		Use:     "history NAME|ADDRESS",
		Short:   "List an account's latest transactions, newest first",
		Example: "  koinon wallet history me --limit 5",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 || limit > client.MaxHistory {
				return usageError("--limit %d: give from 1 to %d", limit, client.MaxHistory)
			}
			address, err := p.address(args[0])
			if err != nil {
				return err
			}
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			list, err := c.History(cmd.Context(), address, limit)
			if err != nil {
				return err
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, h := range list {
				outcome := "done"
				if h.Failed {
					outcome = "refused"
				}
				fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\n", h.Time, h.Height, h.Message, outcome, h.Hash)
			}
			return table.Flush()
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "how many")
	return cmd
}
