package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	accessv1 "github.com/koinon/koinon/api/koinon/access/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/mechanism/access"
)

// accessShown is what --json shows of a version's access.
type accessShown struct {
	Model  string          `json:"model"`
	Policy accessv1.Policy `json:"policy"`
	Plans  []accessv1.Plan `json:"plans"`
}

func newAccessShowCommand(p *purse) *cobra.Command {
	return &cobra.Command{
		Use:     "show MODEL",
		Short:   "Show who may call a version, and what access tokens cost",
		Example: "  koinon access show @ada/bard\n  koinon access show @ada/bard@1.0 --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			v, err := c.Resolve(cmd.Context(), args[0])
			if err != nil {
				return missing(err)
			}
			policy, err := c.Access(cmd.Context(), v.Digest)
			if err != nil {
				return err
			}
			plans, err := c.Plans(cmd.Context(), v.Name)
			if err != nil {
				return err
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), accessShown{labelOf(v), policy, append([]accessv1.Plan{}, plans...)})
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			state := "open to whoever pays"
			if policy.Gated {
				state = "gated"
			}
			fmt.Fprintf(table, "%s\t%s\n", state, labelOf(v))
			for _, a := range policy.Accounts {
				fmt.Fprintf(table, "listed\t%s\n", a)
			}
			for _, plan := range plans {
				fmt.Fprintf(table, "%s\tplan %d: %s; %d sold%s\n", credit.Dollars(plan.Price), plan.Id,
					access.Terms{Calls: plan.Calls, Seconds: plan.Seconds}, plan.Sold, aside(plan.Transferable, plan.Closed))
			}
			return table.Flush()
		},
	}
}

// aside is what else is to be said of a plan.
func aside(transferable, closed bool) string {
	var words []string
	if transferable {
		words = append(words, "transferable")
	}
	if closed {
		words = append(words, "no longer sold")
	}
	if len(words) == 0 {
		return ""
	}
	return "; " + strings.Join(words, "; ")
}

func newAccessListCommand(p *purse) *cobra.Command {
	var of string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List access tokens and what is left of them",
		Example: "  koinon access list --of bob\n  koinon access list --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			holder := ""
			if of != "" {
				var err error
				if holder, err = p.address(of); err != nil {
					return err
				}
			}
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			list, err := c.AccessTokens(cmd.Context(), holder)
			if err != nil {
				return err
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), append([]accessv1.Token{}, list...))
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "TOKEN\tFOR\tCALLS LEFT\tSET ASIDE\tUSED\tUNTIL\tHOLDER")
			for _, t := range list {
				left, aside, used, until := "any", "-", "-", "for ever"
				if t.Metered {
					left, aside, used = fmt.Sprint(t.Left), fmt.Sprint(t.Reserved), fmt.Sprint(t.Used)
				}
				switch {
				case t.Until > 0 && t.Until <= time.Now().Unix():
					until = "ended " + utc(t.Until)
				case t.Until > 0:
					until = utc(t.Until)
				}
				fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", t.Id, t.Scope, left, aside, used, until, t.Holder)
			}
			return table.Flush()
		},
	}
	cmd.Flags().StringVar(&of, "of", "", "only those that this account holds, by name or address")
	return cmd
}

// callsPerGrant is which part of its token's calls a grant of koinon call sets
// aside: another provider may be cheaper for the next.
const callsPerGrant = 4

// rightOf finds the right under which an account may call a model: none for one
// that is open. Of a token for a number of calls, it says how many of them a new
// grant should set aside.
func rightOf(ctx context.Context, c *client.Client, model, account string) (right string, calls uint64, err error) {
	v, err := c.Resolve(ctx, model)
	if errors.Is(err, client.ErrNotFound) {
		return "", 0, nil // the gateway says that there is none
	}
	if err != nil {
		return "", 0, err
	}
	policy, err := c.Access(ctx, v.Digest)
	if err != nil || !policy.Gated {
		return "", 0, err
	}
	if slices.Contains(policy.Accounts, account) {
		return access.Listed, 0, nil
	}
	tokens, err := c.AccessTokens(ctx, account)
	if err != nil {
		return "", 0, err
	}
	for _, t := range tokens {
		ended := t.Until != 0 && t.Until <= time.Now().Unix()
		if !access.Covers(t.Scope, v.Name) || ended || t.Metered && t.Left+t.Reserved == 0 {
			continue
		}
		return access.Right(t.Id), max(1, t.Left/callsPerGrant), nil
	}
	return "", 0, nil // the gateway says what to buy
}
