package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/instrument"
)

// homesRoot is the folder of all homes, ~/.koinon.
func homesRoot() string { return filepath.Dir(defaultHome()) }

// homesUsage describes the flag of commands that look at every role.
const homesUsage = "folder that has the homes of roles, or one of them"

func newStatusCommand() *cobra.Command {
	var home string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what every role on this machine does, holds and risks",
		Long: `Asks every role that runs here, alone or as part of koinon up: what it holds, what it
earned or spent, what is at risk, how far the ledger is. Exits 1 if a role that was
started is silent or not ready.`,
		Example: "  koinon status\n  koinon status --home /srv/koinon --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := configure(cmd, "", nil); err != nil {
				return err
			}
			readings, err := instrument.ReadAll(cmd.Context(), home)
			if err != nil {
				return err
			}
			if len(readings) == 0 {
				return &exitError{exitNotFound, fmt.Errorf("nothing runs in %s: start a network with koinon up, or give --home", home)}
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), statuses(readings))
			} else {
				err = printRoles(cmd.OutOrStdout(), home, readings, nil, time.Now())
			}
			if err == nil {
				err = unwell(readings)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&home, "home", homesRoot(), homesUsage)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// unwell says which roles are silent or not ready; nil if none is.
func unwell(readings []instrument.Reading) error {
	var names []string
	for _, r := range readings {
		if r.Silent != nil || r.Waiting != "" {
			names = append(names, filepath.Base(r.Home))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("not well: %s", strings.Join(names, ", "))
}

// roleStatus is a role as JSON has it. Figures are its metrics without labels, by
// their names without "koinon_".
type roleStatus struct {
	Role    string             `json:"role"`
	Home    string             `json:"home"`
	State   string             `json:"state"` // ready, waiting or silent
	Reason  string             `json:"reason,omitempty"`
	Address string             `json:"address"` // host:port of its instruments
	Account string             `json:"account,omitempty"`
	Version string             `json:"version,omitempty"`
	PID     int                `json:"pid,omitempty"`
	Started *time.Time         `json:"started,omitempty"`
	Figures map[string]float64 `json:"figures"`
}

func statuses(readings []instrument.Reading) []roleStatus {
	list := []roleStatus{}
	for _, r := range readings {
		s := roleStatus{
			Role: r.Role, Home: r.Home, State: "ready", Address: r.Address, Account: r.Account, Version: r.Version, PID: r.PID,
			Figures: map[string]float64{},
		}
		switch {
		case r.Silent != nil:
			s.State, s.Reason = "silent", r.Silent.Error()
		case r.Waiting != "":
			s.State, s.Reason = "waiting", r.Waiting
		}
		if !r.Started.IsZero() {
			s.Started = &r.Started
		}
		for name := range r.Values {
			if short, ok := strings.CutPrefix(name, "koinon_"); ok {
				s.Figures[short] = r.Values.Sum(name)
			}
		}
		list = append(list, s)
	}
	return list
}

// printRoles writes roles for people, a few lines each. Before, unless nil, is what
// they were a moment ago, for rates.
func printRoles(w io.Writer, root string, readings, before []instrument.Reading, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, r := range readings {
		name, err := filepath.Rel(root, r.Home)
		if err != nil || name == "." {
			name = r.Role
		}
		state := "ready"
		switch {
		case r.Silent != nil:
			state = "silent: it has crashed, or was killed; its log says more (koinon logs)"
		case r.Waiting != "":
			state = "waiting: " + r.Waiting
		}
		fmt.Fprintf(table, "%s\t%s\n", name, state)
		var then instrument.Values
		if i < len(before) && before[i].Home == r.Home {
			then = before[i].Values
		}
		for _, line := range figuresOf(r, now) {
			fmt.Fprintf(table, "  %s\t%s\n", line.name, line.text)
		}
		if then != nil {
			fmt.Fprintf(table, "  now\t%s\n", rates(r.Values, then))
		}
	}
	return table.Flush()
}

type figure struct{ name, text string }

// figuresOf are what of a role's metrics people want to know, money first.
func figuresOf(r instrument.Reading, now time.Time) (list []figure) {
	v := r.Values
	say := func(name, format string, args ...any) {
		list = append(list, figure{name, fmt.Sprintf(format, args...)})
	}
	dollars := func(name string, labels ...string) string { return credit.Dollars(v.Amount("koinon_"+name, labels...)) }
	count := func(name string, labels ...string) uint64 { return v.Amount("koinon_"+name, labels...) }
	if v.Has("koinon_account_ucredit") {
		say("balance", "%s and %s in %s", dollars("account_ucredit"), credit.Koin(count("account_ukoin")), r.Account)
	}
	switch r.Role {
	case "gateway":
		if v.Has("koinon_gateway_escrow_ucredit") {
			say("escrow", "%s available, %s locked", dollars("gateway_escrow_ucredit", "state", "available"), dollars("gateway_escrow_ucredit", "state", "locked"))
		}
		say("exposure", "%s that %d open grants can still pay", dollars("gateway_exposure_ucredit"), count("gateway_grants"))
		say("served", "%d requests, charged %s; %d providers can be reached", count("gateway_request_seconds"), dollars("gateway_charged_ucredit_total"), count("gateway_live_providers"))
		if v.Has("koinon_console_index_height") {
			say("console", "index at block %d", count("console_index_height"))
		}
	case "provider":
		say("earned", "%s pending, %s maturing", dollars("provider_unredeemed_ucredit"), dollars("provider_maturing_ucredit"))
		say("exposure", "%s served before its tickets, %s locked for it in %d grants", dollars("provider_exposed_ucredit"), dollars("provider_locked_ucredit"), count("provider_grants"))
		say("served", "%d requests, %d tokens; %d open, %d slots", count("provider_requests_total"), count("provider_tokens_total"), count("provider_streams"), count("provider_slots"))
	case "auditor":
		say("bond", "%s", credit.Koin(count("auditor_bond_ukoin")))
		say("audits", "%d paid; found %d good, %d bad, %d unclear; %d cases open", count("auditor_completed_total"),
			count("auditor_upheld_total"), count("auditor_refuted_total"), count("auditor_inconclusive_total"), count("auditor_open_cases"))
	case "node":
		if v.Has("koinon_node_height") {
			at := time.UnixMilli(int64(v.Sum("koinon_node_block_timestamp_seconds") * 1e3))
			say("ledger", "block %d, %s ago; %d peers, %d validators", count("node_height"), max(0, now.Sub(at)).Round(100*time.Millisecond), count("node_peers"), count("node_validators"))
		}
	case "issuer":
		say("issued", "%s minted, %s refunded; %d payments and cash-outs wait", dollars("issuer_minted_ucredit_total"), dollars("issuer_refunded_ucredit_total"), count("issuer_waiting"))
	}
	return list
}
