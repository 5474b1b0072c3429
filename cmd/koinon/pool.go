package main

import (
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/spf13/cobra"

	poolv1 "github.com/koinon/koinon/api/koinon/pool/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
	rules "github.com/koinon/koinon/internal/mechanism/pool"
)

func newPoolCommand() *cobra.Command {
	p := &purse{}
	cmd := &cobra.Command{
		Use:   "pool",
		Short: "Swap dollars for KOIN or shares of models, or own a part of a pool",
		Long: `A pool holds dollars and one other asset, KOIN or a model's shares, and swaps one
for the other at the price that their proportion makes. Whoever adds both sides
owns a part of it, and has that part of the fee of every swap. Within one block a
price moves by a bounded part; a swap that would move it further is refused.`,
		Example: `  koinon pool swap '$5' KOIN --from me
  koinon pool swap '100 @ada/bard' dollars --from me
  koinon pool add '200 KOIN' '$100' --from me
  koinon pool list`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	p.flags(cmd)
	cmd.AddCommand(newPoolAddCommand(p), newPoolRemoveCommand(p), newPoolSwapCommand(p), newPoolShowCommand(p), newPoolListCommand(p))
	return cmd
}

func newPoolAddCommand(p *purse) *cobra.Command {
	var o payment
	cmd := &cobra.Command{
		Use:   "add ASSET DOLLARS",
		Short: "Put both sides into a pool; the first to do so begins it",
		Long: `Adds up to so much of both sides, in the pool's proportion; what is too much of
either stays yours. Who begins a pool sets its price by what it adds.`,
		Example: "  koinon pool add '200 KOIN' '$100' --from me\n  koinon pool add '1000 @ada/bard' '$50' --from me --dry-run",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			other, err := parseAsset(args[0])
			if err != nil {
				return err
			}
			dollars, err := parseAsset(args[1])
			if err != nil {
				return err
			}
			if other.denom == credit.Denom || dollars.denom != credit.Denom {
				return usageError("give KOIN or shares first, then dollars: koinon pool add '200 KOIN' '$100'")
			}
			return p.pay(cmd, o, "pool add", func(_ *client.Client, key client.Key) (plan, error) {
				return plan{
					what: fmt.Sprintf("add up to %s and %s", dollars, other), amount: dollars.money(), to: other.denom,
					msgs: []sdk.Msg{&poolv1.MsgAdd{Owner: key.Address(), Denom: other.denom, Credit: dollars.amount, Asset: other.amount}},
				}, nil
			})
		},
	}
	o.flags(cmd)
	return cmd
}

func newPoolRemoveCommand(p *purse) *cobra.Command {
	var o payment
	cmd := &cobra.Command{
		Use:     "remove ASSET PARTS",
		Short:   "Take out what parts are worth; all, for all",
		Example: "  koinon pool remove KOIN all --from me\n  koinon pool remove @ada/bard 5000 --from me",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			denom := denomOf(args[0])
			parts, err := strconv.ParseUint(args[1], 10, 64)
			if args[1] != "all" && err != nil {
				return usageError("PARTS: a number as 'koinon pool list --of' shows, or all, not %q", args[1])
			}
			return p.pay(cmd, o, "pool remove", func(c *client.Client, key client.Key) (plan, error) {
				if args[1] == "all" {
					stakes, err := c.Stakes(cmd.Context(), key.Address())
					if err != nil {
						return plan{}, err
					}
					for _, s := range stakes {
						if s.Denom == denom {
							parts = s.Parts
						}
					}
				}
				return plan{
					what: fmt.Sprintf("take %d parts out of the pool of %s", parts, denom), to: denom,
					msgs: []sdk.Msg{&poolv1.MsgRemove{Owner: key.Address(), Denom: denom, Parts: parts}},
				}, nil
			})
		},
	}
	o.flags(cmd)
	return cmd
}

func newPoolSwapCommand(p *purse) *cobra.Command {
	var o payment
	var slack uint32
	cmd := &cobra.Command{
		Use:   "swap AMOUNT FOR",
		Short: "Swap dollars for KOIN or shares, or those for dollars",
		Long: `Puts one side in and takes the other out, at the price now; if others come first
and less than that, by more than --slack, would come out, nothing happens.`,
		Example: "  koinon pool swap '$5' KOIN --from me\n  koinon pool swap '3 KOIN' dollars --from me\n  koinon pool swap '$5' @ada/bard --from me --slack 50",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := parseAsset(args[0])
			if err != nil {
				return err
			}
			if slack > 10_000 {
				return usageError("--slack: at most 10,000 basis points, not %d", slack)
			}
			return p.pay(cmd, o, "pool swap", func(c *client.Client, key client.Key) (plan, error) {
				return planSwap(cmd, c, key, in, args[1], slack)
			})
		},
	}
	o.flags(cmd)
	cmd.Flags().Uint32Var(&slack, "slack", 100, "how much less may come out than is expected, in basis points")
	return cmd
}

