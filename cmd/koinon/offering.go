package main

import (
	"fmt"
	"strconv"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/spf13/cobra"

	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/mechanism/curve"
	"github.com/koinon/koinon/internal/mechanism/registry"
)

func newOfferingCommand() *cobra.Command {
	p := &purse{}
	cmd := &cobra.Command{
		Use:   "offering",
		Short: "Raise money for a model by selling its shares, or buy some",
		Long: `An offering sells shares of a model to raise dollars for it. At a fixed price,
buyers have their shares when the soft cap is reached, and all of their money back
if it is not by the deadline. On a curve, the price rises with what is sold; a part
of each payment is raised, and the rest always buys shares back.

Orders of one block clear together, at one price: nobody gains by being first.
What was raised is paid out by milestones: when the sale succeeds, when shareholders
vote for it, when a named version of the model is listed, or when the council found a
version to score enough. What is not paid out by the lapse goes back to buyers.`,
		Example: `  koinon offering open @ada/bard --shares 400000 --price '$0.10' --soft-cap '$10000' \
    --deadline 720h --milestone 'start=20:close' --milestone 'version 2=80:sha256:…' --from ada
  koinon offering buy 0 '$50' --from me
  koinon offering show 0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	p.flags(cmd)
	cmd.AddCommand(newOfferingOpenCommand(p), newOfferingBuyCommand(p), newOfferingSellCommand(p), newOfferingRefundCommand(p),
		newOfferingReleaseCommand(p), newOfferingEvaluateCommand(p), newOfferingShowCommand(p), newOfferingListCommand(p))
	return cmd
}

// number reads an argument that names something by its number.
func number(name, text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, usageError("%s: give a number, not %q", name, text)
	}
	return n, nil
}

// dollarsOf reads an amount that must be dollars.
func dollarsOf(name, text string) (uint64, error) {
	amount, err := credit.Parse(text)
	if err != nil || amount == 0 {
		return 0, usageError("%s: %q is no amount of dollars", name, text)
	}
	return amount, nil
}

// sharePrice reads dollars a share, as the ledger has it: ucredit for a million.
func sharePrice(name, text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	price, err := dollarsOf(name, text)
	if err == nil && price > 1<<43 {
		err = usageError("%s: %q a share is more than the ledger can write", name, text)
	}
	return price * curve.Million, err
}

func newOfferingBuyCommand(p *purse) *cobra.Command {
	var o payment
	var limit string
	cmd := &cobra.Command{
		Use:   "buy ID DOLLARS",
		Short: "Order shares for so many dollars, at most",
		Long: `Orders shares. The block's end fills all its orders at one price, and gives back
what is left: all of it, if the price is above --limit. At a fixed price the shares
come when the soft cap is reached; 'koinon offering show ID --of NAME' shows yours.`,
		Example: "  koinon offering buy 0 '$50' --from me\n  koinon offering buy 1 '$50' --limit '$0.12' --from me",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := number("ID", args[0])
			if err != nil {
				return err
			}
			budget, err := dollarsOf("DOLLARS", args[1])
			if err != nil {
				return err
			}
			highest, err := sharePrice("--limit", limit)
			if err != nil {
				return err
			}
			return p.pay(cmd, o, "offering buy", func(c *client.Client, key client.Key) (plan, error) {
				of, err := c.Offering(cmd.Context(), id)
				return plan{
					what:   fmt.Sprintf("order shares of %s for up to %s", of.Terms.Model, credit.Dollars(budget)),
					amount: credit.Amount{Denom: credit.Denom, Units: budget}, to: of.Terms.Model,
					msgs: []sdk.Msg{&offeringv1.MsgBuy{Buyer: key.Address(), Offering: id, Budget: budget, Limit: highest}},
				}, err
			})
		},
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&limit, "limit", "", "highest price of a share, in dollars (default any)")
	return cmd
}

func newOfferingSellCommand(p *purse) *cobra.Command {
	var o payment
	var limit string
	cmd := &cobra.Command{
		Use:     "sell ID SHARES",
		Short:   "Sell shares back to an offering's curve",
		Example: "  koinon offering sell 1 500 --limit '$0.09' --from me",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := number("ID", args[0])
			if err != nil {
				return err
			}
			shares, err := count("SHARES", args[1])
			if err != nil {
				return err
			}
			lowest, err := sharePrice("--limit", limit)
			if err != nil {
				return err
			}
			return p.pay(cmd, o, "offering sell", func(c *client.Client, key client.Key) (plan, error) {
				of, err := c.Offering(cmd.Context(), id)
				return plan{
					what:   fmt.Sprintf("sell up to %d shares of %s back", shares, of.Terms.Model),
					amount: credit.Amount{Denom: registry.Denom(of.Terms.Model), Units: shares}, to: of.Terms.Model,
					msgs: []sdk.Msg{&offeringv1.MsgSell{Seller: key.Address(), Offering: id, Shares: shares, Limit: lowest}},
				}, err
			})
		},
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&limit, "limit", "", "lowest price of a share, in dollars (default any)")
	return cmd
}

func newOfferingRefundCommand(p *purse) *cobra.Command {
	var o payment
	cmd := &cobra.Command{
		Use:   "refund ID",
		Short: "Ask for what a closed offering owes you: your money, or your shares",
		Long: `The ledger gives back the money of an offering that failed, and the shares of one
that succeeded, by itself, within some blocks. This asks for what did not come.`,
		Example: "  koinon offering refund 0 --from me",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := number("ID", args[0])
			if err != nil {
				return err
			}
			return p.pay(cmd, o, "offering refund", func(_ *client.Client, key client.Key) (plan, error) {
				return plan{
					what: fmt.Sprintf("take what offering %d owes", id),
					msgs: []sdk.Msg{&offeringv1.MsgSettle{Buyer: key.Address(), Offering: id}},
				}, nil
			})
		},
	}
	o.flags(cmd)
	return cmd
}

func newOfferingReleaseCommand(p *purse) *cobra.Command {
	var o payment
	var version string
	cmd := &cobra.Command{
		Use:   "release ID MILESTONE",
		Short: "Have a milestone paid out that the ledger can see to be reached",
		Long: `Pays a milestone's part to the offering's beneficiary: of a sale that succeeded, or
of a version that is listed now, or of --version, if the council found that it scores enough. Anybody may send it. One that needs a decision is
paid when shareholders pass it: 'koinon vote propose MODEL --offering ID --milestone N'.`,
		Example: "  koinon offering release 0 1 --from me\n  koinon offering release 0 2 --version @ada/bard@2 --from me",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := number("ID", args[0])
			if err != nil {
				return err
			}
			n, err := number("MILESTONE", args[1])
			if err != nil || n > 1<<16 {
				return usageError("MILESTONE: give its number, as 'koinon offering show' has it, not %q", args[1])
			}
			return p.pay(cmd, o, "offering release", func(c *client.Client, key client.Key) (plan, error) {
				of, err := c.Offering(cmd.Context(), id)
				if err != nil {
					return plan{}, missing(err)
				}
				var digest string
				if version != "" {
					v, err := resolved(cmd.Context(), c, version)
					if err != nil {
						return plan{}, err
					}
					digest = v.Digest
				}
				return plan{
					what: fmt.Sprintf("pay out milestone %d of offering %d to %s", n, id, of.Terms.Beneficiary), to: of.Terms.Beneficiary,
					msgs: []sdk.Msg{&offeringv1.MsgRelease{Sender: key.Address(), Offering: id, Milestone: uint32(n), Digest: digest}},
				}, nil
			})
		},
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&version, "version", "", "the version that the council evaluated, for such a milestone")
	return cmd
}
