package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	sdkmath "cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"github.com/spf13/cobra"

	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/mechanism/registry"
)

func newShareCommand() *cobra.Command {
	p := &purse{}
	cmd := &cobra.Command{
		Use:   "share",
		Short: "Own parts of models: issue, move and lock shares, claim royalties",
		Long: `Shares of a model are coins that any Cosmos wallet holds and moves, share/ada/bard
for @ada/bard. Each redemption's royalty is divided among them as they are held at that
moment; what was earned stays with who earned it until it is claimed. Shares that vest or
are locked earn and vote, too.`,
		Example: `  koinon share issue @ada/bard --to ada=600000 --vest bea=300000 --reserve compute=100000 --from ada
  koinon share holders @ada/bard
  koinon share send @ada/bard 1000 koinon1… --from ada
  koinon share claim @ada/bard --from ada`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	p.flags(cmd)
	cmd.AddCommand(newShareIssueCommand(p), newShareShowCommand(p), newShareHoldersCommand(p), newShareSendCommand(p), newShareClaimCommand(p),
		newShareVestCommand(p), newShareVestingCommand(p), newShareReleaseCommand(p), newShareLockCommand(p), newShareUnlockCommand(p), newShareDelegateCommand(p),
		newShareBuyoutCommand(p))
	return cmd
}

// holding makes a command that sends one message about a model's shares.
func (p *purse) holding(cmd *cobra.Command, message func(holder string, args []string) (sdk.Msg, string, error)) *cobra.Command {
	var o payment
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.pay(cmd, o, "share "+cmd.Name(), func(_ *client.Client, key client.Key) (plan, error) {
			msg, what, err := message(key.Address(), args)
			return plan{what: what, to: args[0], msgs: []sdk.Msg{msg}}, err
		})
	}
	o.flags(cmd)
	return cmd
}

// count reads a number of shares.
func count(field, text string) (uint64, error) {
	n, err := strconv.ParseUint(strings.ReplaceAll(text, "_", ""), 10, 64)
	if err != nil || n == 0 {
		return 0, usageError("%s: give a whole number of shares, not %q", field, text)
	}
	return n, nil
}

// part reads NAME=SHARES.
func part(flag, text string) (string, uint64, error) {
	name, number, found := strings.Cut(text, "=")
	if !found || name == "" {
		return "", 0, usageError("--%s %q: give NAME=SHARES", flag, text)
	}
	n, err := count("--"+flag, number)
	return name, n, err
}

func newShareIssueCommand(p *purse) *cobra.Command {
	var to, vest, reserve []string
	var schedule vesting
	cmd := p.holding(&cobra.Command{
		Use:   "issue MODEL",
		Short: "Make a model's shares, once",
		Long: `Makes all shares of a model that you own, but those for contributions: compute, data and
expertise are paid for with shares by what measures them, out of --reserve. From then on
the owner's part of every answer is the shareholders'.`,
		Example: "  koinon share issue @ada/bard --to ada=600000 --vest bea=300000 --cliff 4380h --over 17520h --reserve compute=100000 --from ada",
		Args:    cobra.ExactArgs(1),
	}, func(owner string, args []string) (sdk.Msg, string, error) {
		msg := &sharev1.MsgIssue{Owner: owner, Model: args[0]}
		var sum uint64
		for _, list := range []struct {
			flag    string
			texts   []string
			vesting bool
		}{{"to", to, false}, {"vest", vest, true}} {
			for _, text := range list.texts {
				name, n, err := part(list.flag, text)
				if err != nil {
					return nil, "", err
				}
				address, err := p.address(name)
				if err != nil {
					return nil, "", err
				}
				a := sharev1.Allocation{Holder: address, Shares: n}
				if list.vesting {
					schedule.set(&a)
				}
				msg.Allocations = append(msg.Allocations, a)
				sum += n
			}
		}
		for _, text := range reserve {
			name, n, err := part("reserve", text)
			if err != nil {
				return nil, "", err
			}
			kind, known := sharev1.Contribution_value["CONTRIBUTION_"+strings.ToUpper(name)]
			if !known || kind == 0 {
				return nil, "", usageError("--reserve %q: compute, data or expertise", text)
			}
			msg.Reserves = append(msg.Reserves, sharev1.Reserve{Contribution: sharev1.Contribution(kind), Shares: n})
		}
		return msg, fmt.Sprintf("issue %d shares of %s", sum, args[0]), nil
	})
	f := cmd.Flags()
	f.StringArrayVar(&to, "to", nil, "NAME=SHARES that are free at once: a key's name or an address")
	f.StringArrayVar(&vest, "vest", nil, "NAME=SHARES that become free with time")
	f.StringArrayVar(&reserve, "reserve", nil, "compute=SHARES, data=SHARES or expertise=SHARES for contributions")
	schedule.flags(cmd)
	return cmd
}

