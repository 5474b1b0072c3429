package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/gateway"
	"github.com/koinon/koinon/internal/gateway/keys"
	"github.com/koinon/koinon/internal/gateway/store"
)

func newKeysCommand() *cobra.Command {
	var home string
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke a gateway's API keys",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&home, "gateway-home", filepath.Join(defaultHome(), "gateway"), "home of the gateway")
	cmd.AddCommand(newKeysCreateCommand(&home), newKeysListCommand(&home), newKeysRevokeCommand(&home))
	return cmd
}

// withStore opens a gateway's database beside the gateway.
func withStore(ctx context.Context, home string, use func(*store.Store) error) error {
	s, err := gateway.OpenStore(ctx, home)
	if err != nil {
		return err
	}
	return errors.Join(use(s), s.Close())
}

func newKeysCreateCommand(home *string) *cobra.Command {
	var budget, name string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "create",
		Short:   "Make a key with a budget; it is shown this once",
		Example: "  koinon keys create --budget 5 --name laptop",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			amount, err := credit.Parse(budget)
			if err != nil {
				return usageError("--budget: %w", err)
			}
			return withStore(cmd.Context(), *home, func(s *store.Store) error {
				text, key, err := keys.Create(s, name, amount, time.Now())
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), map[string]any{"id": key.ID, "api_key": text, "budget": key.Budget})
				}
				fmt.Fprintln(cmd.OutOrStdout(), text)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&budget, "budget", "5", "dollars that the key may spend")
	cmd.Flags().StringVar(&name, "name", "", "what the key is for")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newKeysListCommand(home *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List keys, their budgets and what they spent",
		Example: "  koinon keys list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStore(cmd.Context(), *home, func(s *store.Store) error {
				list, err := keys.List(cmd.Context(), s)
				if err != nil {
					return err
				}
				if asJSON {
					rows := []map[string]any{}
					for _, k := range list {
						rows = append(rows, map[string]any{"id": k.ID, "name": k.Name, "budget": k.Budget, "spent": k.Spent, "revoked": !k.Revoked.IsZero()})
					}
					return printJSON(cmd.OutOrStdout(), rows)
				}
				table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(table, "ID\tBUDGET\tSPENT\tSTATE\tNAME")
				for _, k := range list {
					state := "active"
					if !k.Revoked.IsZero() {
						state = "revoked"
					}
					fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", k.ID, credit.Dollars(k.Budget), credit.Dollars(k.Spent), state, k.Name)
				}
				return table.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, amounts in ucredit")
	return cmd
}

func newKeysRevokeCommand(home *string) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke ID",
		Short:   "Refuse a key from now on",
		Example: "  koinon keys revoke 3f2a91c04d5e",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd.Context(), *home, func(s *store.Store) error {
				err := keys.Revoke(s, args[0], time.Now())
				if errors.Is(err, store.ErrNotFound) {
					return &exitError{exitNotFound, fmt.Errorf("no key %s: see 'koinon keys list'", args[0])}
				}
				return err
			})
		},
	}
}
