package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/mechanism/curve"
)

// stage is an enumeration's name as people read it: STATUS_OPEN is open.
func stage(name fmt.Stringer) string {
	_, text, _ := strings.Cut(name.String(), "_")
	return strings.ToLower(text)
}

// await asks until done says so, and tells that it waits.
func await(ctx context.Context, talk io.Writer, what string, done func() (bool, error)) error {
	tick := time.NewTicker(time.Second / 2)
	defer tick.Stop()
	for began, told := time.Now(), false; ; {
		over, err := done()
		if err != nil || over {
			return err
		}
		if !told && time.Since(began) > 2*time.Second {
			fmt.Fprintf(talk, "waiting for %s\n", what)
			told = true
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func newOfferingShowCommand(p *purse) *cobra.Command {
	var of string
	var wait bool
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show an offering: its terms, what is raised and what was paid out",
		Example: "  koinon offering show 0\n  koinon offering show 0 --of me --json\n  koinon offering show 0 --wait",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := number("ID", args[0])
			if err != nil {
				return err
			}
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			if of != "" {
				return p.showPosition(cmd, c, id, of)
			}
			var o offeringv1.Offering
			err = await(cmd.Context(), cmd.ErrOrStderr(), "the offering's end", func() (bool, error) {
				o, err = c.Offering(cmd.Context(), id)
				return !wait || o.Status != offeringv1.Status_STATUS_OPEN, err
			})
			if err != nil {
				return missing(err)
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), o)
			}
			return printOffering(cmd.OutOrStdout(), o)
		},
	}
	cmd.Flags().StringVar(&of, "of", "", "show what this buyer has in it instead: a name or an address")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until it is closed")
	return cmd
}

func printOffering(out io.Writer, o offeringv1.Offering) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	t := o.Terms
	fmt.Fprintf(table, "%s\traised of at least %s; %s\n", credit.Dollars(o.Raised), credit.Dollars(t.SoftCap), stage(o.Status))
	switch {
	case t.Price > 0:
		fmt.Fprintf(table, "%s\ta share\n", priced(t.Price, curve.Million))
	case t.Linear != nil:
		fmt.Fprintf(table, "%s\ta share at first, %s more for each million sold\n", priced(t.Linear.Base, curve.Million), priced(t.Linear.Slope, curve.Million))
	case t.Product != nil:
		fmt.Fprintf(table, "%s\tand %d shares: the curve began as a pool of these would\n", credit.Dollars(t.Product.Virtual), t.Product.Total)
	}
	if t.Price == 0 {
		fmt.Fprintf(table, "%s\tin reserve, for which shares can be sold back\n", credit.Dollars(o.Reserve))
	}
	fmt.Fprintf(table, "%s\theld for milestones\n", credit.Dollars(o.Held))
	fmt.Fprintf(table, "%d of %d\tshares of %s sold\n", o.Sold, t.Shares, t.Model)
	fmt.Fprintf(table, "%s\tbuying ends\n%s\twhat is held goes back\n", utc(t.Deadline), utc(t.Lapse))
	for i, m := range t.Milestones {
		state := "waits for " + stage(m.Proof) + m.Digest
		if m.Score > 0 {
			state = fmt.Sprintf("waits for the council to find %.6g or more in %s", float64(m.Score)/1e6, m.Benchmark)
		}
		if o.Done[i] {
			state = "paid out"
		}
		fmt.Fprintf(table, "%d %%\tmilestone %d, %s: %s\n", m.Bps/100, i, m.Title, state)
	}
	fmt.Fprintf(table, "%s\tis paid\n", t.Beneficiary)
	return table.Flush()
}

// utc writes Unix seconds.
func utc(at int64) string { return time.Unix(at, 0).UTC().Format(time.DateTime) }

// showPosition shows what a buyer has in an offering; nothing, if it has none.
func (p *purse) showPosition(cmd *cobra.Command, c *client.Client, id uint64, of string) error {
	buyer, err := p.address(of)
	if err != nil {
		return err
	}
	list, err := c.Positions(cmd.Context(), id)
	if err != nil {
		return err
	}
	position := offeringv1.Position{Offering: id, Buyer: buyer}
	for _, v := range list {
		if v.Buyer == buyer {
			position = v
		}
	}
	if p.asJSON {
		return printJSON(cmd.OutOrStdout(), position)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s raised, %d shares to be delivered\n", credit.Dollars(position.Raised), position.Shares)
	return err
}

func newOfferingListCommand(p *purse) *cobra.Command {
	var model string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List offerings",
		Example: "  koinon offering list\n  koinon offering list --model @ada/bard --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			list, err := c.Offerings(cmd.Context(), model)
			if err != nil {
				return err
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), append([]offeringv1.Offering{}, list...))
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "RAISED\tSOFT CAP\tID\tSTATUS\tSOLD\tOF\tENDS\tMODEL")
			for _, o := range list {
				fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%d\t%d\t%s\t%s\n", credit.Dollars(o.Raised), credit.Dollars(o.Terms.SoftCap), o.Id,
					stage(o.Status), o.Sold, o.Terms.Shares, utc(o.Terms.Deadline), o.Terms.Model)
			}
			return table.Flush()
		},
	}
	cmd.Flags().StringVar(&model, "model", "", "only those of this model")
	return cmd
}
