package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/spf13/cobra"

	accessv1 "github.com/koinon/koinon/api/koinon/access/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/mechanism/access"
)

func newAccessCommand() *cobra.Command {
	p := &purse{}
	cmd := &cobra.Command{
		Use:   "access",
		Short: "Say who may call a model, and buy, give and hold access tokens",
		Long: `A version of a model is open to whoever pays for its answers, or gated: then those on
its list may call it, and those who hold an access token of its model. Tokens are for a
number of calls, for a time, or both; they are sold by plans, given away, or had for a
credential that the owner signed. A token is no secret: its holder's grants name it,
and are signed. Gateways find the token of the account that pays by themselves.`,
		Example: `  koinon access set @ada/bard --gated --allow bea --from ada
  koinon access sell @ada/bard --price '$5' --calls 1000 --for 720h --transferable --from ada
  koinon access show @ada/bard
  koinon access buy 1 --from bob
  koinon access list --of bob`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	p.flags(cmd)
	cmd.AddCommand(newAccessSetCommand(p), newAccessSellCommand(p), newAccessCloseCommand(p), newAccessBuyCommand(p), newAccessGrantCommand(p),
		newAccessTransferCommand(p), newAccessCredentialCommand(p), newAccessPresentCommand(p), newAccessRevokeCommand(p), newAccessShowCommand(p), newAccessListCommand(p))
	return cmd
}

// granting makes a command that sends one message about access.
func (p *purse) granting(cmd *cobra.Command, message func(ctx context.Context, c *client.Client, from string, args []string) (plan, error)) *cobra.Command {
	var o payment
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.pay(cmd, o, "access "+cmd.Name(), func(c *client.Client, key client.Key) (plan, error) {
			made, err := message(cmd.Context(), c, key.Address(), args)
			return made, missing(err)
		})
	}
	o.flags(cmd)
	return cmd
}

func newAccessSetCommand(p *purse) *cobra.Command {
	var open, gated bool
	var allow []string
	cmd := p.granting(&cobra.Command{
		Use:   "set MODEL",
		Short: "Open a version of yours to all, or gate it",
		Long: `Opens a version to whoever pays for its answers, or gates it. A gated version answers
those that --allow lists, and who holds an access token. What is set replaces what was
set before. Grants that are active run out as they were.`,
		Example: "  koinon access set @ada/bard --gated --allow bea --allow koinon1… --from ada\n  koinon access set @ada/bard@1.0 --open --from ada",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, c *client.Client, from string, args []string) (plan, error) {
		if open == gated || open && len(allow) > 0 {
			return plan{}, usageError("say --open, or --gated with those whom to --allow")
		}
		v, err := c.Resolve(ctx, args[0])
		if err != nil {
			return plan{}, err
		}
		policy := accessv1.Policy{Digest: v.Digest, Gated: gated}
		for _, name := range allow {
			account, err := p.address(name)
			if err != nil {
				return plan{}, err
			}
			policy.Accounts = append(policy.Accounts, account)
		}
		slices.Sort(policy.Accounts)
		policy.Accounts = slices.Compact(policy.Accounts)
		what := "open " + labelOf(v) + " to all"
		if gated {
			what = fmt.Sprintf("gate %s, but for %d accounts", labelOf(v), len(policy.Accounts))
		}
		return plan{what: what, to: v.Name, msgs: []sdk.Msg{&accessv1.MsgSetPolicy{Owner: from, Policy: policy}}}, nil
	})
	cmd.Flags().BoolVar(&open, "open", false, "whoever pays may call it")
	cmd.Flags().BoolVar(&gated, "gated", false, "those who are allowed, or hold an access token, may call it")
	cmd.Flags().StringArrayVar(&allow, "allow", nil, "account that may call it, by name or address")
	return cmd
}

func labelOf(v modelv1.Version) string { return v.Name + "@" + v.Version }

// lease is what a token is to be good for.
type lease struct {
	calls        uint64
	lasts        time.Duration
	transferable bool
}

func (t *lease) flags(cmd *cobra.Command) {
	cmd.Flags().Uint64Var(&t.calls, "calls", 0, "how many calls it is good for (default any number)")
	cmd.Flags().DurationVar(&t.lasts, "for", 0, "how long, from when it is had (default for ever)")
	cmd.Flags().BoolVar(&t.transferable, "transferable", false, "its holder may give it to another account")
}

// seconds is how long a token lasts.
func (t *lease) seconds() int64 { return int64(t.lasts / time.Second) }

