package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/spf13/cobra"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/ledger/client"
)

// motion is what the flags of `koinon vote propose` say.
type motion struct {
	latest, maxInput, maxOutput string
	policy, version             string
	prompt                      string
	filters                     []string
	dataset                     string
	exclude                     bool
	retrain, recipe             string
	spend, to                   string
	offering                    int64
	milestone                   uint32
	charter                     string
}

func newProposeCommand(p *purse) *cobra.Command {
	var o payment
	m := motion{offering: -1}
	cmd := &cobra.Command{
		Use:   "propose MODEL TITLE",
		Short: "Put something to the vote of a model's shareholders",
		Long: `Proposes one thing, which the flags name:

  --latest VERSION                     what the model's name stands for
  --max-input, --max-output DOLLARS    the highest price for a million tokens; 0 for any
  --policy FILE --version VERSION      how a version's earnings are split, as JSON
  --version VERSION --system-prompt FILE --filter NAME
                                       how the model is to behave, and the version that does
  --dataset DIGEST [--exclude]         what it learns from, or not
  --retrain VERSION --recipe DIGEST    a new version, from which one and how
  --spend AMOUNT --to NAME             a payment from the model's treasury
  --offering ID --milestone N          paying out a milestone
  --charter FILE                       how shareholders decide, as JSON

A version is NAME@VERSION, or its digest.`,
		Example: `  koinon vote propose @ada/bard 'Cheaper answers' --max-input '$0.10' --max-output '$0.40' --from me
  koinon vote propose @ada/bard 'Pay for version 2' --offering 0 --milestone 1 --from me
  koinon vote propose @ada/bard 'Be courteous' --version @ada/bard@2 --system-prompt polite.txt --from me
  koinon vote propose @ada/bard 'A bounty' --spend '$100' --to koinon1… --from me --dry-run`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			action, err := m.action(p, cmd.Flags().Changed)
			if err != nil {
				return err
			}
			return p.pay(cmd, o, "vote propose", func(c *client.Client, key client.Key) (plan, error) {
				if err := named(cmd.Context(), c, action); err != nil {
					return plan{}, err
				}
				return plan{
					what: fmt.Sprintf("propose %q to the shareholders of %s", args[1], args[0]), to: args[0],
					msgs: []sdk.Msg{&assemblyv1.MsgPropose{Proposer: key.Address(), Model: args[0], Title: args[1], Action: action}},
				}, nil
			})
		},
	}
	o.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&m.latest, "latest", "", "version that the model's name is to stand for")
	flags.StringVar(&m.maxInput, "max-input", "", "highest price of a million tokens of input, in dollars; 0 for any")
	flags.StringVar(&m.maxOutput, "max-output", "", "highest price of a million tokens of output, in dollars; 0 for any")
	flags.StringVar(&m.policy, "policy", "", "file of the new split, as JSON")
	flags.StringVar(&m.version, "version", "", "version whose earnings are split, or that behaves so")
	flags.StringVar(&m.prompt, "system-prompt", "", "file of the system prompt")
	flags.StringSliceVar(&m.filters, "filter", nil, "names of the safety filters that are on")
	flags.StringVar(&m.dataset, "dataset", "", "digest of a dataset")
	flags.BoolVar(&m.exclude, "exclude", false, "keep the dataset out rather than in")
	flags.StringVar(&m.retrain, "retrain", "", "version to train further")
	flags.StringVar(&m.recipe, "recipe", "", "digest of what says how to train")
	flags.StringVar(&m.spend, "spend", "", "what the treasury pays: $5, '3 KOIN' or '100 @ada/bard'")
	flags.StringVar(&m.to, "to", "", "who is paid: an address or a key's name")
	flags.Int64Var(&m.offering, "offering", -1, "offering whose milestone is paid out")
	flags.Uint32Var(&m.milestone, "milestone", 0, "the milestone's number")
	flags.StringVar(&m.charter, "charter", "", "file of the new charter, as JSON")
	return cmd
}

