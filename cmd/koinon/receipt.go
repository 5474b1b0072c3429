package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/ledger/x/model"
	"github.com/koinon/koinon/internal/mechanism/split"
	"github.com/koinon/koinon/receipt"
)

func newReceiptCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "receipt",
		Short: "Explain and check what was run, by whom, and what it cost",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newReceiptListCommand(), newReceiptShowCommand(), newReceiptVerifyCommand(), newReceiptAuditCommand())
	return cmd
}

// kept is a receipt as a gateway keeps it, with what it thinks of it.
type kept struct {
	Valid   bool   `json:"valid"`
	Problem string `json:"problem,omitempty"`
	receipt.Record
}

func newReceiptListCommand() *cobra.Command {
	var conn connection
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the receipts of this API key, newest first",
		Example: "  koinon receipt list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := conn.needGateway(); err != nil {
				return err
			}
			var page struct {
				Data []kept `json:"data"`
			}
			if err := conn.get(cmd.Context(), "/receipts?limit=100", &page); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), page.Data)
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "WHEN\tCOST\tTOKENS\tPROVIDER\tRECEIPT")
			for _, k := range page.Data {
				r := k.Receipt
				fmt.Fprintf(table, "%s\t%s\t%d+%d\t%s\t%s\n", moment(r.Finished), credit.Dollars(r.Cost),
					r.PromptTokens, r.CompletionTokens, r.Provider, receiptID(r))
			}
			return table.Flush()
		},
	}
	conn.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newReceiptShowCommand() *cobra.Command {
	var conn connection
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID|FILE",
		Short: "Show a receipt: model, provider, cost, and where each micro-credit went",
		Example: `  koinon receipt show 3f2a91…          # from the gateway
  koinon receipt show answer.json      # from a file
  koinon receipt show --json ID > answer.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			record, err := conn.load(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			r := record.Receipt
			switch {
			case asJSON && record.Transcript != nil:
				return printJSON(cmd.OutOrStdout(), record)
			case asJSON:
				return printJSON(cmd.OutOrStdout(), r)
			}
			explainReceipt(cmd.OutOrStdout(), r)
			conn.explainSettlement(cmd.Context(), cmd.OutOrStdout(), r)
			return nil
		},
	}
	conn.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the signed receipt as JSON, with its transcript where the gateway keeps them")
	return cmd
}

// explainReceipt says in lines what one receipt states.
func explainReceipt(w io.Writer, r receipt.Receipt) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("receipt", "%s", receiptID(r))
	row("model", "%s (%s)", r.Model, r.Class)
	row("provider", "%s", r.Provider)
	if r.Right != "" {
		row("right", "%s", r.Right)
	}
	row("prompt", "%d tokens, %d of them cached", r.PromptTokens, r.CachedTokens)
	row("answer", "%d tokens, ended by %s", r.CompletionTokens, r.FinishReason)
	row("sampling", "%s, temperature %g, top_p %g, top_k %d", r.Sampling.Kind, r.Sampling.Temperature, r.Sampling.TopP, r.Sampling.TopK)
	row("seed", "%d, %s", r.Seed.Value, seedOrigin(r.Seed))
	row("time", "%s, first token after %s, all after %s", moment(r.Started),
		milliseconds(r.FirstToken-r.Started), milliseconds(r.Finished-r.Started))
	cached := ""
	if r.CachedTokens > 0 {
		cached = fmt.Sprintf(" + %d cached × %s/M", r.CachedTokens, credit.Dollars(r.Price.CachedInput))
	}
	row("cost", "%s = %d × %s/M%s + %d × %s/M, rounded up to a micro-credit", credit.Dollars(r.Cost),
		r.PromptTokens-min(r.PromptTokens, r.CachedTokens), credit.Dollars(r.Price.Input), cached,
		r.CompletionTokens, credit.Dollars(r.Price.Output))
	row("grant", "%s, receipt %d, %s owed in all, ticket %d seen", r.Grant, r.Sequence, credit.Dollars(r.Owed), r.Ticket)
	row("commitment", "%s", r.Commitment)
	table.Flush()
}

// seedOrigin says how a seed came about.
func seedOrigin(s receipt.Seed) string {
	if s.Origin == receipt.Drawn {
		return "drawn by payer and provider together"
	}
	return "named by the payer"
}

// explainSettlement says how the cost is split and whether the ledger has
// settled it. Without a ledger it says so and returns.
func (c *connection) explainSettlement(ctx context.Context, w io.Writer, r receipt.Receipt) {
	if c.ledger == "" {
		fmt.Fprintln(w, "No ledger known, so the split is not shown: give --ledger.")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := explainSplit(ctx, w, c.ledger, r); err != nil {
		fmt.Fprintf(w, "The ledger at %s does not answer (%v), so the split is not shown.\n", c.ledger, err)
	}
}

func explainSplit(ctx context.Context, w io.Writer, address string, r receipt.Receipt) error {
	ledger, err := client.Dial(ctx, address, r.ChainID)
	if err != nil {
		return err
	}
	defer ledger.Close()
	version, err := ledger.Version(ctx, r.Model.String())
	if err != nil {
		return err
	}
	owned, err := ledger.Model(ctx, version.Name)
	if err != nil {
		return err
	}
	parts, err := split.Split(r.Cost, model.PolicyOf(version, owned.Model.Shared),
		split.Parties{Provider: r.Provider, App: r.App, Treasury: "treasury", Model: r.Model.String()})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s@%s splits it so (a redemption splits sums of receipts; remainders go to the treasury):\n", version.Name, version.Version)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range parts {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", p.Role, credit.Dollars(p.Amount), p.Recipient)
	}
	table.Flush()
	grant, err := ledger.Grant(ctx, r.Grant.Hex())
	switch {
	case errors.Is(err, client.ErrNotFound):
		fmt.Fprintln(w, "The grant is not on the ledger: not activated, or settled long ago.")
		return nil
	case err != nil:
		return err
	}
	settled := grant.Redeemed * grant.Grant.TicketValue
	if settled >= r.Owed {
		fmt.Fprintf(w, "Settled: the provider has redeemed %s of this grant.\n", credit.Dollars(settled))
	} else {
		fmt.Fprintf(w, "Not yet settled: %s of this grant redeemed; this receipt is covered from %s on.\n",
			credit.Dollars(settled), credit.Dollars(r.Owed))
	}
	return nil
}

// load reads a receipt from a file, or from the gateway by its id.
func (c *connection) load(ctx context.Context, name string) (receipt.Record, error) {
	if _, err := os.Stat(name); err == nil {
		records, err := readRecords(name)
		if err != nil {
			return receipt.Record{}, err
		}
		return records[len(records)-1], c.resolve()
	}
	if err := c.needGateway(); err != nil {
		return receipt.Record{}, err
	}
	var k kept
	err := c.get(ctx, "/receipts/"+url.PathEscape(name), &k)
	return k.Record, err
}

// get reads JSON from the gateway.
func (c *connection) get(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.gateway+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.apiKey)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("cannot reach the gateway: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		var body struct {
			Error struct{ Message string } `json:"error"`
		}
		if err := json.NewDecoder(response.Body).Decode(&body); err != nil || body.Error.Message == "" {
			body.Error.Message = response.Status
		}
		failure := fmt.Errorf("the gateway answered %d: %s", response.StatusCode, body.Error.Message)
		if response.StatusCode == http.StatusNotFound {
			return &exitError{exitNotFound, failure}
		}
		return failure
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// receiptID is the name under which a gateway keeps a receipt: its hash.
func receiptID(r receipt.Receipt) string { return r.Hash().Hex() }

func moment(unixMilli int64) string {
	return time.UnixMilli(unixMilli).Local().Format("2006-01-02 15:04:05")
}

func milliseconds(n int64) string { return (time.Duration(n) * time.Millisecond).String() }

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
