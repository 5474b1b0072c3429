package main

import (
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/spf13/cobra"

	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
	"github.com/koinon/koinon/internal/ledger/client"
)

// vesting is a schedule that begins now.
type vesting struct{ cliff, over time.Duration }

func (v *vesting) flags(cmd *cobra.Command) {
	const year = 365 * 24 * time.Hour
	cmd.Flags().DurationVar(&v.cliff, "cliff", year, "time before anything is free")
	cmd.Flags().DurationVar(&v.over, "over", 4*year, "time until everything is free")
}

// set gives an allocation the schedule.
func (v *vesting) set(a *sharev1.Allocation) {
	now := time.Now()
	a.Start, a.Cliff, a.End = now.Unix(), now.Add(v.cliff).Unix(), now.Add(v.over).Unix()
}

func newShareVestCommand(p *purse) *cobra.Command {
	var schedule vesting
	cmd := p.holding(&cobra.Command{
		Use:     "vest MODEL SHARES TO",
		Short:   "Give shares of yours to somebody by a schedule",
		Example: "  koinon share vest @ada/bard 5000 koinon1… --cliff 4380h --over 17520h --from ada",
		Args:    cobra.ExactArgs(3),
	}, func(from string, args []string) (sdk.Msg, string, error) {
		n, err := count("SHARES", args[1])
		if err != nil {
			return nil, "", err
		}
		to, err := p.address(args[2])
		a := sharev1.Allocation{Holder: to, Shares: n}
		schedule.set(&a)
		return &sharev1.MsgVest{From: from, Model: args[0], Allocation: a},
			fmt.Sprintf("give %d shares of %s to %s, free from %s to %s", n, args[0], to,
				time.Unix(a.Cliff, 0).Format(time.DateOnly), time.Unix(a.End, 0).Format(time.DateOnly)), err
	})
	schedule.flags(cmd)
	return cmd
}

func newShareVestingCommand(p *purse) *cobra.Command {
	return &cobra.Command{
		Use:     "vesting MODEL HOLDER",
		Short:   "List the schedules by which somebody's shares become free",
		Example: "  koinon share vesting @ada/bard bea",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			holder, err := p.address(args[1])
			if err != nil {
				return err
			}
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			list, err := c.Vestings(cmd.Context(), args[0], holder)
			if err != nil {
				return err
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), append([]sharev1.Schedule{}, list...))
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "ID\tSHARES\tRELEASED\tFREE NOW\tCLIFF\tEND")
			for _, s := range list {
				v := s.Vesting
				fmt.Fprintf(table, "%d\t%d\t%d\t%d\t%s\t%s\n", v.Id, v.Shares, v.Released, s.Free,
					time.Unix(v.Cliff, 0).Format(time.DateOnly), time.Unix(v.End, 0).Format(time.DateOnly))
			}
			return table.Flush()
		},
	}
}

func newShareReleaseCommand(p *purse) *cobra.Command {
	var o payment
	cmd := &cobra.Command{
		Use:     "release MODEL",
		Short:   "Free the shares of yours that have vested",
		Example: "  koinon share release @ada/bard --from bea",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.pay(cmd, o, "share release", func(c *client.Client, key client.Key) (plan, error) {
				list, err := c.Vestings(cmd.Context(), args[0], key.Address())
				if err != nil {
					return plan{}, err
				}
				made := plan{to: args[0]}
				var sum uint64
				for _, s := range list {
					if s.Free > 0 {
						sum += s.Free
						made.msgs = append(made.msgs, sdk.Msg(&sharev1.MsgRelease{Holder: key.Address(), Model: args[0], Id: s.Vesting.Id}))
					}
				}
				if sum == 0 {
					return made, &exitError{exitNotFound, fmt.Errorf("no shares of %s have vested: see 'koinon share vesting %s %s'", args[0], args[0], key.Name)}
				}
				made.what = "release " + strconv.FormatUint(sum, 10) + " shares of " + args[0]
				return made, nil
			})
		},
	}
	o.flags(cmd)
	return cmd
}