// planSwap finds what a swap would bring now.
func planSwap(cmd *cobra.Command, c *client.Client, key client.Key, in asset, want string, slack uint32) (plan, error) {
	msg := &poolv1.MsgSwap{Trader: key.Address(), Denom: in.denom, Side: poolv1.Side_SIDE_ASSET, In: in.amount}
	side, out := rules.Asset, asset{denom: credit.Denom}
	if in.denom == credit.Denom {
		msg.Denom, msg.Side, side = denomOf(want), poolv1.Side_SIDE_CREDIT, rules.Credit
		out.denom = msg.Denom
	} else if want != "dollars" && want != credit.Denom {
		return plan{}, usageError("FOR: %s is swapped for dollars, not for %q: swap twice", in, want)
	}
	q, params, err := c.Pool(cmd.Context(), msg.Denom)
	if err != nil {
		return plan{}, err
	}
	// How far the block has moved the price already is the ledger's to judge.
	now := rules.Pool{Credit: q.Pool.Credit, Asset: q.Pool.Asset, Parts: q.Pool.Parts, OpenCredit: q.Pool.Credit, OpenAsset: q.Pool.Asset}
	if _, out.amount, err = rules.Swap(rules.Params{FeeBps: params.FeeBps, MoveBps: params.MoveBps}, now, side, in.amount, 0); err != nil {
		return plan{}, err
	}
	msg.Least = out.amount - out.amount/10_000*uint64(slack)
	return plan{what: fmt.Sprintf("swap %s for about %s", in, out), amount: in.money(), to: msg.Denom, msgs: []sdk.Msg{msg}}, nil
}

func newPoolShowCommand(p *purse) *cobra.Command {
	return &cobra.Command{
		Use:     "show ASSET",
		Short:   "Show a pool and its prices",
		Example: "  koinon pool show KOIN\n  koinon pool show @ada/bard --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			q, params, err := c.Pool(cmd.Context(), denomOf(args[0]))
			if err != nil {
				return missing(err)
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), q)
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintf(table, "%s\tprice now\n", poolPrice(q.Pool.Denom, q.Spot))
			if q.AverageSeconds > 0 {
				fmt.Fprintf(table, "%s\tprice, mean of %s\n", poolPrice(q.Pool.Denom, q.Average), time.Duration(q.AverageSeconds)*time.Second)
			}
			fmt.Fprintf(table, "%s and %s\tin the pool\n", credit.Dollars(q.Pool.Credit), asset{q.Pool.Denom, q.Pool.Asset})
			fmt.Fprintf(table, "%d.%02d %%\tfee\n%d\tparts\n", params.FeeBps/100, params.FeeBps%100, q.Pool.Parts)
			return table.Flush()
		},
	}
}

// poolPrice writes a pool's price for one KOIN or one share.
func poolPrice(denom string, ucredit uint64) string {
	if denom == credit.KoinDenom {
		return priced(ucredit, rules.Scale/1_000_000) + " a KOIN"
	}
	return priced(ucredit, rules.Scale) + " a share"
}

func newPoolListCommand(p *purse) *cobra.Command {
	var of string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List pools, or what somebody owns of them",
		Example: "  koinon pool list\n  koinon pool list --of me --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			if of != "" {
				owner, err := p.address(of)
				if err != nil {
					return err
				}
				stakes, err := c.Stakes(cmd.Context(), owner)
				if err != nil {
					return err
				}
				if p.asJSON {
					return printJSON(cmd.OutOrStdout(), append([]poolv1.Stake{}, stakes...))
				}
				fmt.Fprintln(table, "PARTS\tPOOL")
				for _, s := range stakes {
					fmt.Fprintf(table, "%d\t%s\n", s.Parts, s.Denom)
				}
				return table.Flush()
			}
			list, err := c.Pools(cmd.Context())
			if err != nil {
				return err
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), append([]poolv1.Quote{}, list...))
			}
			fmt.Fprintln(table, "PRICE\tDOLLARS\tOTHER SIDE\tPOOL")
			for _, q := range list {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", poolPrice(q.Pool.Denom, q.Spot), credit.Dollars(q.Pool.Credit), asset{q.Pool.Denom, q.Pool.Asset}, q.Pool.Denom)
			}
			return table.Flush()
		},
	}
	cmd.Flags().StringVar(&of, "of", "", "an owner's name or address, instead")
	return cmd
}
