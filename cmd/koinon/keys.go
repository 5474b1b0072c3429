package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
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
		Short: "Make, list, top up and revoke a gateway's API keys",
		Example: `  koinon keys create --budget 5 --per 30d --name laptop
  koinon keys list
  koinon keys top-up 3f2a91c04d5e '$5'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&home, "gateway-home", filepath.Join(defaultHome(), "gateway"), "home of the gateway")
	cmd.AddCommand(newKeysCreateCommand(&home), newKeysListCommand(&home), newKeysTopUpCommand(&home), newKeysRevokeCommand(&home))
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

// withKeys is withStore for what needs keys that were made before.
func withKeys(ctx context.Context, home string, use func(*store.Store) error) error {
	if !gateway.HasStore(home) {
		return &exitError{exitNotFound, fmt.Errorf("%s is no gateway's home: give its own as --gateway-home", home)}
	}
	return withStore(ctx, home, use)
}

func newKeysCreateCommand(home *string) *cobra.Command {
	var budget, period, rate, expires string
	var terms keys.Terms
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a key with a budget; it is shown this once",
		Example: `  koinon keys create --budget 5 --name laptop
  koinon keys create --budget 5 --per 30d --models trivium,bard@2 --rate 60/m
  koinon keys create --budget 1 --expires 2027-01-31`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := time.Now()
			if err := readTerms(&terms, budget, period, rate, expires, now); err != nil {
				return err
			}
			return withStore(cmd.Context(), *home, func(s *store.Store) error {
				text, key, err := keys.Create(s, terms, now)
				if errors.Is(err, keys.ErrTerms) || errors.Is(err, keys.ErrName) {
					return usageError("%w", err)
				}
				if err != nil {
					return err
				}
				if asJSON {
					row := keyRow(key, now)
					row["api_key"] = text
					return printJSON(cmd.OutOrStdout(), row)
				}
				fmt.Fprintln(cmd.OutOrStdout(), text)
				return nil
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&budget, "budget", "5", "dollars that the key may spend")
	flags.StringVar(&period, "per", "", "the budget is there anew after this long, as 24h or 30d (default never)")
	flags.StringSliceVar(&terms.Models, "models", nil, "names, name@version or digests that may be asked (default all)")
	flags.StringVar(&rate, "rate", "", "requests in a time, as 5/s, 60/m or 1000/h (default any number)")
	flags.StringVar(&expires, "expires", "", "when the key ends: a date, a time, or a length such as 90d (default never)")
	flags.StringVar(&terms.Name, "name", "", "what the key is for")
	flags.BoolVar(&asJSON, "json", false, "print JSON, amounts in ucredit")
	return cmd
}

// readTerms reads what flags say of a key.
func readTerms(t *keys.Terms, budget, period, rate, expires string, now time.Time) (err error) {
	if t.Budget, err = credit.Parse(budget); err != nil {
		return usageError("--budget: %w", err)
	}
	if period != "" {
		if t.Period, err = longTime(period); err != nil {
			return usageError("--per: %w", err)
		}
	}
	if rate != "" {
		if t.Rate, t.RatePer, err = parseRate(rate); err != nil {
			return usageError("--rate: %w", err)
		}
	}
	if expires != "" {
		if t.Expires, err = parseExpiry(expires, now); err != nil {
			return usageError("--expires: %w", err)
		}
	}
	return nil
}

// longTime reads a length of time as Go writes it, or in whole days: 30d.
func longTime(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil || n == 0 {
			return 0, fmt.Errorf("%q is no number of days", text)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is no length of time: write it as 90m, 24h or 30d", text)
	}
	return d, nil
}

// parseRate reads "60/m": a number of requests in a second, minute, hour or day.
func parseRate(text string) (uint32, time.Duration, error) {
	number, unit, _ := strings.Cut(text, "/")
	n, err := strconv.ParseUint(number, 10, 32)
	per := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[unit]
	if err != nil || n == 0 || per == 0 {
		return 0, 0, fmt.Errorf("%q is no rate: write it as 5/s, 60/m, 1000/h or 10000/d", text)
	}
	return uint32(n), per, nil
}

// parseExpiry reads a date, a time or a length of time from now.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			if !at.After(now) {
				return at, fmt.Errorf("%s has passed", text)
			}
			return at, nil
		}
	}
	d, err := longTime(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no date as 2027-01-31, no time as 2027-01-31T12:00:00Z and no length as 90d", text)
	}
	return now.Add(d), nil
}

// keyRow is a key as JSON shows it, amounts in ucredit.
func keyRow(k store.Key, now time.Time) map[string]any {
	row := map[string]any{
		"id": k.ID, "name": k.Name, "budget": k.Budget, "spent": k.SpentAt(now), "spent_in_all": k.Spent, "revoked": !k.Revoked.IsZero(),
	}
	if k.Period > 0 {
		row["period_seconds"] = int64(k.Period / time.Second)
		row["renews"] = k.Created.Add(time.Duration(k.WindowAt(now)+1) * k.Period).UTC().Format(time.RFC3339)
	}
	if k.Rate > 0 {
		row["rate"], row["rate_seconds"] = k.Rate, int64(k.RatePer/time.Second)
	}
	if len(k.Models) > 0 {
		row["models"] = k.Models
	}
	if !k.Expires.IsZero() {
		row["expires"] = k.Expires.UTC().Format(time.RFC3339)
	}
	return row
}

func newKeysListCommand(home *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List keys, what they spent of their budgets, and their limits",
		Example: "  koinon keys list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withKeys(cmd.Context(), *home, func(s *store.Store) error {
				list, err := keys.List(cmd.Context(), s)
				if err != nil {
					return err
				}
				now := time.Now()
				if asJSON {
					rows := []map[string]any{}
					for _, k := range list {
						rows = append(rows, keyRow(k, now))
					}
					return printJSON(cmd.OutOrStdout(), rows)
				}
				return printKeys(cmd.OutOrStdout(), list, now)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, amounts in ucredit")
	return cmd
}

// printKeys writes one line a key.
func printKeys(w io.Writer, list []store.Key, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSPENT\tBUDGET\tPER\tRATE\tMODELS\tSTATE\tNAME")
	for _, k := range list {
		state := "active"
		switch {
		case !k.Revoked.IsZero():
			state = "revoked"
		case !k.Expires.IsZero() && !now.Before(k.Expires):
			state = "expired"
		}
		per, rate, models := "ever", "any", "all"
		if k.Period > 0 {
			per = shortTime(k.Period)
		}
		if k.Rate > 0 {
			rate = fmt.Sprintf("%d/%s", k.Rate, strings.TrimPrefix(shortTime(k.RatePer), "1"))
		}
		if len(k.Models) > 0 {
			models = strings.Join(k.Models, ",")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, credit.Dollars(k.SpentAt(now)), credit.Dollars(k.Budget), per, rate, models, state, k.Name)
	}
	return table.Flush()
}

// shortTime writes a length of time in its largest whole unit: 30d, 1h, 1m.
func shortTime(d time.Duration) string {
	for _, u := range []struct {
		name string
		of   time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}} {
		if d >= u.of && d%u.of == 0 {
			return fmt.Sprintf("%d%s", d/u.of, u.name)
		}
	}
	return d.String()
}

func newKeysTopUpCommand(home *string) *cobra.Command {
	change := keyChange{home: home}
	cmd := &cobra.Command{
		Use:   "top-up ID AMOUNT",
		Short: "Add dollars to a key's budget",
		Long: `Adds dollars to a key's budget, for good: in each of its periods, if it has some. A
