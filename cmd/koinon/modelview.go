package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/spf13/cobra"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/mechanism/registry"
)

// registered is a version with what the ledger says about its model.
type registered struct {
	modelv1.Version
	Owner  string   `json:"model_owner"`
	Tags   []string `json:"tags,omitempty"`
	Shares string   `json:"shares,omitempty"` // denomination
	Offers int      `json:"offers"`
}

func newModelShowCommand() *cobra.Command {
	p := &purse{}
	cmd := &cobra.Command{
		Use:     "show MODEL",
		Short:   "Show a version: owner, status, licence, lineage, whom its answers pay",
		Example: "  koinon model show @ada/bard\n  koinon model show bard@1.0 --json\n  koinon model show sha256:…",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			v, err := resolved(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			model, err := c.Model(cmd.Context(), v.Name)
			if err != nil {
				return err
			}
			offers, err := c.Offers(cmd.Context(), v.Digest, "")
			if err != nil {
				return err
			}
			r := registered{Version: v, Owner: model.Model.Owner, Offers: len(offers)}
			for _, t := range model.Tags {
				if t.Digest == v.Digest {
					r.Tags = append(r.Tags, t.Tag)
				}
			}
			if model.Model.Shared {
				r.Shares = registry.Denom(v.Name)
			}
			if p.asJSON {
				return printJSON(cmd.OutOrStdout(), r)
			}
			return r.print(cmd.OutOrStdout())
		},
	}
	p.flags(cmd)
	return cmd
}

func (r registered) print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, values ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, values...))
	}
	row("model", "%s@%s", r.Name, r.Version.Version)
	row("digest", "%s", r.Digest)
	row("status", "%s%s", registry.Status(r.Status), tagged(r.Tags))
	row("owner", "%s", r.Owner)
	row("licence", "%s", r.License)
	row("class", "%s", className(r.Class))
	row("size", "%.2f million parameters, %s, %s, context %d, %s", float64(r.Parameters)/1e6, r.Architecture, r.Quantization, r.ContextLength, megabytes(r.SizeBytes))
	row("offers", "%d", r.Offers)
	p := r.Policy
	row("provider", "%s", basisPoints(p.ProviderBps))
	for _, o := range p.Owners {
		if r.Shares == "" {
			row("owner's part", "%s to %s", basisPoints(o.Bps), o.Address)
		} else {
			row("shareholders", "%s by %s", basisPoints(o.Bps), r.Shares)
		}
	}
	for _, d := range r.Owes {
		row("parent's part", "%s to %s", basisPoints(d.Bps), d.Model)
	}
	for _, parent := range r.Parents {
		row("made from", "%s", parent)
	}
	if r.DerivativeBps > 0 {
		row("asks", "%s of what derivatives earn", basisPoints(r.DerivativeBps))
	}
	printCard(row, r.Card)
	return table.Flush()
}

func printCard(row func(name, format string, values ...any), c modelv1.Card) {
	for _, field := range []struct{ name, text string }{
		{"base model", c.BaseModel}, {"languages", strings.Join(c.Languages, ", ")}, {"task", c.PipelineTag}, {"card", c.Digest},
	} {
		if field.text != "" {
			row(field.name, "%s", field.text)
		}
	}
	for _, e := range c.Evaluations {
		row("result", "%s %s %g", e.Dataset, e.Metric, float64(e.Value)/1e6)
	}
}

func tagged(tags []string) string {
	if len(tags) == 0 {
		return ""
	}
	return ", tagged " + strings.Join(tags, ", ")
}

func className(c modelv1.VerificationClass) string {
	if c == modelv1.VerificationClass_VERIFICATION_CLASS_EXACT {
		return "exact"
	}
	return "statistical"
}

