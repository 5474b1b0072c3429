package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/spf13/cobra"

	pinv1 "github.com/koinon/koinon/api/koinon/pin/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/mechanism/possession"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/receipt"
)

// pinned is what the flags of `koinon model pin` say.
type pinned struct {
	store, file, price, bond string
	copies                   uint32
	lasts, epoch, until      time.Duration
	penalty, forgiven        uint32
}

func newModelPinCommand() *cobra.Command {
	p, o := &purse{}, payment{}
	s := pinned{copies: 3, lasts: 30 * 24 * time.Hour, epoch: time.Hour, until: 7 * 24 * time.Hour, penalty: 5, forgiven: 3}
	cmd := &cobra.Command{
		Use:   "pin MODEL",
		Short: "Pay others to keep a version's weights",
		Long: `Offers to pay --copies holders --price for each GiB and 30 days that they keep a
version's weights. What all of it costs is locked now. Each epoch, the ledger draws
pieces of the file for each holder; who shows them is paid for the epoch, who does
not has no fee and loses --penalty percent of its --bond, to the treasury; after
more than --forgiven misses it is out. What is not earned comes back to you.

The weights have to be here, in the store or as --file: pieces are checked against what is read now.`,
		Example: `  koinon model pin @ada/bard --price '$0.02' --for 720h --copies 3 --from ada
  koinon model pin @ada/bard --price '$0.02' --bond '20 KOIN' --dry-run --from ada`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.pay(cmd, o, "model pin", func(c *client.Client, key client.Key) (plan, error) {
				v, err := resolved(cmd.Context(), c, args[0])
				if err != nil {
					return plan{}, err
				}
				t, err := s.terms(v.Digest, time.Now())
				if err != nil {
					return plan{}, err
				}
				rules := possession.Terms{Size: t.Size_, Price: t.Price, Epoch: t.EpochSeconds, Window: 1, Epochs: t.Epochs, Bond: t.Bond, MissBps: t.MissBps, Forgiven: t.Forgiven}
				if err := rules.Validate(); err != nil {
					return plan{}, usageError("%w", err)
				}
				deposit := rules.Deposit() * uint64(t.Copies)
				return plan{
					what: fmt.Sprintf("lock %s to have %d copies of %s kept for %s", credit.Dollars(deposit), t.Copies, v.Name+"@"+v.Version,
						time.Duration(t.Epochs*t.EpochSeconds)*time.Second),
					amount: credit.Amount{Denom: credit.Denom, Units: deposit}, to: v.Name + "@" + v.Version,
					msgs: []sdk.Msg{&pinv1.MsgOpen{Owner: key.Address(), Terms: t}},
				}, nil
			})
		},
	}
	p.flags(cmd)
	o.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&s.store, "store", defaultStore(), "folder of the blocks")
	f.StringVar(&s.file, "file", "", "the weights, if they are not in the store")
	f.StringVar(&s.price, "price", "", "dollars for a GiB and 30 days, to each holder")
	f.StringVar(&s.bond, "bond", "10 KOIN", "KOIN that each holder stakes")
	f.Uint32Var(&s.copies, "copies", s.copies, "how many holders are paid")
	f.DurationVar(&s.lasts, "for", s.lasts, "how long they keep it")
	f.DurationVar(&s.epoch, "epoch", s.epoch, "how often they must show that they do")
	f.DurationVar(&s.until, "until", s.until, "for how long holders may accept, from now")
	f.Uint32Var(&s.penalty, "penalty", s.penalty, "percent of the bond that a miss costs")
	f.Uint32Var(&s.forgiven, "forgiven", s.forgiven, "misses after which a holder is still in")
	_ = cmd.MarkFlagRequired("price") // fails only for an unknown flag
	return cmd
}

// terms reads the flags, and the weights.
func (s pinned) terms(digest string, now time.Time) (pinv1.Terms, error) {
	t := pinv1.Terms{ModelDigest: digest, Copies: s.copies, MissBps: s.penalty * 100, Forgiven: s.forgiven, Until: now.Add(s.until).Unix()}
	if s.epoch < time.Second || s.lasts < s.epoch {
		return t, usageError("--for %s and --epoch %s: an epoch has at least a second, and one must fit", s.lasts, s.epoch)
	}
	t.EpochSeconds, t.Epochs = uint64(s.epoch/time.Second), uint64(s.lasts/s.epoch)
	var err error
	if t.Price, err = dollarsOf("--price", s.price); err != nil {
		return t, err
	}
	bond, err := credit.ParseAmount(s.bond)
	if err != nil || bond.Denom == credit.Denom {
		return t, usageError("--bond: %q is no amount of KOIN", s.bond)
	}
	t.Bond = bond.Units
	path := s.file
	if path == "" {
		if path, err = keptWeights(s.store, digest); err != nil {
			return t, err
		}
	}
	file, err := weights.Hold(path)
	if err != nil {
		return t, err
	}
	t.Root, t.Size_ = file.File.Root[:], file.File.Size
	return t, nil
}

// keptWeights is where a store has a version's weights.
func keptWeights(dir, digest string) (string, error) {
	d, err := receipt.ParseDigest(digest)
	if err != nil {
		return "", err
	}
	store, err := weights.Open(dir)
	if err != nil {
		return "", err
	}
	path, ok, err := store.Weights(d)
	if err == nil && !ok {
		err = &exitError{exitNotFound, fmt.Errorf("the weights of %s are not in %s: 'koinon model pull' them first, or give --file", digest, dir)}
	}
	return path, err
}

