package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/spf13/cobra"

	pinv1 "github.com/koinon/koinon/api/koinon/pin/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/internal/provider/holder"
	"github.com/koinon/koinon/internal/provider/onledger"
	"github.com/koinon/koinon/internal/provider/process"
	"github.com/koinon/koinon/internal/weights"
)

type holdOptions struct {
	payment
	store  string
	listen []string
	plain  string
	once   bool
}

func newModelHoldCommand() *cobra.Command {
	p := &purse{}
	var o holdOptions
	cmd := &cobra.Command{
		Use:   "hold [PIN…]",
		Short: "Keep pinned weights for money, and serve them",
		Long: `Accepts pins, for which a bond is staked, and shows what the ledger draws of their
weights until all of them are over or it is stopped. The weights must be in the store: 'koinon
model pull' them first. A pin is accepted only if it is for the very file that is here.
Without a number it goes on with what the account holds already. Meanwhile it serves
the store's weights to whoever pulls them. Stopped for longer than a pin's window, it loses: run it as
a service.`,
		Example: `  koinon model pins
  koinon model pull sha256:… && koinon model hold 3 --from me
  koinon model hold --from me --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := p.key(cmd, o.from)
			if err != nil {
				return err
			}
			var ids []uint64
			for _, text := range args {
				id, err := number("PIN", text)
				if err != nil {
					return err
				}
				ids = append(ids, id)
			}
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			store, err := weights.Open(o.store)
			if err != nil {
				return err
			}
			h := holder.New(onledger.New(c, key), store, commandLog(cmd))
			if err := o.accept(cmd, p, c, key, h, ids); err != nil || o.dryRun || o.once {
				return err
			}
			return o.run(cmd.Context(), store, h)
		},
	}
	p.flags(cmd)
	o.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.store, "store", defaultStore(), "folder of the blocks")
	f.StringArrayVar(&o.listen, "listen", []string{"/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1"}, "multiaddr to serve the weights at")
	f.StringVar(&o.plain, "plain", ":0", plainUsage)
	f.BoolVar(&o.once, "accept-only", false, "accept, and leave answering to another process")
	return cmd
}

// accept takes on pins whose weights are here.
func (o *holdOptions) accept(cmd *cobra.Command, p *purse, c *client.Client, key client.Key, h *holder.Holder, ids []uint64) error {
	for _, id := range ids {
		pin, held, err := heldBy(cmd.Context(), c, id, key.Address())
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "hashing the weights of pin %d\n", id)
		switch err := h.Keep(pin); {
		case errors.Is(err, holder.ErrMissing):
			return &exitError{exitNotFound, fmt.Errorf("%s: %w", o.store, err)}
		case err != nil:
			return &exitError{exitInvalid, err}
		}
		if held {
			continue
		}
		err = p.pay(cmd, o.payment, "model hold", func(*client.Client, client.Key) (plan, error) {
			return plan{
				what:   fmt.Sprintf("stake %s to hold pin %d, at %s for a GiB and 30 days", credit.Koin(pin.Terms.Bond), id, credit.Dollars(pin.Terms.Price)),
				amount: credit.Amount{Denom: "ukoin", Units: pin.Terms.Bond}, to: pin.Terms.ModelDigest,
				msgs: []sdk.Msg{&pinv1.MsgAccept{Holder: key.Address(), Pin: id}},
			}, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// run answers and serves.
func (o *holdOptions) run(ctx context.Context, store *weights.Store, h *holder.Holder) error {
	key, err := process.Identity(filepath.Join(o.store, "identity.pem"))
	if err != nil {
		return err
	}
	host, err := p2p.New(p2p.Config{Key: key, Listen: o.listen})
	if err != nil {
		return err
	}
	defer host.Close()
	swarm := weights.Join(host, store, weights.Limits{})
	defer swarm.Close()
	if o.plain != "" {
		if err := swarm.ServePlain(o.plain); err != nil {
			return fmt.Errorf("--plain: %w", err)
		}
	}
	h.Run(ctx, false)
	return nil
}
