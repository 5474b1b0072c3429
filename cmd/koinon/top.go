package main

import (
	"bytes"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/instrument"
)

func newTopCommand() *cobra.Command {
	var home string
	every, once := 2*time.Second, false
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch every role on this machine",
		Long: `Shows what koinon status shows, again and again, with what went on in between.
Ctrl-C ends it.`,
		Example: "  koinon top\n  koinon top --every 500ms\n  koinon top --once        # two looks, a while apart, for scripts",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := configure(cmd, "", nil); err != nil {
				return err
			}
			if every < 100*time.Millisecond {
				return usageError("--every %s is too short: give at least 100ms", every)
			}
			return watchRoles(cmd, viewOn(cmd.OutOrStdout()), home, every, once)
		},
	}
	cmd.Flags().StringVar(&home, "home", homesRoot(), homesUsage)
	cmd.Flags().DurationVar(&every, "every", every, "how often to look")
	cmd.Flags().BoolVar(&once, "once", false, "look twice, print, and end")
	return cmd
}

// watchRoles draws all roles until the command is stopped, or once.
func watchRoles(cmd *cobra.Command, view *view, home string, every time.Duration, once bool) error {
	ctx := cmd.Context()
	tick := time.NewTicker(every)
	defer tick.Stop()
	var before []instrument.Reading
	for {
		readings, err := instrument.ReadAll(ctx, home)
		if err != nil {
			return err
		}
		if len(readings) == 0 && before == nil {
			return &exitError{exitNotFound, fmt.Errorf("nothing runs in %s: start a network with koinon up, or give --home", home)}
		}
		if before != nil || !once {
			var b bytes.Buffer
			fmt.Fprintf(&b, "koinon top  %s  every %s, Ctrl-C ends it\n\n", time.Now().Format(time.TimeOnly), every)
			if err := printRoles(&b, home, readings, before, time.Now()); err != nil {
				return err
			}
			if err := view.replace(b.String()); err != nil || once {
				return err
			}
		}
		before = readings
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// rates are what went on between two looks, by what both say of the process's time.
func rates(now, then instrument.Values) string {
	const clock = "koinon_uptime_seconds"
	took := now.Sum(clock) - then.Sum(clock)
	if took <= 0 {
		return "started again"
	}
	per := func(name string) float64 { return max(0, now.Sum(name)-then.Sum(name)) / took }
	text := fmt.Sprintf("%.0f%% of a core, %.0f MB", 100*per("process_cpu_seconds_total"), now.Sum("process_resident_memory_bytes")/1e6)
	for _, r := range []struct{ metric, unit string }{
		{"koinon_gateway_requests_total", "requests/s"}, {"koinon_gateway_tokens_total", "tokens/s"},
		{"koinon_provider_requests_total", "requests/s"}, {"koinon_provider_tokens_total", "tokens/s"},
		{"koinon_node_height", "blocks/s"},
	} {
		if now.Has(r.metric) {
			text += fmt.Sprintf(", %.1f %s", per(r.metric), r.unit)
		}
	}
	return text
}
