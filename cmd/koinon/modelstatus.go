package main

import (
	"context"
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/spf13/cobra"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/mechanism/registry"
)

// owning makes a command of a model's owner, which sends one message about a
// version.
func owning(cmd *cobra.Command, action, what string, message func(owner string, v modelv1.Version, args []string) (sdk.Msg, error)) *cobra.Command {
	p, o := &purse{}, payment{}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.pay(cmd, o, "model "+action, func(c *client.Client, key client.Key) (plan, error) {
			v, err := resolved(cmd.Context(), c, args[0])
			if err != nil {
				return plan{}, err
			}
			msg, err := message(key.Address(), v, args)
			name := v.Name + "@" + v.Version
			return plan{what: fmt.Sprintf(what, name), to: name, msgs: []sdk.Msg{msg}}, err
		})
	}
	p.flags(cmd)
	o.flags(cmd)
	return cmd
}

// resolved is the version that a reference stands for.
func resolved(ctx context.Context, c *client.Client, reference string) (modelv1.Version, error) {
	v, err := c.Resolve(ctx, reference)
	if err != nil {
		return v, fmt.Errorf("%s: %w", reference, err)
	}
	return v, nil
}

func newModelStatusCommand(use, short, what string, status modelv1.Status) *cobra.Command {
	return owning(&cobra.Command{
		Use:     use + " MODEL",
		Short:   short,
		Example: fmt.Sprintf("  koinon model %s @ada/bard@1.0 --from ada", use),
		Args:    cobra.ExactArgs(1),
	}, use, what, func(owner string, v modelv1.Version, _ []string) (sdk.Msg, error) {
		return &modelv1.MsgSetStatus{Sender: owner, Digest: v.Digest, Status: status}, nil
	})
}

func newModelTagCommand() *cobra.Command {
	var remove bool
	cmd := owning(&cobra.Command{
		Use:   "tag MODEL TAG",
		Short: "Point a tag, such as latest, to a version, or remove it",
		Example: `  koinon model tag @ada/bard@1.0 stable --from ada
  koinon model tag @ada/bard stable --remove --from ada`,
		Args: cobra.ExactArgs(2),
	}, "tag", "move a tag to %s", func(owner string, v modelv1.Version, args []string) (sdk.Msg, error) {
		if err := registry.CheckTag(args[1]); err != nil {
			return nil, usageError("TAG: %w", err)
		}
		msg := &modelv1.MsgSetTag{Owner: owner, Model: v.Name, Tag: args[1], Digest: v.Digest}
		if remove {
			msg.Digest = ""
		}
		return msg, nil
	})
	cmd.Flags().BoolVar(&remove, "remove", false, "remove the tag")
	return cmd
}

func newModelTransferCommand() *cobra.Command {
	p, o := &purse{}, payment{}
	cmd := &cobra.Command{
		Use:     "transfer NAME TO",
		Short:   "Give a model or a namespace to another owner",
		Example: "  koinon model transfer @ada/bard koinon1… --from ada\n  koinon model transfer @ada bea --from ada",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			to, err := p.address(args[1])
			if err != nil {
				return err
			}
			return p.pay(cmd, o, "model transfer", func(_ *client.Client, key client.Key) (plan, error) {
				return plan{
					what: fmt.Sprintf("give %s to %s", args[0], to), to: to,
					msgs: []sdk.Msg{&modelv1.MsgTransfer{Owner: key.Address(), Name: args[0], To: to}},
				}, nil
			})
		},
	}
	p.flags(cmd)
	o.flags(cmd)
	return cmd
}

// newRegistryCommands are those of `koinon model` that speak to the ledger.
func newRegistryCommands() []*cobra.Command {
	return []*cobra.Command{
		newModelRegisterCommand(), newModelShowCommand(), newModelListCommand(), newModelSearchCommand(), newModelCardCommand(),
		newModelVerifyCommand(), newModelTagCommand(), newModelTransferCommand(),
		newModelPinCommand(), newModelUnpinCommand(), newModelPinsCommand(), newModelHoldCommand(),
		newModelStatusCommand("publish", "List a draft, or what was deprecated", "list %s", modelv1.Status_STATUS_LISTED),
		newModelStatusCommand("deprecate", "Say that a version should not be used any more", "deprecate %s", modelv1.Status_STATUS_DEPRECATED),
		newModelStatusCommand("withdraw", "Take a draft or a deprecated version out of the market", "withdraw %s", modelv1.Status_STATUS_WITHDRAWN),
	}
}