// action reads the flags, of which those of one kind are to be given.
func (m motion) action(p *purse, given func(flag string) bool) (assemblyv1.Action, error) {
	any := func(flags ...string) bool { return slices.ContainsFunc(flags, given) }
	kinds := []struct {
		given bool
		read  func() (assemblyv1.Action, error)
	}{
		{any("latest"), func() (assemblyv1.Action, error) {
			return assemblyv1.Action{What: &assemblyv1.Action_Latest{Latest: &assemblyv1.Latest{Digest: m.latest}}}, nil
		}},
		{any("max-input", "max-output"), m.ceiling},
		{any("policy"), m.revenue},
		{any("system-prompt", "filter"), m.conduct},
		{any("dataset", "exclude"), func() (assemblyv1.Action, error) {
			d := &assemblyv1.Dataset{Digest: m.dataset, Allowed: !m.exclude}
			return assemblyv1.Action{What: &assemblyv1.Action_Dataset{Dataset: d}}, nil
		}},
		{any("retrain", "recipe"), func() (assemblyv1.Action, error) {
			r := &assemblyv1.Retraining{Base: m.retrain, Recipe: m.recipe}
			return assemblyv1.Action{What: &assemblyv1.Action_Retraining{Retraining: r}}, nil
		}},
		{any("spend", "to"), func() (assemblyv1.Action, error) { return m.spending(p) }},
		{any("offering", "milestone"), m.release},
		{any("charter"), m.rules},
	}
	var read func() (assemblyv1.Action, error)
	for _, k := range kinds {
		if k.given && read != nil {
			return assemblyv1.Action{}, usageError("propose one thing: flags of two kinds are given")
		}
		if k.given {
			read = k.read
		}
	}
	if read == nil {
		return assemblyv1.Action{}, usageError("say what to decide: see 'koinon vote propose --help'")
	}
	return read()
}

// named has an action refer to its version, if it has one, by digest.
func named(ctx context.Context, c *client.Client, a assemblyv1.Action) error {
	var version *string
	switch what := a.What.(type) {
	case *assemblyv1.Action_Latest:
		version = &what.Latest.Digest
	case *assemblyv1.Action_Revenue:
		version = &what.Revenue.Digest
	case *assemblyv1.Action_Conduct:
		version = &what.Conduct.Digest
	case *assemblyv1.Action_Retraining:
		version = &what.Retraining.Base
	default:
		return nil
	}
	v, err := resolved(ctx, c, *version)
	*version = v.Digest
	return err
}

func (m motion) ceiling() (assemblyv1.Action, error) {
	c := &assemblyv1.Ceiling{}
	for _, v := range []struct {
		flag, text string
		into       *uint64
	}{{"--max-input", m.maxInput, &c.InputPrice}, {"--max-output", m.maxOutput, &c.OutputPrice}} {
		if v.text == "" || v.text == "0" {
			continue
		}
		price, err := dollarsOf(v.flag, v.text)
		if err != nil {
			return assemblyv1.Action{}, err
		}
		*v.into = price
	}
	return assemblyv1.Action{What: &assemblyv1.Action_Ceiling{Ceiling: c}}, nil
}

func (m motion) revenue() (assemblyv1.Action, error) {
	var policy modelv1.Policy
	if err := readJSON("--policy", m.policy, &policy); err != nil {
		return assemblyv1.Action{}, err
	}
	r := &assemblyv1.Revenue{Digest: m.version, Policy: policy}
	return assemblyv1.Action{What: &assemblyv1.Action_Revenue{Revenue: r}}, nil
}

func (m motion) conduct() (assemblyv1.Action, error) {
	c := &assemblyv1.Conduct{Digest: m.version, Filters: slices.Compact(slices.Sorted(slices.Values(m.filters)))}
	if m.prompt != "" {
		text, err := os.ReadFile(m.prompt)
		if err != nil {
			return assemblyv1.Action{}, fmt.Errorf("--system-prompt: %w", err)
		}
		c.SystemPrompt = string(text)
	}
	return assemblyv1.Action{What: &assemblyv1.Action_Conduct{Conduct: c}}, nil
}

func (m motion) spending(p *purse) (assemblyv1.Action, error) {
	amount, err := parseAsset(m.spend)
	if err != nil {
		return assemblyv1.Action{}, err
	}
	to, err := p.address(m.to)
	if err != nil {
		return assemblyv1.Action{}, err
	}
	s := &assemblyv1.Spending{To: to, Denom: amount.denom, Amount: amount.amount}
	return assemblyv1.Action{What: &assemblyv1.Action_Spending{Spending: s}}, nil
}

func (m motion) release() (assemblyv1.Action, error) {
	if m.offering < 0 {
		return assemblyv1.Action{}, usageError("--milestone needs --offering ID")
	}
	s := &assemblyv1.Milestone{Offering: uint64(m.offering), Milestone: m.milestone}
	return assemblyv1.Action{What: &assemblyv1.Action_Milestone{Milestone: s}}, nil
}

func (m motion) rules() (assemblyv1.Action, error) {
	var c assemblyv1.Charter
	if err := readJSON("--charter", m.charter, &c); err != nil {
		return assemblyv1.Action{}, err
	}
	return assemblyv1.Action{What: &assemblyv1.Action_Charter{Charter: &c}}, nil
}

// readJSON reads a file that a flag names.
func readJSON(flag, file string, into any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return usageError("%s: %s is not what is needed: %w", flag, file, err)
	}
	return nil
}
