package curation

import (
	curationv1 "github.com/koinon/koinon/api/koinon/curation/v1"
	"github.com/koinon/koinon/internal/mechanism/curation"
)

// The stored forms and the mechanism's are the same facts in other types.

func paramsOf(p curationv1.Params) curation.Params {
	return curation.Params{TaxBps: p.TaxBps, Delay: p.DelaySeconds, MinSignal: p.MinSignal}
}

func listingOf(l curationv1.Listing) curation.Listing {
	return curation.Listing{
		Staked: l.Staked, Units: l.Units, Shares: l.Shares, Earned: curation.Index{Whole: l.EarnedWhole, Fraction: l.EarnedFraction},
		Held: l.Held, Stars: l.Stars, Weight: l.Weight,
	}
}

func storedListing(id string, l curation.Listing) curationv1.Listing {
	return curationv1.Listing{
		Id: id, Staked: l.Staked, Units: l.Units, Shares: l.Shares, EarnedWhole: l.Earned.Whole, EarnedFraction: l.Earned.Fraction,
		Held: l.Held, Stars: l.Stars, Weight: l.Weight,
	}
}

func positionOf(s curationv1.Signal) curation.Position {
	return curation.Position{Units: s.Units, Shares: s.Shares, Paid: curation.Index{Whole: s.PaidWhole, Fraction: s.PaidFraction}}
}

func storedPosition(curator, id string, p curation.Position) curationv1.Signal {
	return curationv1.Signal{
		Curator: curator, Listing: id, Units: p.Units, Shares: p.Shares, PaidWhole: p.Paid.Whole, PaidFraction: p.Paid.Fraction,
	}
}

// standing is a listing as people compare it.
func standing(id string, l curation.Listing) curationv1.Standing {
	return curationv1.Standing{Listing: id, Staked: l.Staked, Rating: curation.Mean(l), Weight: l.Weight}
}
