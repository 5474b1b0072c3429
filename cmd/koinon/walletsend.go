package main

import (
	"bufio"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	sdkmath "cosmossdk.io/math"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
)

// payment is a transaction that a person is asked about before it is sent.
type payment struct {
	from        string
	yes, dryRun bool
}

func (o *payment) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.from, "from", "", "name of the key that signs")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "send without asking")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "show what would be sent, and its fee; send nothing")
}

// plan is what is to be sent, in words and as messages.
type plan struct {
	what   string // "send $5.00 to koinon1…"
	amount credit.Amount
	to     string
	msgs   []sdk.Msg
}

// done is what came of it, as --json prints it.
type done struct {
	Action string `json:"action"`
	From   string `json:"from"`
	To     string `json:"to,omitempty"`
	Amount uint64 `json:"amount"`
	Denom  string `json:"denom"`
	Gas    uint64 `json:"gas"`
	Fee    uint64 `json:"fee_ukoin"`
	Sent   bool   `json:"sent"`
	Height int64  `json:"height,omitempty"`
	Hash   string `json:"hash,omitempty"`
}

// pay simulates a plan, shows it with its fee, asks, and sends it.
func (p *purse) pay(cmd *cobra.Command, o payment, action string, make func(c *client.Client, key client.Key) (plan, error)) error {
	key, err := p.key(cmd, o.from)
	if err != nil {
		return err
	}
	c, err := p.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	planned, err := make(c, key)
	if err != nil {
		return err
	}
	estimate, err := c.Estimate(cmd.Context(), key, planned.msgs...)
	if errors.Is(err, client.ErrNotFound) {
		return &exitError{exitNotFound, err}
	}
	if err != nil {
		return err
	}
	talk := cmd.ErrOrStderr()
	fee := "none: a buyer's transactions cost nothing"
	if estimate.Fee > 0 {
		fee = fmt.Sprintf("at most %s (%d gas)", credit.Koin(estimate.Fee), estimate.Gas)
	}
	fmt.Fprintf(talk, "%s, from %s (%s)\nfee  %s\n", planned.what, key.Name, key.Address(), fee)

	result := done{
		Action: action, From: key.Address(), To: planned.to, Amount: planned.amount.Units, Denom: planned.amount.Denom,
		Gas: estimate.Gas, Fee: estimate.Fee,
	}
	if !o.dryRun {
		if err := o.confirm(cmd); err != nil {
			return err
		}
		sent, err := c.SendGas(cmd.Context(), key, estimate.Gas, planned.msgs...)
		if err != nil {
			return err
		}
		result.Sent, result.Height, result.Hash = true, sent.Height, sent.Hash
	}
	switch {
	case p.asJSON:
		return printJSON(cmd.OutOrStdout(), result)
	case o.dryRun:
		fmt.Fprintln(talk, "nothing was sent")
	default:
		fmt.Fprintf(cmd.OutOrStdout(), "done in block %d: %s\n", result.Height, result.Hash)
	}
	return nil
}

// confirm asks on a terminal; elsewhere --yes must say so.
func (o *payment) confirm(cmd *cobra.Command) error {
	if o.yes {
		return nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return usageError("nobody to ask: give --yes to send, or --dry-run to see only")
	}
	fmt.Fprint(cmd.ErrOrStderr(), "Send it? [y/N] ")
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return errors.Join(errors.New("nothing was sent"), err)
	}
	return nil
}

func newWalletSendCommand(p *purse) *cobra.Command {
	var o payment
	cmd := &cobra.Command{
		Use:     "send AMOUNT TO",
		Short:   "Send dollars or KOIN to an address, or to a key's by its name",
		Example: "  koinon wallet send '$5' koinon1… --from me\n  koinon wallet send '3 KOIN' savings --from me --yes",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			amount, err := credit.ParseAmount(args[0])
			if err != nil {
				return usageError("AMOUNT: %w", err)
			}
			to, err := p.address(args[1])
			if err != nil {
				return err
			}
			return p.pay(cmd, o, "send", func(_ *client.Client, key client.Key) (plan, error) {
				coins := sdk.NewCoins(sdk.NewCoin(amount.Denom, sdkmath.NewIntFromUint64(amount.Units)))
				return plan{
					what: fmt.Sprintf("send %s to %s", amount, to), amount: amount, to: to,
					msgs: []sdk.Msg{&banktypes.MsgSend{FromAddress: key.Address(), ToAddress: to, Amount: coins}},
				}, nil
			})
		},
	}
	o.flags(cmd)
	return cmd
}

// dollars reads an amount that must be credit.
func dollars(text string) (credit.Amount, error) {
	amount, err := credit.ParseAmount(text)
	if err == nil && amount.Denom != credit.Denom {
		err = fmt.Errorf("escrow holds dollars, not KOIN: write it like $5")
	}
	if err != nil {
		return amount, usageError("AMOUNT: %w", err)
	}
	return amount, nil
}