func newShareShowCommand(p *purse) *cobra.Command {
	return &cobra.Command{
		Use:     "show MODEL",
		Short:   "Show a model's shares and what they have earned",
		Example: "  koinon share show @ada/bard",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			r, err := c.Issue(cmd.Context(), args[0])
			if err != nil {
				return noShares(err)
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), r)
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintf(table, "unclaimed\t%s\nshares\t%d\ndenomination\t%s\n", credit.Dollars(r.Issue.Held), r.Supply, r.Issue.Denom)
			for _, reserve := range r.Issue.Reserves {
				fmt.Fprintf(table, "reserved\t%d for %s\n", reserve.Shares, strings.ToLower(strings.TrimPrefix(reserve.Contribution.String(), "CONTRIBUTION_")))
			}
			return table.Flush()
		},
	}
}

// noShares gives a query's error the code that scripts look for.
func noShares(err error) error {
	if errors.Is(err, client.ErrNotFound) {
		return &exitError{exitNotFound, err}
	}
	return err
}

func newShareHoldersCommand(p *purse) *cobra.Command {
	return &cobra.Command{
		Use:     "holders MODEL",
		Short:   "List who holds shares of a model, and what they can claim",
		Example: "  koinon share holders @ada/bard\n  koinon share holders bard --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			list, err := c.Holders(cmd.Context(), args[0])
			if err != nil {
				return noShares(err)
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), append([]sharev1.Held{}, list...))
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "UNCLAIMED\tSHARES\tOF THEM KEPT\tHOLDER\tVOTE OF")
			for _, h := range list {
				vote := h.Holding.Delegate
				if vote == "" {
					vote = "its own"
				}
				fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\n", credit.Dollars(h.Royalties), h.Shares, h.Holding.Kept, h.Holding.Holder, vote)
			}
			return table.Flush()
		},
	}
}

func newShareSendCommand(p *purse) *cobra.Command {
	return p.holding(&cobra.Command{
		Use:     "send MODEL SHARES TO",
		Short:   "Give shares to another account, as any wallet can",
		Example: "  koinon share send @ada/bard 1000 koinon1… --from ada",
		Args:    cobra.ExactArgs(3),
	}, func(holder string, args []string) (sdk.Msg, string, error) {
		n, err := count("SHARES", args[1])
		if err != nil {
			return nil, "", err
		}
		to, err := p.address(args[2])
		return &banktypes.MsgSend{
			FromAddress: holder, ToAddress: to, Amount: sdk.NewCoins(sdk.NewCoin(registry.Denom(args[0]), sdkmath.NewIntFromUint64(n))),
		}, fmt.Sprintf("send %d shares of %s to %s", n, args[0], to), err
	})
}

func newShareClaimCommand(p *purse) *cobra.Command {
	return p.holding(&cobra.Command{
		Use:     "claim MODEL",
		Short:   "Be paid what your shares have earned; costs nothing",
		Example: "  koinon share claim @ada/bard --from ada",
		Args:    cobra.ExactArgs(1),
	}, func(holder string, args []string) (sdk.Msg, string, error) {
		return &sharev1.MsgClaim{Holder: holder, Model: args[0]}, "claim the royalties of " + args[0], nil
	})
}

func newShareLockCommand(p *purse) *cobra.Command {
	var span time.Duration
	cmd := p.holding(&cobra.Command{
		Use:     "lock MODEL SHARES",
		Short:   "Keep shares for a while: they earn and vote, and cannot be sold",
		Example: "  koinon share lock @ada/bard 1000 --for 720h --from ada",
		Args:    cobra.ExactArgs(2),
	}, func(holder string, args []string) (sdk.Msg, string, error) {
		n, err := count("SHARES", args[1])
		until := time.Now().Add(span)
		return &sharev1.MsgLock{Holder: holder, Model: args[0], Shares: n, Until: until.Unix()},
			fmt.Sprintf("lock %d shares of %s until %s", n, args[0], until.Format(time.DateTime)), err
	})
	cmd.Flags().DurationVar(&span, "for", 30*24*time.Hour, "how long")
	return cmd
}

func newShareUnlockCommand(p *purse) *cobra.Command {
	return p.holding(&cobra.Command{
		Use:     "unlock MODEL",
		Short:   "Free locked shares whose time has come",
		Example: "  koinon share unlock @ada/bard --from ada",
		Args:    cobra.ExactArgs(1),
	}, func(holder string, args []string) (sdk.Msg, string, error) {
		return &sharev1.MsgUnlock{Holder: holder, Model: args[0]}, "unlock the shares of " + args[0], nil
	})
}

func newShareDelegateCommand(p *purse) *cobra.Command {
	return p.holding(&cobra.Command{
		Use:     "delegate MODEL TO",
		Short:   "Let somebody vote for your shares; the money stays yours",
		Long:    "Let somebody vote for all your shares of a model, now and later, or take the vote\nback by naming yourself. Who votes for you does not pass it on.",
		Example: "  koinon share delegate @ada/bard koinon1… --from bea",
		Args:    cobra.ExactArgs(2),
	}, func(holder string, args []string) (sdk.Msg, string, error) {
		to, err := p.address(args[1])
		return &sharev1.MsgDelegate{Holder: holder, Model: args[0], To: to}, fmt.Sprintf("let %s vote for your shares of %s", to, args[0]), err
	})
}
