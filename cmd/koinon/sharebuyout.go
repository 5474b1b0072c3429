package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/spf13/cobra"

	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/mechanism/buyout"
	"github.com/koinon/koinon/internal/mechanism/curve"
)

func newShareBuyoutCommand(p *purse) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "buyout",
		Short: "Bid for all shares of a model that others have, or accept a bid",
		Long: `A bid offers one price for all shares of a model that others have, and locks what they
cost. Who holds shares tenders some; they earn and vote for their holder until they are bought.
When enough are tendered, all of them are bought at once, and whoever tenders later, until
the deadline, is paid the same. If it never is enough, shares and money go back. Nobody has to sell.`,
		Example: `  koinon share buyout open @ada/bard --price '$0.12' --least 600000 --for 720h --from me
  koinon share buyout list --model @ada/bard
  koinon share buyout tender 0 1000 --from bea
  koinon share buyout back 0 1000 --from bea`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBuyoutOpenCommand(p), newBuyoutTenderCommand(p), newBuyoutBackCommand(p), newBuyoutListCommand(p))
	return cmd
}

func newBuyoutOpenCommand(p *purse) *cobra.Command {
	var o payment
	var price string
	var least uint64
	var span time.Duration
	cmd := &cobra.Command{
		Use:     "open MODEL",
		Short:   "Bid for all shares that others have; what they cost is locked",
		Example: "  koinon share buyout open @ada/bard --price '$0.12' --least 600000 --for 720h --from me --dry-run",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.pay(cmd, o, "share buyout open", func(c *client.Client, key client.Key) (plan, error) {
				each, err := sharePrice("--price", price)
				if err != nil {
					return plan{}, err
				}
				issue, err := c.Issue(cmd.Context(), args[0])
				if err != nil {
					return plan{}, noShares(err)
				}
				own, err := c.Holder(cmd.Context(), args[0], key.Address())
				if err != nil {
					return plan{}, err
				}
				now := time.Now()
				msg := &sharev1.MsgBid{Bidder: key.Address(), Model: args[0], Price: each, Least: least, Deadline: now.Add(span).Unix()}
				bid, err := buyout.New(buyout.Terms{Price: each, Least: least, Most: issue.Supply - own.Shares, Deadline: msg.Deadline}, now.Unix())
				if err != nil {
					return plan{}, usageError("%w", err)
				}
				return plan{
					what:   fmt.Sprintf("lock %s to buy up to %d shares of %s, if %d are tendered by %s", credit.Dollars(bid.Held), issue.Supply-own.Shares, args[0], least, utc(msg.Deadline)),
					amount: credit.Amount{Denom: credit.Denom, Units: bid.Held}, to: args[0], msgs: []sdk.Msg{msg},
				}, nil
			})
		},
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&price, "price", "", "dollars a share")
	f.Uint64Var(&least, "least", 0, "shares that must be tendered, or nothing is bought")
	f.DurationVar(&span, "for", 30*24*time.Hour, "how long the bid is open")
	return cmd
}

// tendering makes a command about some of the signer's shares and a bid.
func (p *purse) tendering(cmd *cobra.Command, message func(holder string, bid, shares uint64) (sdk.Msg, string)) *cobra.Command {
	var o payment
	cmd.Args = cobra.ExactArgs(2)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := number("BID", args[0])
		if err != nil {
			return err
		}
		n, err := count("SHARES", args[1])
		if err != nil {
			return err
		}
		return p.pay(cmd, o, "share buyout "+cmd.Name(), func(c *client.Client, key client.Key) (plan, error) {
			b, err := c.Bid(cmd.Context(), id)
			if err != nil {
				return plan{}, missing(err)
			}
			msg, what := message(key.Address(), id, n)
			worth := buyout.Terms{Price: b.Price}.Worth(min(n, b.Most))
			return plan{
				what:   fmt.Sprintf("%s %d shares of %s, worth %s", what, n, b.Model, credit.Dollars(worth)),
				amount: credit.Amount{Denom: denomOf(b.Model), Units: n}, to: b.Model, msgs: []sdk.Msg{msg},
			}, nil
		})
	}
	o.flags(cmd)
	return cmd
}

func newBuyoutTenderCommand(p *purse) *cobra.Command {
	return p.tendering(&cobra.Command{
		Use: "tender BID SHARES", Short: "Offer shares to a bid", Example: "  koinon share buyout tender 0 1000 --from bea",
	}, func(holder string, bid, shares uint64) (sdk.Msg, string) {
		return &sharev1.MsgTender{Holder: holder, Bid: bid, Shares: shares}, "tender"
	})
}

func newBuyoutBackCommand(p *purse) *cobra.Command {
	return p.tendering(&cobra.Command{
		Use: "back BID SHARES", Short: "Take tendered shares back, while the bid waits for more", Example: "  koinon share buyout back 0 1000 --from bea",
	}, func(holder string, bid, shares uint64) (sdk.Msg, string) {
		return &sharev1.MsgTakeBack{Holder: holder, Bid: bid, Shares: shares}, "take back"
	})
}

func newBuyoutListCommand(p *purse) *cobra.Command {
	var model string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List bids that are not over",
		Example: "  koinon share buyout list\n  koinon share buyout list --model @ada/bard --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			list, err := c.Bids(cmd.Context())
			if err != nil {
				return err
			}
			some := []sharev1.Bid{}
			for _, b := range list {
				if model == "" || b.Model == model {
					some = append(some, b)
				}
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), some)
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "A SHARE\tLOCKED\tID\tSTATUS\tTENDERED\tBOUGHT\tIF AT LEAST\tOF\tENDS\tMODEL")
			for _, b := range some {
				fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%d\t%d\t%d\t%d\t%s\t%s\n", priced(b.Price, curve.Million), credit.Dollars(b.Held), b.Id,
					strings.ToLower(strings.TrimPrefix(b.Status.String(), "BID_STATUS_")), b.Tendered, b.Bought, b.Least, b.Most, utc(b.Deadline), b.Model)
			}
			return table.Flush()
		},
	}
	cmd.Flags().StringVar(&model, "model", "", "only those for this model")
	return cmd
}