func newWalletDepositCommand(p *purse) *cobra.Command {
	var o payment
	var grantKey string
	cmd := &cobra.Command{
		Use:   "deposit AMOUNT",
		Short: "Move dollars into escrow, to pay for inference; costs nothing",
		Long: `Moves dollars from the account into its escrow, which backs the grants that pay
providers. An escrow's first deposit names the key that signs grants: --grant-key,
as a gateway shows its own, or else one that follows from the account's key.
Later deposits leave it, unless --grant-key names another.`,
		Example: "  koinon wallet deposit '$20' --from me",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			amount, err := dollars(args[0])
			if err != nil {
				return err
			}
			signer, err := hex.DecodeString(grantKey)
			if err != nil || len(signer) != 0 && len(signer) != 32 {
				return usageError("--grant-key: give the 64 hexadecimal digits of an Ed25519 public key")
			}
			return p.pay(cmd, o, "deposit", func(c *client.Client, key client.Key) (plan, error) {
				if len(signer) == 0 {
					if signer, err = firstGrantKey(cmd, c, key); err != nil {
						return plan{}, err
					}
				}
				return plan{
					what: fmt.Sprintf("deposit %s into escrow", amount), amount: amount,
					msgs: []sdk.Msg{&escrowv1.MsgDeposit{Payer: key.Address(), Amount: amount.Units, GrantKey: signer}},
				}, nil
			})
		},
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&grantKey, "grant-key", "", "public key that signs grants from now on, in hexadecimal digits")
	return cmd
}

// firstGrantKey is the account's own for an escrow that has none, and nothing
// for one that has.
func firstGrantKey(cmd *cobra.Command, c *client.Client, key client.Key) ([]byte, error) {
	held, err := c.Escrow(cmd.Context(), key.Address())
	if err != nil && !errors.Is(err, client.ErrNotFound) {
		return nil, err
	}
	if len(held.GrantKey) != 0 {
		return nil, nil
	}
	private, err := key.GrantKey()
	if err != nil {
		return nil, err
	}
	return private.Public().(ed25519.PublicKey), nil
}

func newWalletWithdrawCommand(p *purse) *cobra.Command {
	var o payment
	cmd := &cobra.Command{
		Use:     "withdraw AMOUNT",
		Short:   "Take dollars out of escrow, after its delay; costs nothing",
		Example: "  koinon wallet withdraw '$5' --from me",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			amount, err := dollars(args[0])
			if err != nil {
				return err
			}
			return p.pay(cmd, o, "withdraw", func(c *client.Client, key client.Key) (plan, error) {
				params, err := c.EscrowParams(cmd.Context())
				if err != nil {
					return plan{}, err
				}
				return plan{
					what:   fmt.Sprintf("withdraw %s from escrow, to be in the account %d seconds later", amount, params.WithdrawDelaySeconds),
					amount: amount,
					msgs:   []sdk.Msg{&escrowv1.MsgWithdraw{Payer: key.Address(), Amount: amount.Units}},
				}, nil
			})
		},
	}
	o.flags(cmd)
	return cmd
}

func newWalletCashOutCommand(p *purse) *cobra.Command {
	var o payment
	var issuer, to string
	cmd := &cobra.Command{
		Use:   "cash-out AMOUNT",
		Short: "Give credit back to an issuer for dollars; costs nothing",
		Long: `Destroys credit of the account; its issuer then owes the dollars, outside of the
ledger. --to is what the issuer knows you by, such as a customer's number or the id
of the card payment to refund. It is public: never give an account number.`,
		Example: "  koinon wallet cash-out '$5' --issuer koinon1… --to customer-7 --from me",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			amount, err := dollars(args[0])
			if err != nil {
				return err
			}
			const cent = 10_000
			if amount.Units%cent != 0 {
				return usageError("AMOUNT: an issuer pays whole cents, not %s", amount)
			}
			if issuer == "" || to == "" {
				return usageError("--issuer and --to are needed: see 'koinon query escrow issuers'")
			}
			address, err := p.address(issuer)
			if err != nil {
				return err
			}
			return p.pay(cmd, o, "cash-out", func(_ *client.Client, key client.Key) (plan, error) {
				return plan{
					what: fmt.Sprintf("cash out %s from issuer %s to %s", amount, address, to), amount: amount, to: to,
					msgs: []sdk.Msg{&escrowv1.MsgCashOut{Holder: key.Address(), Issuer: address, Amount: amount.Units, Destination: to}},
				}, nil
			})
		},
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&issuer, "issuer", "", "the issuer's address")
	cmd.Flags().StringVar(&to, "to", "", "where the dollars go, in words that the issuer knows")
	return cmd
}