func newModelUnpinCommand() *cobra.Command {
	p, o := &purse{}, payment{}
	leave := false
	cmd := &cobra.Command{
		Use:   "unpin ID",
		Short: "End a pin that you opened, or leave one that you hold",
		Long: `Ends a pin: what holders have not earned comes back to you, their bonds to them. The
epoch that runs is not paid. With --leave, a holder ends its own duty, which costs
it what a miss does.`,
		Example: "  koinon model unpin 3 --from ada\n  koinon model unpin 3 --leave --from me",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := number("ID", args[0])
			if err != nil {
				return err
			}
			return p.pay(cmd, o, "model unpin", func(_ *client.Client, key client.Key) (plan, error) {
				if leave {
					return plan{what: fmt.Sprintf("hold pin %d no longer, and lose what a miss costs", id), msgs: []sdk.Msg{&pinv1.MsgLeave{Holder: key.Address(), Pin: id}}}, nil
				}
				return plan{what: fmt.Sprintf("end pin %d", id), msgs: []sdk.Msg{&pinv1.MsgClose{Owner: key.Address(), Pin: id}}}, nil
			})
		},
	}
	p.flags(cmd)
	o.flags(cmd)
	cmd.Flags().BoolVar(&leave, "leave", false, "you hold it, and no longer want to")
	return cmd
}

func newModelPinsCommand() *cobra.Command {
	p := &purse{}
	var model, of string
	cmd := &cobra.Command{
		Use:     "pins [ID]",
		Short:   "List pins, or show one and who holds it",
		Example: "  koinon model pins\n  koinon model pins --model @ada/bard --json\n  koinon model pins 3\n  koinon model pins --of me",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			switch {
			case len(args) == 1:
				id, err := number("ID", args[0])
				if err != nil {
					return err
				}
				return p.showPin(cmd, c, id)
			case of != "":
				return p.showHolds(cmd, c, of)
			}
			list, err := c.Pins(cmd.Context())
			if err != nil {
				return err
			}
			if model != "" {
				v, err := resolved(cmd.Context(), c, model)
				if err != nil {
					return err
				}
				var some []pinv1.Pin
				for _, pin := range list {
					if pin.Terms.ModelDigest == v.Digest {
						some = append(some, pin)
					}
				}
				list = some
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), append([]pinv1.Pin{}, list...))
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "A GIB AND MONTH\tBOND\tID\tUNTAKEN\tHELD BY\tSIZE\tACCEPT UNTIL\tVERSION")
			for _, pin := range list {
				t := pin.Terms
				fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\n", credit.Dollars(t.Price), credit.Koin(t.Bond), pin.Id, pin.Untaken, pin.Holders,
					megabytes(t.Size_), utc(t.Until), t.ModelDigest)
			}
			return table.Flush()
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&model, "model", "", "only those of this version")
	cmd.Flags().StringVar(&of, "of", "", "what this account holds instead: a name or an address")
	return cmd
}

// shownPin is a pin as --json prints it.
type shownPin struct {
	Pin   pinv1.Pin    `json:"pin"`
	Holds []pinv1.Hold `json:"holds"`
}

func (p *purse) showPin(cmd *cobra.Command, c *client.Client, id uint64) error {
	pin, holds, err := c.Pin(cmd.Context(), id)
	if err != nil {
		return missing(err)
	}
	if p.asJSON {
		return printJSON(cmd.OutOrStdout(), shownPin{pin, append([]pinv1.Hold{}, holds...)})
	}
	t := pin.Terms
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%s\tfor a GiB and 30 days, of %s\n", credit.Dollars(t.Price), megabytes(t.Size_))
	fmt.Fprintf(table, "%s\tis staked by each holder; a miss costs %d %%, %d are forgiven\n", credit.Koin(t.Bond), t.MissBps/100, t.Forgiven)
	fmt.Fprintf(table, "%d\tepochs of %s, with %s to show %d pieces\n", t.Epochs, time.Duration(t.EpochSeconds)*time.Second, time.Duration(t.WindowSeconds)*time.Second, t.Pieces)
	fmt.Fprintf(table, "%d of %d\tcopies can be taken, until %s\n", pin.Untaken, t.Copies, utc(t.Until))
	fmt.Fprintf(table, "%s\tpays\n%s\tis kept\n", pin.Owner, t.ModelDigest)
	if err := table.Flush(); err != nil {
		return err
	}
	return printHolds(cmd, holds)
}

func (p *purse) showHolds(cmd *cobra.Command, c *client.Client, of string) error {
	holder, err := p.address(of)
	if err != nil {
		return err
	}
	holds, err := c.Pinned(cmd.Context(), holder)
	if err != nil {
		return err
	}
	if p.asJSON {
		return printJSON(cmd.OutOrStdout(), append([]pinv1.Hold{}, holds...))
	}
	return printHolds(cmd, holds)
}

func printHolds(cmd *cobra.Command, holds []pinv1.Hold) error {
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "STILL TO EARN\tSTAKED\tPIN\tEPOCH\tMISSED\tNEXT\tHOLDER")
	for _, h := range holds {
		next := "draws at " + utc(h.Due)
		if len(h.Drawn) > 0 {
			next = "answer by " + utc(h.Due)
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%s\t%s\n", credit.Dollars(h.Locked), credit.Koin(h.Staked), h.Pin, h.Epoch, h.Missed, next, h.Holder)
	}
	return table.Flush()
}

// heldBy says whether an account is among a pin's holders.
func heldBy(ctx context.Context, c *client.Client, id uint64, account string) (pinv1.Pin, bool, error) {
	pin, holds, err := c.Pin(ctx, id)
	if errors.Is(err, client.ErrNotFound) {
		return pin, false, &exitError{exitNotFound, fmt.Errorf("pin %d: %w, or it has ended", id, err)}
	}
	for _, h := range holds {
		if h.Holder == account {
			return pin, true, err
		}
	}
	return pin, false, err
}
