package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/provider/forecast"
	"github.com/koinon/koinon/internal/provider/process"
	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/models/trivium"
	"github.com/koinon/koinon/receipt"
)

// dryRun is what a dry run found out.
type dryRun struct {
	process.Prospect
	// Reproduces says that the machine computes the published vectors and, where
	// it serves itself, the model to the same bits with all kernels and threads.
	Reproduces bool     `json:"reproduces"`
	Kernels    []string `json:"kernels"`
	Threads    []int    `json:"threads"`
}

// forecast joins nothing, and says what joining may bring.
func (o *provideOptions) forecast(cmd *cobra.Command) error {
	talk := cmd.ErrOrStderr()
	p, err := process.Forecast(cmd.Context(), o.Config, commandLog(cmd))
	if err != nil {
		return err
	}
	d := dryRun{Prospect: p, Kernels: tensor.Kernels(), Threads: []int{1, max(2, p.Machine.Cores)}}
	fmt.Fprintln(talk, "checking that the machine reproduces its own bits …")
	if err := o.checkBits(d.Threads); err != nil {
		return err
	}
	d.Reproduces = true
	if o.asJSON {
		return printJSON(cmd.OutOrStdout(), d)
	}
	return d.print(cmd.OutOrStdout())
}

// checkBits computes the published vector of the model that ships, and a prompt
// of the model to be served, with all that the processor has.
func (o *provideOptions) checkBits(threads []int) error {
	if err := reproduces(threads); err != nil {
		return err
	}
	if o.Upstream != "" {
		return nil // that engine's bits are its own
	}
	m, err := engine.Load(o.Weights)
	if err != nil {
		return err
	}
	_, err = m.SelfCheck(m.Prompt("It was a bright cold day in April, and the clocks were striking thirteen."), threads)
	return err
}

// reproduces computes the published vector of the model that ships with all that the
// processor has. Refusal: [engine.ErrBits].
func reproduces(threads []int) error {
	dir, err := os.MkdirTemp("", "koinon-check-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file, err := trivium.Install(dir)
	if err != nil {
		return err
	}
	m, err := engine.Load(file)
	if err != nil {
		return err
	}
	got, err := m.SelfCheck(m.Prompt(trivium.VectorPrompt), threads)
	if err != nil {
		return err
	}
	if want, _ := receipt.ParseDigest(trivium.VectorLogits); got != want {
		return fmt.Errorf("%w: the published vector is %s, here it is %s", engine.ErrBits, want, got)
	}
	return nil
}

func (d dryRun) print(w io.Writer) error {
	d.Machine.Print(w)
	if len(d.Machine.GPUs) > 0 {
		fmt.Fprintf(w, "graphics %v: koinon's own engine computes on the processor; an engine that uses them can be sold with --upstream\n", d.Machine.GPUs)
	}
	guessed := ""
	if d.Guessed {
		guessed = " (a guess: --power-watts says better)"
	}
	fmt.Fprintf(w, "model    %s, %s\n", d.Model, d.Digest)
	fmt.Fprintf(w, "speed    %.1f tokens/s of prompts, %.1f tokens/s of answers in %d slots\n", d.Speed.Prefill, d.Speed.Decode, d.Slots)
	fmt.Fprintf(w, "bits     the published vector is reproduced with %v kernels and %v threads\n", d.Kernels, d.Threads)
	fmt.Fprintf(w, "power    %d W%s at %s a kWh\n", d.Power.Watts, guessed, credit.Dollars(d.Power.Price))
	fmt.Fprintf(w, "\nfor a million tokens       PROMPT        ANSWER\n")
	line := func(name string, p receipt.Price, why string) {
		fmt.Fprintf(w, "%-20s  %11s   %11s   %s\n", name, credit.Dollars(p.Input), credit.Dollars(p.Output), why)
	}
	line("break-even", d.BreakEven, fmt.Sprintf("what the power costs, at %s of what is paid", percent(d.ShareBps)))
	if d.Market != nil {
		of := "of this version"
		if d.Similar {
			of = "of versions of its size, as nobody offers this one"
		}
		line("market", *d.Market, fmt.Sprintf("median of %d offers %s", d.Offers, of))
	}
	line("this provider's", d.Price, d.Why)
	return d.printDays(w)
}

func (d dryRun) printDays(w io.Writer) error {
	fmt.Fprintf(w, "\nA day may bring, with %d tokens of prompt for each of an answer, as is assumed:\n", forecast.PromptShare)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tBUSY\tANSWER TOKENS\tEARNED\tPOWER\tLEFT")
	for _, o := range d.Days {
		left := credit.Dollars(uint64(max(o.Net(), -o.Net())))
		if o.Net() < 0 {
			left = "-" + left
		}
		fmt.Fprintf(table, "%s\t%.1f %%\t%d\t%s\t%s\t%s\n", o.Label, 100*o.Busy, o.Answers, credit.Dollars(o.Earned), credit.Dollars(o.Power), left)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if d.Demand.Paid == 0 {
		fmt.Fprintln(w, "\nThe ledger shows no demand for this version yet.")
	} else {
		fmt.Fprintf(w, "\nThe ledger shows %s paid for this version within %.1f days; others who offer it: %d.\n",
			credit.Dollars(d.Demand.Paid), float64(d.Demand.Seconds)/86400, d.Demand.Providers)
	}
	_, err := fmt.Fprintln(w, "Power is counted while the machine serves; the bond comes back, and earnings wait for the challenge window.")
	return err
}

func percent(bps uint32) string { return fmt.Sprintf("%g %%", float64(bps)/100) }