func (t *lease) String() string {
	return access.Terms{Calls: t.calls, Seconds: t.seconds()}.String()
}

func newAccessSellCommand(p *purse) *cobra.Command {
	var t lease
	var price string
	cmd := p.granting(&cobra.Command{
		Use:   "sell MODEL",
		Short: "Put a kind of access token up for sale",
		Long: `Makes a plan by which anybody buys access tokens of your model. Its terms never
change; koinon access close ends the sale. What a token costs is divided as the named
version's answers are: shareholders, data contributors, parents and the treasury have
their parts, and the model the parts of providers, apps and curators.`,
		Example: "  koinon access sell @ada/bard --price '$5' --calls 1000 --for 720h --transferable --from ada",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, c *client.Client, from string, args []string) (plan, error) {
		ucredit, err := dollarsOf("--price", price)
		if err != nil {
			return plan{}, err
		}
		v, err := c.Resolve(ctx, args[0])
		return plan{
			what: fmt.Sprintf("sell %s of %s for %s", &t, v.Name, credit.Dollars(ucredit)), to: v.Name,
			msgs: []sdk.Msg{&accessv1.MsgOpenPlan{
				Owner: from, Digest: v.Digest, Calls: t.calls, Seconds: t.seconds(), Price: ucredit, Transferable: t.transferable,
			}},
		}, err
	})
	t.flags(cmd)
	cmd.Flags().StringVar(&price, "price", "", "what one costs, in dollars")
	return cmd
}

func newAccessCloseCommand(p *purse) *cobra.Command {
	return p.granting(&cobra.Command{
		Use:     "close PLAN",
		Short:   "Sell no more access tokens by a plan of yours",
		Example: "  koinon access close 1 --from ada",
		Args:    cobra.ExactArgs(1),
	}, func(_ context.Context, _ *client.Client, from string, args []string) (plan, error) {
		id, err := number("PLAN", args[0])
		return plan{
			what: "close plan " + args[0], to: args[0], msgs: []sdk.Msg{&accessv1.MsgClosePlan{Owner: from, Plan: id}},
		}, err
	})
}

func newAccessBuyCommand(p *purse) *cobra.Command {
	var holder string
	cmd := p.granting(&cobra.Command{
		Use:     "buy PLAN",
		Short:   "Buy an access token",
		Long:    "Buys an access token from the account's balance. koinon access show MODEL lists plans.",
		Example: "  koinon access buy 1 --from bob\n  koinon access buy 1 --holder koinon1… --from bob --dry-run",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, c *client.Client, from string, args []string) (plan, error) {
		id, err := number("PLAN", args[0])
		if err != nil {
			return plan{}, err
		}
		sold, err := planOf(ctx, c, id)
		if err != nil {
			return plan{}, err
		}
		msg := &accessv1.MsgBuy{Buyer: from, Plan: id}
		if holder != "" {
			if msg.Holder, err = p.address(holder); err != nil {
				return plan{}, err
			}
		}
		good := access.Terms{Calls: sold.Calls, Seconds: sold.Seconds}
		return plan{
			what: fmt.Sprintf("buy %s of %s for %s", good, sold.Model, credit.Dollars(sold.Price)), to: sold.Model,
			amount: credit.Amount{Denom: credit.Denom, Units: sold.Price}, msgs: []sdk.Msg{msg},
		}, nil
	})
	cmd.Flags().StringVar(&holder, "holder", "", "account whose it is to be (default the buyer's)")
	return cmd
}

