package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/koinon/koinon/internal/indexer"
)

// playground asks a model from the browser; what it shows is made there.
func (s *Site) playground(*http.Request) (page, error) {
	return page{Title: "Playground", Section: "playground", Template: "playground"}, nil
}

// front is the first page: the playground, or without a gateway the owner's own
// page or the models.
func (s *Site) front(r *http.Request) (page, error) {
	switch {
	case !s.config.Alone:
		return s.playground(r)
	case s.config.Own != nil && local(r):
		return s.own(r)
	}
	return s.models(r)
}

func (s *Site) models(r *http.Request) (page, error) {
	versions, err := s.config.Index.Versions(r.Context(), indexer.MaxPage)
	return page{Title: "Models", Section: "models", Template: "models", Rows: versions, Data: struct {
		Versions []indexer.VersionRow
		Now      time.Time
	}{versions, s.now()}}, err
}

// month is how far back charts go.
const month = 30 * 24 * time.Hour

func (s *Site) model(r *http.Request) (page, error) {
	ctx, digest := r.Context(), r.PathValue("digest")
	v, err := s.config.Index.Version(ctx, digest)
	if err != nil {
		return page{}, err
	}
	offers, err := s.config.Index.Offers(ctx, digest, "")
	if err != nil {
		return page{}, err
	}
	relatives, err := s.config.Index.Relatives(ctx, digest)
	if err != nil {
		return page{}, err
	}
	paid, err := s.config.Index.PaidByRole(ctx, digest, s.now().Add(-month).Unix())
	if err != nil {
		return page{}, err
	}
	royalties, err := s.config.Index.Royalties(ctx, v.Name, s.now().Add(-month).Unix())
	if err != nil {
		return page{}, err
	}
	data := struct {
		Version         indexer.VersionRow
		Relatives       indexer.Relatives
		Offers          []indexer.OfferRow
		Paid, Royalties []indexer.DayRow
		Owned           owned
		Now             time.Time
	}{Version: v, Relatives: relatives, Offers: offers, Paid: paid, Royalties: royalties, Now: s.now()}
	data.Owned, err = s.owned(r, v.Name)
	return page{Title: v.Name + "@" + v.Version, Section: "models", Template: "model", Rows: offers, Data: data}, err
}

// owned is who owns a model, what of it is for sale, and what its owners vote on.
type owned struct {
	Shares  Shares
	Sales   []Sale
	Ballots []Ballot
}

func (s *Site) owned(r *http.Request, model string) (o owned, err error) {
	if o.Shares, err = s.config.Ledger.Shares(r.Context(), model); err != nil || o.Shares.Supply == 0 {
		return o, err
	}
	if o.Sales, err = s.config.Ledger.Sales(r.Context(), model); err != nil {
		return o, err
	}
	o.Ballots, err = s.config.Ledger.Ballots(r.Context(), model)
	return o, err
}

func (s *Site) providers(r *http.Request) (page, error) {
	after, err := strconv.Atoi(r.URL.Query().Get("after"))
	if err != nil || after < 0 {
		after = 0
	}
	list, err := s.config.Index.Providers(r.Context(), after, perPage+1)
	next := ""
	if len(list) > perPage {
		list, next = list[:perPage], "/providers?after="+strconv.Itoa(after+perPage)
	}
	return page{Title: "Providers", Section: "providers", Template: "providers", Rows: list, Data: struct {
		Providers []indexer.ProviderRow
		Next      string
		Now       time.Time
	}{list, next, s.now()}}, err
}

func (s *Site) provider(r *http.Request) (page, error) {
	ctx, address := r.Context(), r.PathValue("address")
	x := s.config.Index
	p, err := x.Provider(ctx, address)
	if err != nil {
		return page{}, err
	}
	data := struct {
		Provider    indexer.ProviderRow
		Offers      []indexer.OfferRow
		Audits      []indexer.AuditRow
		Cases       []indexer.CaseRow
		Convictions []indexer.ConvictionRow
		Earned      []indexer.DayRow
		Lines       []line
		Now         time.Time
	}{Provider: p, Now: s.now()}
	if data.Offers, err = x.Offers(ctx, "", address); err != nil {
		return page{}, err
	}
	if data.Audits, err = x.Audits(ctx, address, 12); err != nil {
		return page{}, err
	}
	if data.Cases, err = x.Cases(ctx, address, perPage); err != nil {
		return page{}, err
	}
	if data.Convictions, err = x.Convictions(ctx, address, perPage); err != nil {
		return page{}, err
	}
	if data.Earned, err = x.Earned(ctx, address, s.now().Add(-month).Unix()); err != nil {
		return page{}, err
	}
	txs, err := x.TxsOf(ctx, address, indexer.Page{Limit: 12})
	data.Lines = s.lines(r, txs)
	return page{Title: p.Moniker, Section: "providers", Template: "provider", Rows: data.Offers, Data: data}, err
}

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
	convictions, err := x.Convictions(ctx, "", 20)
	if err != nil {
		return page{}, err
	}
	versions, err := x.Versions(ctx, 20)
	if err != nil {
		return page{}, err
	}
	hosted, err := readHosted(s.config.Hosted)
	if err != nil {
		s.config.Log.Warn("the table of hosted APIs cannot be read", "error", err)
	}
	return page{Title: "Economy", Section: "economy", Template: "economy", Rows: fees, Data: struct {
		Totals      indexer.Totals
		Fees, Roles []indexer.DayRow
		Issuers     []Issuer
		Convictions []indexer.ConvictionRow
		Prices      []Price
		Hosted      string // the file, for whoever may edit it
		Now         time.Time
	}{totals, fees, roles, issuers, convictions, compared(versions, hosted), s.config.Hosted, s.now()}}, nil
}
