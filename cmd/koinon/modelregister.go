package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/spf13/cobra"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/engine/huggingface"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/mechanism/lineage"
	"github.com/koinon/koinon/internal/mechanism/registry"
	"github.com/koinon/koinon/internal/mechanism/split"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/receipt"
)

// registration is what `koinon model register` is asked for.
type registration struct {
	payment
	card       weights.Card // of a GGUF file without a manifest
	parents    []string
	derivative uint32
	royalty    uint32
	folder     string // of the card
	draft      bool
}

func newModelRegisterCommand() *cobra.Command {
	p, o := &purse{}, registration{}
	cmd := &cobra.Command{
		Use:   "register FILE",
		Short: "Register a model version on the ledger, and own it",
		Long: `Registers what a manifest, or a GGUF file, describes; a file's manifest is written
beside it. A name is plain, like bard, and the first's to take it, or in a namespace,
like @ada/bard, which is registered with it if nobody owns it. Of every redemption the
model's owner gets --royalty basis points (hundredths of a percent) and its shareholders,
once there are shares, in the owner's place; the parents get what their licence asks; the
app, the curators and the treasury 10 % together; the provider the rest. --derivative is
what this version's own licence asks of whatever is made from it, at any depth.`,
		Example: `  koinon model register bard.gguf --name @ada/bard --model-version 1.0 --from ada
  koinon model register bard.manifest.json --royalty 1200 --derivative 500 --from ada
  koinon model register tuned.gguf --name @bea/skald --parent @ada/bard@1.0 --card . --from bea`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := o.manifest(args[0])
			if err != nil {
				return err
			}
			return p.pay(cmd, o.payment, "model register", func(c *client.Client, key client.Key) (plan, error) {
				return o.plan(cmd, c, key, m)
			})
		},
	}
	p.flags(cmd)
	o.payment.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.card.Name, "name", "", "model's name (default the file's)")
	f.StringVar(&o.card.Version, "model-version", "1", "model's version")
	f.StringVar(&o.card.License, "license", "", "SPDX expression, or LicenseRef-NAME (default the file's)")
	f.StringVar(&o.card.Class, "class", receipt.Exact, "how answers are checked: exact or statistical")
	f.StringArrayVar(&o.parents, "parent", nil, "version that this one was made from: NAME, NAME@VERSION, NAME:TAG or a digest; up to 4")
	f.Uint32Var(&o.derivative, "derivative", 0, "basis points of every redemption that derivatives owe this model")
	f.Uint32Var(&o.royalty, "royalty", 1000, "basis points of every redemption for the model's owner or shareholders")
	f.StringVar(&o.folder, "card", "", "folder with a README.md whose head says base model, languages, task and results")
	f.BoolVar(&o.draft, "draft", false, "do not list it yet: koinon model publish does")
	return cmd
}

// manifest reads a manifest, or describes a GGUF file and writes one beside it.
func (o *registration) manifest(path string) (weights.Manifest, error) {
	if strings.HasSuffix(path, ".json") {
		data, err := os.ReadFile(path)
		if err != nil {
			return weights.Manifest{}, err
		}
		return weights.Decode(data)
	}
	m, tree, err := weights.DescribeTree(path, o.card)
	if err != nil {
		return m, err
	}
	return m, writeManifest(path, m, tree)
}

// manifestPath is where the manifest of a GGUF file lies.
func manifestPath(file string) string {
	return strings.TrimSuffix(file, filepath.Ext(file)) + manifestSuffix
}

const manifestSuffix = ".manifest.json"

