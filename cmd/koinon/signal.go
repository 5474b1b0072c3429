package main

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/spf13/cobra"

	curationv1 "github.com/koinon/koinon/api/koinon/curation/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
)

func newSignalCommand() *cobra.Command {
	p := &purse{}
	cmd := &cobra.Command{
		Use:   "signal",
		Short: "Stake KOIN on models, providers and apps, and earn a part of their fees",
		Long: `A signal says that a listing is good. It ranks the listing, and earns a part of
its fees: an early one more than a late one of the same size. 1 % of it is a tax;
the rest stays yours, comes back a week after you take it, and is slashed with a
provider that is convicted of fraud. A listing is model/sha256:…,
provider/koinon1… or app/koinon1….`,
		Example: `  koinon signal add provider/koinon1… '5 KOIN' --from me
  koinon signal list --kind model
  koinon signal list --of me
  koinon signal collect provider/koinon1… --from me`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	p.flags(cmd)
	cmd.AddCommand(
		newStakeCommand(p, "add", "Stake KOIN on a listing", "stake %s on %s", func(curator, listing string, ukoin uint64) sdk.Msg {
			return &curationv1.MsgSignal{Curator: curator, Listing: listing, Amount: ukoin}
		}),
		newStakeCommand(p, "remove", "Take stake back after the delay, and its fees at once", "take %s back from %s", func(curator, listing string, ukoin uint64) sdk.Msg {
			return &curationv1.MsgLeave{Curator: curator, Listing: listing, Amount: ukoin}
		}),
		newCollectCommand(p), newSignalListCommand(p))
	return cmd
}

// koins reads an amount that must be KOIN.
func koins(text string) (credit.Amount, error) {
	amount, err := credit.ParseAmount(text)
	if err == nil && amount.Denom != credit.KoinDenom {
		err = fmt.Errorf("signals are of KOIN, not dollars: write it like '5 KOIN'")
	}
	if err != nil {
		return amount, usageError("AMOUNT: %w", err)
	}
	return amount, nil
}

func newStakeCommand(p *purse, name, short, what string, message func(curator, listing string, ukoin uint64) sdk.Msg) *cobra.Command {
	var o payment
	cmd := &cobra.Command{
		Use:     name + " LISTING AMOUNT",
		Short:   short,
		Example: fmt.Sprintf("  koinon signal %s model/sha256:… '5 KOIN' --from me", name),
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			amount, err := koins(args[1])
			if err != nil {
				return err
			}
			return p.pay(cmd, o, "signal "+name, func(_ *client.Client, key client.Key) (plan, error) {
				return plan{
					what: fmt.Sprintf(what, amount, args[0]), amount: amount, to: args[0],
					msgs: []sdk.Msg{message(key.Address(), args[0], amount.Units)},
				}, nil
			})
		},
	}
	o.flags(cmd)
	return cmd
}

func newCollectCommand(p *purse) *cobra.Command {
	var o payment
	cmd := &cobra.Command{
		Use:     "collect LISTING",
		Short:   "Be paid the fees that a signal earned",
		Example: "  koinon signal collect model/sha256:… --from me",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.pay(cmd, o, "signal collect", func(_ *client.Client, key client.Key) (plan, error) {
				return plan{
					what: "collect the fees of " + args[0], to: args[0],
					msgs: []sdk.Msg{&curationv1.MsgCollect{Curator: key.Address(), Listing: args[0]}},
				}, nil
			})
		},
	}
	o.flags(cmd)
	return cmd
}

func newSignalListCommand(p *purse) *cobra.Command {
	var kind, of string
	const most = 100
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "Rank listings by stake, or show one curator's signals",
		Example: "  koinon signal list --kind provider\n  koinon signal list --of me --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if kind != "model" && kind != "provider" && kind != "app" {
				return usageError("--kind: %q is not model, provider or app", kind)
			}
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			if of != "" {
				return p.listSignals(cmd, c, of)
			}
			list, err := c.Ranking(cmd.Context(), kind, most)
			if err != nil {
				return err
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), append([]curationv1.Standing{}, list...))
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "STAKED\tRATING\tPAID FOR IT\tLISTING")
			for _, s := range list {
				rating := "none"
				if s.Weight > 0 {
					rating = fmt.Sprintf("%d.%03d", s.Rating/1000, s.Rating%1000)
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", credit.Koin(s.Staked), rating, credit.Dollars(s.Weight), s.Listing)
			}
			return table.Flush()
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "model", "model, provider or app")
	cmd.Flags().StringVar(&of, "of", "", "a curator's name or address, instead")
	return cmd
}

func (p *purse) listSignals(cmd *cobra.Command, c *client.Client, of string) error {
	curator, err := p.address(of)
	if err != nil {
		return err
	}
	list, err := c.Signals(cmd.Context(), curator)
	if err != nil {
		return err
	}
	if p.asJSON {
		return printJSON(cmd.OutOrStdout(), append([]curationv1.Holding{}, list...))
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WORTH\tEARNED\tLISTING")
	for _, h := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\n", credit.Koin(h.Worth), credit.Dollars(h.Fees), h.Signal.Listing)
	}
	return table.Flush()
}

func newRateCommand() *cobra.Command {
	p, o := &purse{}, payment{}
	cmd := &cobra.Command{
		Use:   "rate LISTING STARS",
		Short: "Rate a model, provider or app that you paid for; costs nothing",
		Long: `Gives 1 to 5 stars, or changes those you gave. The rating weighs what the treasury
got of what you paid for the listing's work, as far as it is redeemed: praise costs
its weight. A listing is model/sha256:…, provider/koinon1… or app/koinon1….`,
		Example: "  koinon rate provider/koinon1… 5 --from me",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			stars, err := strconv.ParseUint(args[1], 10, 32)
			if err != nil || stars < 1 || stars > 5 {
				return usageError("STARS: give 1 to 5, not %q", args[1])
			}
			return p.pay(cmd, o, "rate", func(_ *client.Client, key client.Key) (plan, error) {
				return plan{
					what: fmt.Sprintf("rate %s %s", args[0], strings.Repeat("★", int(stars))), to: args[0],
					msgs: []sdk.Msg{&curationv1.MsgRate{Payer: key.Address(), Listing: args[0], Stars: uint32(stars)}},
				}, nil
			})
		},
	}
	p.flags(cmd)
	o.flags(cmd)
	return cmd
}