func newModelListCommand() *cobra.Command {
	p := &purse{}
	var of string
	var everything bool
	cmd := &cobra.Command{
		Use:     "list [NAMESPACE|NAME]",
		Short:   "List model versions, the newest first",
		Example: "  koinon model list\n  koinon model list @ada\n  koinon model list --of me --all",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			owner, within := "", ""
			if of != "" {
				var err error
				if owner, err = p.address(of); err != nil {
					return err
				}
			}
			if len(args) == 1 {
				within = args[0]
			}
			return p.listVersions(cmd, func(v modelv1.Version) bool {
				return (everything || registry.Status(v.Status).Sold()) && (owner == "" || v.Owner == owner) &&
					(within == "" || v.Name == within || strings.HasPrefix(v.Name, within+"/"))
			})
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&of, "of", "", "only those that this account registered: a key's name or an address")
	cmd.Flags().BoolVar(&everything, "all", false, "drafts and withdrawn versions, too")
	return cmd
}

func newModelSearchCommand() *cobra.Command {
	p := &purse{}
	cmd := &cobra.Command{
		Use:   "search TEXT...",
		Short: "Find model versions by name, licence, base model, language or task",
		Long: `Lists the versions that are for sale and have every one of the words in their name,
architecture, quantisation, licence, base model, languages or task.`,
		Example: "  koinon model search bard\n  koinon model search text-generation fr apache",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.listVersions(cmd, func(v modelv1.Version) bool {
				text := strings.ToLower(strings.Join(append([]string{
					v.Name, v.Version, v.License, v.Architecture, v.Quantization, v.Card.BaseModel, v.Card.PipelineTag,
				}, v.Card.Languages...), " "))
				return registry.Status(v.Status).Sold() && !slices.ContainsFunc(args, func(word string) bool {
					return !strings.Contains(text, strings.ToLower(word))
				})
			})
		},
	}
	p.flags(cmd)
	return cmd
}

func (p *purse) listVersions(cmd *cobra.Command, want func(modelv1.Version) bool) error {
	c, err := p.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	list, err := c.Versions(cmd.Context(), "")
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(v modelv1.Version) bool { return !want(v) })
	slices.SortStableFunc(list, func(a, b modelv1.Version) int { return int(b.CreatedAt - a.CreatedAt) })
	if p.asJSON {
		return printJSON(cmd.OutOrStdout(), append([]modelv1.Version{}, list...))
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "MODEL\tSTATUS\tLICENCE\tCLASS\tSIZE\tDIGEST")
	for _, v := range list {
		fmt.Fprintf(table, "%s@%s\t%s\t%s\t%s\t%s\t%s\n", v.Name, v.Version, registry.Status(v.Status), v.License, className(v.Class), megabytes(v.SizeBytes), v.Digest)
	}
	return table.Flush()
}

func newModelCardCommand() *cobra.Command {
	p, o := &purse{}, payment{}
	var folder string
	cmd := &cobra.Command{
		Use:   "card MODEL",
		Short: "Show what a version's owner says about it, or say it anew",
		Example: `  koinon model card @ada/bard
  koinon model card @ada/bard@1.0 --set ./README.md --from ada`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if folder == "" {
				return p.showCard(cmd, args[0])
			}
			card, err := readCard(folder)
			if err != nil {
				return err
			}
			return p.pay(cmd, o, "model card", func(c *client.Client, key client.Key) (plan, error) {
				v, err := resolved(cmd.Context(), c, args[0])
				name := v.Name + "@" + v.Version
				return plan{what: "describe " + name, amount: credit.Amount{}, to: name,
					msgs: []sdk.Msg{&modelv1.MsgSetCard{Owner: key.Address(), Digest: v.Digest, Card: card}}}, err
			})
		},
	}
	p.flags(cmd)
	o.flags(cmd)
	cmd.Flags().StringVar(&folder, "set", "", "README.md of a model card, or its folder")
	return cmd
}

func (p *purse) showCard(cmd *cobra.Command, reference string) error {
	c, err := p.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	v, err := resolved(cmd.Context(), c, reference)
	if err != nil {
		return err
	}
	if p.asJSON {
		return printJSON(cmd.OutOrStdout(), v.Card)
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	row := func(name, format string, values ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, values...))
	}
	row("model", "%s@%s", v.Name, v.Version)
	row("licence", "%s", v.License)
	printCard(row, v.Card)
	return table.Flush()
}