// planOf is the plan of a number.
func planOf(ctx context.Context, c *client.Client, id uint64) (accessv1.Plan, error) {
	plans, err := c.Plans(ctx, "")
	for _, p := range plans {
		if p.Id == id {
			return p, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("%w: there is no plan %d: koinon access show MODEL lists them", client.ErrNotFound, id)
	}
	return accessv1.Plan{}, err
}

func newAccessGrantCommand(p *purse) *cobra.Command {
	var t lease
	cmd := p.granting(&cobra.Command{
		Use:   "grant MODEL|@NAMESPACE TO",
		Short: "Give an access token away",
		Example: "  koinon access grant @ada/bard bea --calls 100 --for 720h --from ada\n" +
			"  koinon access grant @ada koinon1… --from ada",
		Args: cobra.ExactArgs(2),
	}, func(_ context.Context, _ *client.Client, from string, args []string) (plan, error) {
		to, err := p.address(args[1])
		return plan{
			what: fmt.Sprintf("give %s %s of %s", to, &t, args[0]), to: to,
			msgs: []sdk.Msg{&accessv1.MsgGrant{
				Owner: from, Scope: args[0], Holder: to, Calls: t.calls, Seconds: t.seconds(), Transferable: t.transferable,
			}},
		}, err
	})
	t.flags(cmd)
	return cmd
}

func newAccessTransferCommand(p *purse) *cobra.Command {
	return p.granting(&cobra.Command{
		Use:   "transfer TOKEN TO",
		Short: "Give an access token of yours to another account",
		Long: `Gives a token to another account. One that is in use stays: a token for a time could
otherwise be used by many at once. It is free when the grants under it have closed.`,
		Example: "  koinon access transfer 3 bea --from bob",
		Args:    cobra.ExactArgs(2),
	}, func(_ context.Context, _ *client.Client, from string, args []string) (plan, error) {
		id, err := number("TOKEN", args[0])
		if err != nil {
			return plan{}, err
		}
		to, err := p.address(args[1])
		return plan{
			what: "give access token " + args[0] + " to " + to, to: to,
			msgs: []sdk.Msg{&accessv1.MsgTransfer{Holder: from, Token: id, To: to}},
		}, err
	})
}

func newAccessCredentialCommand(p *purse) *cobra.Command {
	var from string
	var lasts time.Duration
	cmd := &cobra.Command{
		Use:   "credential MODEL|@NAMESPACE HOLDER",
		Short: "Sign a credential that admits an account for a while",
		Long: `Signs, with the key of the owner and without a transaction, that an account may call
a model, or all models of a namespace, for a while. Its holder shows it to the ledger
with koinon access present, and its issuer takes it back with koinon access revoke.`,
		Example: "  koinon access credential @ada koinon1… --for 720h --from ada > credential.json",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := p.key(cmd, from)
			if err != nil {
				return err
			}
			holder, err := p.address(args[1])
			if err != nil {
				return err
			}
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			now := time.Now()
			made := accessv1.Credential{Scope: args[0], Holder: holder, Until: now.Add(lasts).Unix(), Issued: now.Unix()}
			signed := access.Credential{ChainID: c.ChainID(), Scope: made.Scope, Holder: made.Holder, Until: made.Until, Issued: made.Issued}
			if made.Signature, err = key.Sign(signed.Bytes()); err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), made)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "name of the owner's key")
	cmd.Flags().DurationVar(&lasts, "for", 30*24*time.Hour, "how long it is good")
	return cmd
}

func newAccessPresentCommand(p *purse) *cobra.Command {
	return p.granting(&cobra.Command{
		Use:     "present FILE",
		Short:   "Show a credential to the ledger, for an access token",
		Example: "  koinon access present credential.json --from bea",
		Args:    cobra.ExactArgs(1),
	}, func(_ context.Context, _ *client.Client, from string, args []string) (plan, error) {
		data, err := os.ReadFile(args[0])
		if err != nil {
			return plan{}, err
		}
		var c accessv1.Credential
		if err := json.Unmarshal(data, &c); err != nil {
			return plan{}, usageError("%s is no credential: %w", args[0], err)
		}
		return plan{
			what: fmt.Sprintf("show the credential for %s until %s", c.Scope, utc(c.Until)), to: c.Scope,
			msgs: []sdk.Msg{&accessv1.MsgPresent{Holder: from, Credential: c}},
		}, nil
	})
}

func newAccessRevokeCommand(p *purse) *cobra.Command {
	return p.granting(&cobra.Command{
		Use:   "revoke MODEL|@NAMESPACE HOLDER",
		Short: "Take back the credentials that you signed for an account",
		Long: `Takes back all credentials for a model or a namespace that were issued to an account
until now: tokens that were had for them end, and others are no longer taken. Grants
that are active run out as they were; the next is refused. A credential that is signed
later admits again. Tokens that were bought, or given with koinon access grant, stay.`,
		Example: "  koinon access revoke @ada koinon1… --from ada",
		Args:    cobra.ExactArgs(2),
	}, func(_ context.Context, _ *client.Client, from string, args []string) (plan, error) {
		holder, err := p.address(args[1])
		return plan{
			what: "take back the credentials of " + holder + " for " + args[0], to: holder,
			msgs: []sdk.Msg{&accessv1.MsgRevoke{Owner: from, Scope: args[0], Holder: holder}},
		}, err
	})
}
