package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/spf13/cobra"

	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
)

// sale is what the flags of `koinon offering open` say.
type sale struct {
	shares              uint64
	price, softCap      string
	linear, product, to string
	raise               uint32
	deadline, lapse     time.Duration
	milestones          []string
}

func newOfferingOpenCommand(p *purse) *cobra.Command {
	var o payment
	s := sale{deadline: 30 * 24 * time.Hour, lapse: 365 * 24 * time.Hour}
	cmd := &cobra.Command{
		Use:   "open MODEL",
		Short: "Offer shares that you have; they leave your account",
		Long: `Offers shares at a fixed --price, whose hard cap is all of them sold; or on a curve:

  --linear '$0.10,$0.02'      from $0.10, and $0.02 more for each million shares sold
  --product '$10000,1000000'  as a pool would that began with $10,000 and a million shares

of whose payments --raise percent are raised, and the rest is the curve's reserve.
Milestones are TITLE=PERCENT:PROOF, and add up to 100. PROOF is close (the sale's
success), vote (the shareholders'), sha256:… of a version that must be listed, or
BENCHMARK>=SCORE, which the council must find a version to reach.`,
		Example: `  koinon offering open @ada/bard --shares 400000 --price '$0.10' --soft-cap '$10000' --deadline 720h \
    --milestone 'start=20:close' --milestone 'version 2=80:sha256:…' --from ada
  koinon offering open @ada/bard --shares 400000 --linear '$0.10,$0.02' --raise 30 --soft-cap '$5000' \
    --milestone 'all=100:vote' --from ada --dry-run`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.pay(cmd, o, "offering open", func(_ *client.Client, key client.Key) (plan, error) {
				terms, err := s.terms(p, args[0], time.Now())
				if err != nil {
					return plan{}, err
				}
				terms.Opener = key.Address()
				return plan{
					what: fmt.Sprintf("offer %d shares of %s, to raise at least %s by %s", terms.Shares, terms.Model,
						credit.Dollars(terms.SoftCap), time.Unix(terms.Deadline, 0).UTC().Format(time.DateTime)),
					amount: credit.Amount{Denom: denomOf(terms.Model), Units: terms.Shares}, to: terms.Model,
					msgs: []sdk.Msg{&offeringv1.MsgOpen{Opener: key.Address(), Terms: terms}},
				}, nil
			})
		},
	}
	o.flags(cmd)
	flags := cmd.Flags()
	flags.Uint64Var(&s.shares, "shares", 0, "how many are for sale")
	flags.StringVar(&s.price, "price", "", "dollars a share, for a fixed price")
	flags.StringVar(&s.linear, "linear", "", "first price and its rise for each million shares sold, in dollars a share")
	flags.StringVar(&s.product, "product", "", "virtual dollars and total shares of a constant product")
	flags.Uint32Var(&s.raise, "raise", 0, "percent of payments on a curve that are raised")
	flags.StringVar(&s.softCap, "soft-cap", "", "dollars that must be raised, or they go back")
	flags.DurationVar(&s.deadline, "deadline", s.deadline, "from now until buying ends")
	flags.DurationVar(&s.lapse, "lapse", s.lapse, "from the deadline until what no milestone paid out goes back")
	flags.StringArrayVar(&s.milestones, "milestone", nil, "TITLE=PERCENT:PROOF, once for each")
	flags.StringVar(&s.to, "to", "", "who is paid by milestones: an address or a key's name (default you)")
	return cmd
}

// terms reads the flags.
func (s sale) terms(p *purse, model string, now time.Time) (offeringv1.Terms, error) {
	t := offeringv1.Terms{
		Model: model, Shares: s.shares, RaiseBps: s.raise * 100,
		Deadline: now.Add(s.deadline).Unix(), Lapse: now.Add(s.deadline + s.lapse).Unix(),
	}
	var err error
	if t.SoftCap, err = dollarsOf("--soft-cap", s.softCap); err != nil {
		return t, err
	}
	if t.Price, err = sharePrice("--price", s.price); err != nil {
		return t, err
	}
	if s.linear != "" {
		base, slope, _ := strings.Cut(s.linear, ",")
		t.Linear = &offeringv1.Linear{}
		if t.Linear.Base, err = sharePrice("--linear", base); err != nil {
			return t, err
		}
		if t.Linear.Slope, err = sharePrice("--linear", slope); err != nil {
			return t, err
		}
	}
	if s.product != "" {
		virtual, total, _ := strings.Cut(s.product, ",")
		t.Product = &offeringv1.Product{}
		if t.Product.Virtual, err = dollarsOf("--product", virtual); err != nil {
			return t, err
		}
		if t.Product.Total, err = number("--product", total); err != nil {
			return t, err
		}
	}
	if s.to != "" {
		if t.Beneficiary, err = p.address(s.to); err != nil {
			return t, err
		}
	}
	for _, text := range s.milestones {
		m, err := milestone(text)
		if err != nil {
			return t, err
		}
		t.Milestones = append(t.Milestones, m)
	}
	return t, nil
}

// milestone reads TITLE=PERCENT:PROOF.
func milestone(text string) (offeringv1.Milestone, error) {
	bad := func() (offeringv1.Milestone, error) {
		return offeringv1.Milestone{}, usageError("--milestone: write 'TITLE=PERCENT:close', ':vote', ':sha256:…' or ':mmlu>=0.7', not %q", text)
	}
	title, rest, ok := strings.Cut(text, "=")
	part, proof, both := strings.Cut(rest, ":")
	percent, err := strconv.ParseUint(part, 10, 32)
	if !ok || !both || err != nil || percent == 0 || percent > 100 {
		return bad()
	}
	m := offeringv1.Milestone{Title: title, Bps: uint32(percent) * 100}
	switch {
	case proof == "close":
		m.Proof = offeringv1.Proof_PROOF_CLOSING
	case proof == "vote":
		m.Proof = offeringv1.Proof_PROOF_DECISION
	case strings.HasPrefix(proof, "sha256:"):
		m.Proof, m.Digest = offeringv1.Proof_PROOF_LISTING, proof
	case strings.Contains(proof, ">="):
		benchmark, score, _ := strings.Cut(proof, ">=")
		m.Proof, m.Benchmark = offeringv1.Proof_PROOF_EVALUATION, benchmark
		if m.Score, err = millionths("--milestone", score); err != nil || benchmark == "" {
			return bad()
		}
	default:
		return bad()
	}
	return m, nil
}
