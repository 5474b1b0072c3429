package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/auditor/simulate"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/mechanism/deterrence"
)

// shareFlag is a share that flags write as 60% or 0.6.
type shareFlag deterrence.Share

func (s *shareFlag) Set(text string) error {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	value, err := strconv.ParseFloat(number, 64)
	if percent {
		value /= 100
	}
	if err != nil || !(value >= 0 && value <= 1) {
		return fmt.Errorf("%q is no share: write it like 60%% or 0.6", text)
	}
	*s = shareFlag(math.Round(value * float64(deterrence.Certain)))
	return nil
}

func (s *shareFlag) String() string { return inPercent(deterrence.Share(*s)) }

func (s *shareFlag) Type() string { return "share" }

func (s shareFlag) fraction() float64 { return float64(s) / float64(deterrence.Certain) }

func inPercent(s deterrence.Share) string {
	return strconv.FormatFloat(100*float64(s)/float64(deterrence.Certain), 'g', 3, 64) + "%"
}

// planOptions are a market, as flags say it.
type planOptions struct {
	price                                             string // dollars
	tokens, jobs, seed                                uint64
	saving, detection, rate, margin, loses, adversary shareFlag
	window, verdict                                   time.Duration
	providers, days                                   int
	exact, asJSON                                     bool
}

// auditPlan is what a market needs. Amounts are in ucredit, shares in billionths.
type auditPlan struct {
	Job        uint64           `json:"job"`
	Gain       uint64           `json:"gain"`
	Released   uint64           `json:"released_jobs"`
	Stake      uint64           `json:"stake"`
	Simulated  float64          `json:"stake_simulated"`
	Deviation  float64          `json:"stake_simulated_error"`
	Bond       uint64           `json:"recommended_stake"`
	Unsettled  uint64           `json:"unsettled_jobs"`
	FalseBound deterrence.Share `json:"false_accusation_bound"`
	Auditor    uint64           `json:"auditor_stake"`
	Found      []found          `json:"found"`
	Committees []committee      `json:"committees"`
	Seed       uint64           `json:"seed"`
	// Market is what agents came to in the simulation.
	Market []simulate.Result `json:"market"`
}

// found is how long a cheat at a part of the jobs goes on, 99 times of 100.
type found struct {
	Part   deterrence.Share `json:"part"`
	Audits uint64           `json:"audits"`
	Jobs   uint64           `json:"jobs"`
}

// committee is what the adversary's share of auditors comes to, in 10^-18.
type committee struct {
	Members    int               `json:"members"`
	Majority   deterrence.Chance `json:"adversary_majority"`
	NoneHonest deterrence.Chance `json:"none_honest"`
}

