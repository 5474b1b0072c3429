package web

import (
	"math/bits"
	"net/http"
	"time"

	"github.com/koinon/koinon/internal/indexer"
)

// economy shows the figures by which a network is judged.
func (s *Site) economy(r *http.Request) (page, error) {
	ctx, since := r.Context(), s.now().Add(-month).Unix()
	x := s.config.Index
	totals, err := x.Totals(ctx, since)
	if err != nil {
		return page{}, err
	}
	fees, err := x.FeesByModel(ctx, since)
	if err != nil {
		return page{}, err
	}
	roles, err := x.PaidByRole(ctx, "", since)
	if err != nil {
		return page{}, err
	}
	issuers, err := s.config.Ledger.Issuers(ctx)
	if err != nil {
		return page{}, err
	}
	capital, err := s.config.Ledger.Capital(ctx, totals.Backing)
	if err != nil {
		return page{}, err
	}
	convictions, err := x.Convictions(ctx, "", 20)
	if err != nil {
		return page{}, err
	}
	versions, err := x.Versions(ctx, "", 20)
	if err != nil {
		return page{}, err
	}
	hosted, err := readHosted(s.config.Hosted)
	if err != nil {
		s.config.Log.Warn("the table of hosted APIs cannot be read", "error", err)
	}
	return page{Title: "Economy", Section: "economy", Template: "economy", Rows: fees, Data: struct {
		Totals      indexer.Totals
		Capital     Capital
		Earned      uint64 // by a KOIN of bond in a year, ucredit
		Fees, Roles []indexer.DayRow
		Issuers     []Issuer
		Convictions []indexer.ConvictionRow
		Prices      []Price
		Hosted      string // the file, for whoever may edit it
		Now         time.Time
	}{totals, capital, yearly(roles, totals, s.now()), fees, roles, issuers, convictions, compared(versions, hosted), s.config.Hosted, s.now()}}, nil
}

// yearly is what a KOIN of active providers' bonds earns in a year, in ucredit, at
// the pace of the last thirty days or of as many as the ledger has.
func yearly(roles []indexer.DayRow, t indexer.Totals, now time.Time) uint64 {
	const day, year = 86400, 365
	var earned uint64
	for _, r := range roles {
		if r.Of == "provider" {
			earned += r.Amount
		}
	}
	days := uint64(min(30, max(1, (now.Unix()-t.Began)/day)))
	high, low := bits.Mul64(earned*year/days, 1_000_000)
	if high >= t.Backing {
		return 0 // no bond, or next to none
	}
	each, _ := bits.Div64(high, low, t.Backing)
	return each
}