// plan makes the messages that register a version, and its namespace if nobody
// owns it.
func (o *registration) plan(cmd *cobra.Command, c *client.Client, key client.Key, m weights.Manifest) (plan, error) {
	msg := &modelv1.MsgRegisterVersion{
		Owner: key.Address(), Digest: m.Digest().String(), Name: m.Name, Version: m.Version, License: m.License,
		Architecture: m.Architecture, Parameters: m.Parameters, SizeBytes: m.Weights.Size, ContextLength: m.ContextLength,
		Quantization: m.Quantization, Class: modelv1.VerificationClass_VERIFICATION_CLASS_STATISTICAL,
		DerivativeBps: o.derivative, Draft: o.draft,
	}
	if m.Class == receipt.Exact {
		msg.Class, msg.WeightsRoot = modelv1.VerificationClass_VERIFICATION_CLASS_EXACT, m.Root.String()
	}
	if !m.Conduct.IsZero() {
		msg.Conduct = m.Conduct.String()
	}
	if o.folder != "" {
		card, err := readCard(o.folder)
		if err != nil {
			return plan{}, err
		}
		msg.Card = card
	}
	owed, err := o.inherit(cmd, c, msg)
	if err != nil {
		return plan{}, err
	}
	if err := o.policy(msg, owed); err != nil {
		return plan{}, err
	}
	made := plan{what: fmt.Sprintf("register %s@%s, %s; %s", m.Name, m.Version, msg.Digest, terms(msg, owed)), to: m.Name + "@" + m.Version}
	if space, _, err := registry.ParseName(m.Name); err == nil && space != "" {
		_, err := c.Namespace(cmd.Context(), space)
		if err != nil && !errors.Is(err, client.ErrNotFound) {
			return plan{}, err
		}
		if err != nil {
			made.msgs = append(made.msgs, &modelv1.MsgRegisterNamespace{Owner: key.Address(), Name: space})
		}
	}
	made.msgs = append(made.msgs, sdk.Msg(msg))
	return made, nil
}

// inherit finds the parents, and computes what is owed to them, as the ledger will.
func (o *registration) inherit(cmd *cobra.Command, c *client.Client, msg *modelv1.MsgRegisterVersion) ([]lineage.Debt, error) {
	var parents []lineage.Version
	for _, reference := range o.parents {
		v, err := c.Resolve(cmd.Context(), reference)
		if err != nil {
			return nil, fmt.Errorf("--parent: %w", err)
		}
		msg.Parents = append(msg.Parents, v.Digest)
		parent := lineage.Version{Model: v.Name, AsksBps: v.DerivativeBps, Depth: v.Depth}
		for _, d := range v.Owes {
			parent.Owes = append(parent.Owes, lineage.Debt{Model: d.Model, Bps: d.Bps})
		}
		parents = append(parents, parent)
	}
	owed, _, err := lineage.Derive(msg.Name, parents)
	return owed, err
}

// policy divides the whole; what is not somebody else's is the provider's.
func (o *registration) policy(msg *modelv1.MsgRegisterVersion, owed []lineage.Debt) error {
	msg.Policy = modelv1.Policy{AppBps: 300, CuratorsBps: 200, TreasuryBps: 500}
	taken := uint64(1000) + uint64(o.royalty) + lineage.Sum(owed)
	if taken > split.Whole {
		return usageError("--royalty %d: with %d basis points for the parents and 1000 for app, curators and treasury that is more than the whole", o.royalty, lineage.Sum(owed))
	}
	msg.Policy.ProviderBps = uint32(split.Whole - taken)
	if o.royalty > 0 {
		msg.Policy.Owners = []modelv1.Share{{Address: msg.Owner, Bps: o.royalty}}
	}
	return nil
}

// terms says whom an answer pays.
func terms(msg *modelv1.MsgRegisterVersion, owed []lineage.Debt) string {
	text := fmt.Sprintf("an answer pays the provider %s", basisPoints(msg.Policy.ProviderBps))
	for _, o := range msg.Policy.Owners {
		text += fmt.Sprintf(", you %s", basisPoints(o.Bps))
	}
	for _, d := range owed {
		text += fmt.Sprintf(", %s %s", d.Model, basisPoints(d.Bps))
	}
	return text
}

// basisPoints writes hundredths of a percent.
func basisPoints(bps uint32) string {
	return strings.TrimSuffix(strings.TrimSuffix(fmt.Sprintf("%d.%02d", bps/100, bps%100), "0"), ".0") + " %"
}

// readCard reads the model card of a folder, or that a README.md is.
func readCard(path string) (modelv1.Card, error) {
	if filepath.Base(path) == "README.md" {
		path = filepath.Dir(path)
	}
	card, err := huggingface.ReadCard(path)
	if err != nil {
		return modelv1.Card{}, fmt.Errorf("--card: %w", err)
	}
	out := modelv1.Card{Digest: card.Digest.String(), BaseModel: card.BaseModel, Languages: card.Languages, PipelineTag: card.PipelineTag}
	for _, e := range card.Evaluations {
		out.Evaluations = append(out.Evaluations, modelv1.Evaluation{Dataset: e.Dataset, Metric: e.Metric, Value: int64(math.Round(e.Value * 1e6))})
	}
	return out, nil
}
