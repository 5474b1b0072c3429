package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/issuer/onledger"
	"github.com/koinon/koinon/internal/issuer/trial"
)

func newIssuerTrialCommand(p *purse) *cobra.Command {
	var from, amount, campaign string
	cmd := &cobra.Command{
		Use:   "trial IDENTITY ADDRESS",
		Short: "Grant credit to try things with, once to each identity",
		Long: `Mints credit to try things with for an account, once to each identity: an e-mail
address, a customer's number, the account itself; whatever you have verified. The
ledger keeps the limit, under a keyed hash that tells nobody who tried; the key is
trial.secret in the wallet's folder. Running it again does nothing twice. Exits 4
for an identity that has had its trial.`,
		Example: "  koinon issuer trial ada@example.org koinon1… --amount '$0.50' --from issuer",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			worth, err := credit.Parse(amount)
			if err != nil || worth == 0 {
				return usageError("--amount: %q is no amount of dollars", amount)
			}
			recipient, err := p.address(args[1])
			if err != nil {
				return err
			}
			secret, err := trial.Secret(filepath.Join(p.dir, "trial.secret"))
			if err != nil {
				return err
			}
			return p.asIssuer(cmd, from, func(l *onledger.Account) error {
				c := trial.Campaign{Name: campaign, Secret: secret, Amount: worth}
				granted, err := c.Grant(cmd.Context(), l, args[0], recipient)
				if errors.Is(err, trial.ErrTried) {
					return &exitError{exitInvalid, err}
				}
				if errors.Is(err, trial.ErrIdentity) {
					return usageError("IDENTITY: %w", err)
				}
				if err != nil {
					return err
				}
				if p.asJSON {
					return printJSON(cmd.OutOrStdout(), map[string]any{"recipient": recipient, "ucredit": worth, "granted": granted})
				}
				done := "granted"
				if !granted {
					done = "granted before"
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s to %s: %s\n", credit.Dollars(worth), recipient, done)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "key of the issuer")
	cmd.Flags().StringVar(&amount, "amount", "0.50", "dollars of a trial")
	cmd.Flags().StringVar(&campaign, "campaign", "trial", "each identity has one trial in each campaign")
	return cmd
}
