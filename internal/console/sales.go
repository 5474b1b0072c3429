package console

import (
	"context"
	"fmt"
	"strings"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/mechanism/curve"
	"github.com/koinon/koinon/internal/web"
)

// Sales implements [web.Ledger].
func (s standing) Sales(ctx context.Context, model string) ([]web.Sale, error) {
	found, err := s.ledger.Offerings(ctx, model)
	if err != nil {
		return nil, err
	}
	list := make([]web.Sale, len(found))
	for i, o := range found {
		t := o.Terms
		list[i] = web.Sale{ID: o.Id, Model: t.Model, Status: word(o.Status, "STATUS_"), Shares: t.Shares, Sold: o.Sold, Raised: o.Raised,
			SoftCap: t.SoftCap, Deadline: t.Deadline, Price: t.Price}
		if c := priced(t); c != nil {
			list[i].Curve = drawn(c)
			list[i].Price = price(c, o.Sold, max(1, t.Shares/1000))
		}
		for j, m := range t.Milestones {
			list[i].Milestones = append(list[i].Milestones, web.Milestone{Title: m.Title, Bps: m.Bps, Proof: word(m.Proof, "PROOF_"), Done: j < len(o.Done) && o.Done[j]})
		}
	}
	return newest(list), nil
}

// priced is an offering's curve; nil for a fixed price.
func priced(t offeringv1.Terms) curve.Curve {
	switch {
	case t.Linear != nil:
		return curve.Linear{Base: t.Linear.Base, Slope: t.Linear.Slope, Most: t.Shares}
	case t.Product != nil:
		return curve.Product{Virtual: t.Product.Virtual, Total: t.Product.Total, Most: t.Shares}
	}
	return nil
}

// points is how many a curve is drawn through.
const points = 48

// drawn is the price of each of so many parts of a curve's supply.
func drawn(c curve.Curve) []web.Point {
	list := []web.Point{}
	step := max(1, c.Supply()/points)
	for sold := uint64(0); sold <= c.Supply()-step; sold += step {
		list = append(list, web.Point{Sold: sold, Price: price(c, sold, step)})
	}
	return list
}

// price is what a million of the next shares of a curve cost, in ucredit, measured
// over so many. The last shares' is that of the end.
func price(c curve.Curve, sold, step uint64) uint64 {
	cost, err := curve.Buy(c, min(sold, c.Supply()-step), step)
	if err != nil || cost > 1<<43 {
		return 0
	}
	return cost * curve.Million / step
}

// Ballots implements [web.Ledger].
func (s standing) Ballots(ctx context.Context, model string) ([]web.Ballot, error) {
	found, err := s.ledger.Proposals(ctx, model)
	if err != nil {
		return nil, err
	}
	list := make([]web.Ballot, len(found))
	for i, p := range found {
		list[i] = web.Ballot{ID: p.Id, Model: p.Model, Title: p.Title, Status: word(p.Status, "STATUS_"), Does: does(p.Action), Closes: p.ClosesAt, Why: p.Why,
			Open: p.Status == assemblyv1.Status_STATUS_VOTING}
		if len(p.Houses) > 0 {
			h := p.Houses[0] // the shareholders'
			list[i].Yes, list[i].No, list[i].Abstain, list[i].Total = h.Yes, h.No, h.Abstain, h.Total
		}
	}
	return newest(list), nil
}

// does says what a proposal brings about.
func does(a assemblyv1.Action) string {
	most := func(price uint64) string {
		if price == 0 {
			return "any price"
		}
		return "at most " + credit.Dollars(price)
	}
	switch {
	case a.GetLatest() != nil:
		return "the name stands for " + a.GetLatest().Digest
	case a.GetCeiling() != nil:
		c := a.GetCeiling()
		return fmt.Sprintf("a million tokens may cost %s of prompts, %s of answers", most(c.InputPrice), most(c.OutputPrice))
	case a.GetRevenue() != nil:
		return "the earnings of " + a.GetRevenue().Digest + " are split anew"
	case a.GetConduct() != nil:
		return "how the model behaves: " + strings.Join(append(a.GetConduct().Filters, a.GetConduct().SystemPrompt), "; ")
	case a.GetDataset() != nil && a.GetDataset().Allowed:
		return "it learns from " + a.GetDataset().Digest
	case a.GetDataset() != nil:
		return "it does not learn from " + a.GetDataset().Digest
	case a.GetRetraining() != nil:
		return "a new version is trained from " + a.GetRetraining().Base
	case a.GetSpending() != nil:
		p := a.GetSpending()
		return fmt.Sprintf("the treasury pays %s to %s", amount(p.Amount, p.Denom), p.To)
	case a.GetMilestone() != nil:
		return fmt.Sprintf("offering %d pays out milestone %d", a.GetMilestone().Offering, a.GetMilestone().Milestone)
	case a.GetCharter() != nil:
		c := a.GetCharter()
		return fmt.Sprintf("shareholders decide with a quorum of %d and a majority of %d basis points", c.QuorumBps, c.ThresholdBps)
	}
	return ""
}

func amount(units uint64, denom string) string {
	switch denom {
	case credit.Denom:
		return credit.Dollars(units)
	case credit.KoinDenom:
		return credit.Koin(units)
	}
	return fmt.Sprintf("%d %s", units, denom)
}

// Proposals implements [web.Ledger].
func (s standing) Proposals(ctx context.Context) ([]web.Ballot, error) {
	found, err := s.ledger.Motions(ctx)
	list := make([]web.Ballot, len(found))
	for i, m := range found {
		list[i] = web.Ballot{ID: m.ID, Title: m.Title, Status: m.Status, Does: strings.Join(m.Kinds, ", "), Yes: m.Yes, No: m.No + m.Veto, Abstain: m.Abstain,
			Total: m.Total, Closes: m.Closes, Why: m.Why, Open: m.Open}
	}
	return list, err
}