gateway that runs hears of it within a second.`,
		Example: "  koinon keys top-up 3f2a91c04d5e '$5'",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			more, err := credit.Parse(args[1])
			if err != nil || more == 0 {
				return usageError("AMOUNT: %q is no amount of dollars: write it like 5, 0.25 or $1.50", args[1])
			}
			return change.apply(cmd, args[0], func(s *store.Store) error { return keys.TopUp(s, args[0], more) })
		},
	}
	change.flags(cmd)
	return cmd
}

func newKeysRevokeCommand(home *string) *cobra.Command {
	change := keyChange{home: home}
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Refuse a key from now on",
		Example: "  koinon keys revoke 3f2a91c04d5e",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return change.apply(cmd, args[0], func(s *store.Store) error { return keys.Revoke(s, args[0], time.Now()) })
		},
	}
	change.flags(cmd)
	return cmd
}

// keyChange is what changes of one key have in common.
type keyChange struct {
	home   *string
	asJSON bool
}

func (c *keyChange) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&c.asJSON, "json", false, "print the key as JSON, amounts in ucredit")
}

// apply changes a key, and shows with --json what it is then.
func (c *keyChange) apply(cmd *cobra.Command, id string, change func(*store.Store) error) error {
	return withKeys(cmd.Context(), *c.home, func(s *store.Store) error {
		err := change(s)
		if errors.Is(err, store.ErrNotFound) {
			return &exitError{exitNotFound, fmt.Errorf("no key %s: see 'koinon keys list'", id)}
		}
		if err != nil || !c.asJSON {
			return err
		}
		key, err := s.Key(cmd.Context(), id)
		if err != nil {
			return err
		}
		return printJSON(cmd.OutOrStdout(), keyRow(key, time.Now()))
	})
}