func newAuditPlanCommand() *cobra.Command {
	o := planOptions{
		price: "0.50", tokens: 500, jobs: 200, seed: 1, saving: 600_000_000, detection: 950_000_000, rate: 20_000_000,
		margin: 200_000_000, loses: 10_000_000, adversary: 330_000_000, window: 48 * time.Hour, verdict: 24 * time.Hour,
		providers: 2000, days: 90,
	}
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "The stake that makes cheating at a model lose money",
		Long: `Takes a model's price, what cheating saves, how well an audit finds it and how
often answers are audited, and prints the stake at which cheating loses money,
by formula and by playing it; how seldom the honest may be accused; and how long
a cheat goes on. Then it plays a market: agents that cheat at all jobs or a few,
once they are trusted, under many names, with a part of the auditors on their
side or bought. docs/economics.md explains each line.

It asks nobody: no ledger is needed. The seed fixes what is played.`,
		Example: `  koinon audit plan                                       # a small model, the network's parameters
  koinon audit plan --price 2 --tokens 1000 --saving 75%   # a large one, served as a quarter of itself
  koinon audit plan --detection 50% --audit-rate 10%       # audits that find half
  koinon audit plan --exact                                # the reference engine: one honest auditor
  koinon audit plan --window 0s                            # what it takes if earnings did not wait
  koinon audit plan --json | jq .recommended_stake`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := o.plan()
			if err != nil {
				return err
			}
			if o.asJSON {
				return printJSON(cmd.OutOrStdout(), p)
			}
			return o.print(cmd.OutOrStdout(), p)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.price, "price", o.price, "dollars for a million answer tokens")
	flags.Uint64Var(&o.tokens, "tokens", o.tokens, "tokens of an answer")
	flags.Var(&o.saving, "saving", "part of the price that cheating saves")
	flags.Var(&o.detection, "detection", "chance that an audit of a cheated answer finds it")
	flags.Var(&o.rate, "audit-rate", "share of answers audited once a provider is trusted")
	flags.Var(&o.margin, "margin", "part of the price that the honest keep")
	flags.Var(&o.loses, "may-lose", "part of that margin that false accusations may cost the honest")
	flags.Var(&o.adversary, "adversary", "share of auditors on the cheats' side")
	flags.Uint64Var(&o.jobs, "jobs", o.jobs, "answers of a provider a day")
	flags.DurationVar(&o.window, "window", o.window, "time until earnings mature")
	flags.DurationVar(&o.verdict, "verdict", o.verdict, "time from an answer to the verdict on it")
	flags.IntVar(&o.providers, "providers", o.providers, "providers in the simulation")
	flags.IntVar(&o.days, "days", o.days, "days of the simulation")
	flags.Uint64Var(&o.seed, "seed", o.seed, "of the simulation")
	flags.BoolVar(&o.exact, "exact", false, "the exact class: every audit of a cheated answer finds it, and one honest auditor is enough")
	flags.BoolVar(&o.asJSON, "json", false, "print JSON: amounts in ucredit, shares in billionths")
	return cmd
}

// plan reckons by formula and plays.
func (o *planOptions) plan() (auditPlan, error) {
	if o.exact {
		o.detection = shareFlag(deterrence.Certain)
	}
	p := auditPlan{Seed: o.seed}
	cheat, err := o.cheat(&p)
	if err != nil {
		return p, err
	}
	if p.Stake, err = cheat.Stake(); err != nil {
		return p, usageError("no stake is enough: %w", err)
	}
	if p.Stake > math.MaxUint64/3 {
		return p, usageError("no stake is enough: three times %s does not fit", credit.Dollars(p.Stake))
	}
	p.Bond = 3 * p.Stake
	if p.Unsettled, err = cheat.Unsettled(p.Bond); err != nil {
		return p, err
	}
	margin := uint64(o.margin.fraction() * float64(p.Job))
	if p.FalseBound, err = cheat.FalseBound(margin, deterrence.Share(o.loses)); err != nil {
		return p, usageError("%w", err)
	}
	const planted = deterrence.Certain / 100 // known bad, of 2 % planted
	if p.Auditor, err = deterrence.Diligence(p.Job*3/10, planted); err != nil {
		return p, err
	}
	for _, part := range []deterrence.Share{deterrence.Certain, deterrence.Certain / 5, deterrence.Certain / 20} {
		f := found{Part: part}
		if f.Jobs, err = cheat.Jobs(part, 990_000_000); err != nil {
			return p, usageError("%w", err)
		}
		if f.Audits, err = cheat.Audits(part, 990_000_000); err != nil {
			return p, usageError("%w", err)
		}
		p.Found = append(p.Found, f)
	}
	for _, n := range []int{1, 3, 21, 61} {
		c := committee{Members: n}
		if c.Majority, err = deterrence.Majority(n, deterrence.Share(o.adversary)); err != nil {
			return p, usageError("%w", err)
		}
		if c.NoneHonest, err = deterrence.NoneHonest(n, deterrence.Share(o.adversary)); err != nil {
			return p, usageError("%w", err)
		}
		p.Committees = append(p.Committees, c)
	}
	p.Simulated, p.Deviation = simulate.Breakeven(cheat, 1, 20_000, o.seed)
	market := o.market(p)
	if err := market.Validate(); err != nil {
		return p, usageError("%w", err)
	}
	p.Market = simulate.Run(market, simulate.Strategies())
	return p, nil
}

