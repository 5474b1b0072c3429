package offering

import (
	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
	"github.com/koinon/koinon/internal/mechanism/curve"
	"github.com/koinon/koinon/internal/mechanism/offering"
)

// The stored forms and the mechanism's are the same facts in other types.

func termsOf(t offeringv1.Terms) offering.Terms {
	terms := offering.Terms{
		Price: t.Price, RaiseBps: t.RaiseBps, Shares: t.Shares, SoftCap: t.SoftCap, Deadline: t.Deadline, Lapse: t.Lapse,
	}
	switch {
	case t.Linear != nil:
		terms.Curve = curve.Linear{Base: t.Linear.Base, Slope: t.Linear.Slope, Most: t.Shares}
	case t.Product != nil:
		terms.Curve = curve.Product{Virtual: t.Product.Virtual, Total: t.Product.Total, Most: t.Shares}
	}
	for _, m := range t.Milestones {
		terms.Milestones = append(terms.Milestones, offering.Milestone{Bps: m.Bps, Proof: offering.Proof(m.Proof), Digest: m.Digest, Benchmark: m.Benchmark, Score: m.Score})
	}
	return terms
}

func saleOf(o offeringv1.Offering) offering.Sale {
	return offering.Sale{
		Status: offering.Status(o.Status), Sold: o.Sold, Reserve: o.Reserve,
		Raised: o.Raised, Held: o.Held, Contributed: o.Contributed, Done: o.Done,
	}
}

// withSale is an offering after what its sale has become.
func withSale(o offeringv1.Offering, s offering.Sale) offeringv1.Offering {
	o.Status, o.Sold, o.Reserve = offeringv1.Status(s.Status), s.Sold, s.Reserve
	o.Raised, o.Held, o.Contributed, o.Done = s.Raised, s.Held, s.Contributed, s.Done
	return o
}