// cheat is what there is to gain, with the plan's first lines.
func (o *planOptions) cheat(p *auditPlan) (deterrence.Cheat, error) {
	price, err := credit.Parse(o.price)
	if err != nil {
		return deterrence.Cheat{}, usageError("--price: %w", err)
	}
	const most = 1 << 31 // tokens, and ucredit for a million of them
	if price > most || o.tokens > most || o.jobs > most {
		return deterrence.Cheat{}, usageError("--price, --tokens and --jobs: at most %d each", most)
	}
	p.Job = (price*o.tokens + 999_999) / 1_000_000
	p.Gain = uint64(math.Round(o.saving.fraction() * float64(p.Job)))
	p.Released, err = deterrence.Released(o.jobs, int64(o.verdict.Seconds()), int64(o.window.Seconds()))
	if err != nil {
		return deterrence.Cheat{}, usageError("--verdict and --window: %w", err)
	}
	c := deterrence.Cheat{Gain: p.Gain, Audit: deterrence.Share(o.rate), Detection: deterrence.Share(o.detection), Released: p.Released}
	if err := c.Validate(); err != nil {
		return c, usageError("nothing to plan: %w", err)
	}
	return c, nil
}

// market is the simulation with the recommended stake.
func (o *planOptions) market(p auditPlan) simulate.Config {
	c := simulate.Default()
	c.Providers, c.Days, c.JobsADay, c.Price, c.Seed = o.providers, o.days, float64(o.jobs), float64(p.Job), o.seed
	c.Saving, c.Margin, c.Detection, c.Colluding = o.saving.fraction(), o.margin.fraction(), o.detection.fraction(), o.adversary.fraction()
	c.Bond, c.Rate = float64(p.Bond), simulate.Falling(o.rate.fraction())
	c.Window, c.Verdict = o.window.Hours()/24, o.verdict.Hours()/24
	c.Lazy = min(c.Lazy, 1-c.Colluding)
	if o.exact {
		c.Class, c.False = simulate.Exact, 0
	}
	return c
}

func (o *planOptions) print(w io.Writer, p auditPlan) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("an answer", "costs %s; cheating saves %s of it", credit.Dollars(p.Job), credit.Dollars(p.Gain))
	row("paid out before a verdict", "%d answers", p.Released)
	row("stake, by formula", "more than %s makes cheating lose: g·(1/(p·d) + D)", credit.Dollars(p.Stake-1))
	row("stake, by simulation", "%s ± %s (seed %d)", simulate.Dollars(p.Simulated), simulate.Dollars(p.Deviation), p.Seed)
	row("recommended", "%s, three times that", credit.Dollars(p.Bond))
	row("answers unsettled at once", "at most %d with that: S·p·d/(3g)", p.Unsettled)
	row("an audit may accuse the honest", "less than %s of the time", inPercent(p.FalseBound+1))
	row("stake of an auditor", "%s, with 1%% of audits known bad", credit.Dollars(p.Auditor))
	for _, f := range p.Found {
		row("found 99 times of 100", "cheating at %s: within %d audits, %d answers", inPercent(f.Part), f.Audits, f.Jobs)
	}
	for _, c := range p.Committees {
		row(fmt.Sprintf("committee of %d", c.Members), "%.2g is the adversary's majority, %.2g has nobody honest",
			float64(c.Majority)/float64(deterrence.Always), float64(c.NoneHonest)/float64(deterrence.Always))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%d providers for %d days with a stake of %s; %s of the auditors are the cheats'\n",
		o.providers, o.days, credit.Dollars(p.Bond), inPercent(deterrence.Share(o.adversary)))
	return simulate.Print(w, p.Market)
}
