package web

import (
	"net/http"
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
	versions, err := s.config.Index.Versions(r.Context(), r.URL.Query().Get("after"), rows(r)+1)
	next := ""
	if len(versions) > rows(r) {
		versions = versions[:rows(r)]
		next = withQuery("/models", []string{"after", versions[len(versions)-1].Digest})
	}
	return page{Title: "Models", Section: "models", Template: "models", Rows: versions, Data: struct {
		Versions []indexer.VersionRow
		Next     string
	}{versions, next}}, err
}

// month is how far back charts go.
const month = 30 * 24 * time.Hour

func (s *Site) model(r *http.Request) (page, error) {
	ctx, digest := r.Context(), r.PathValue("digest")
	v, err := s.config.Index.Version(ctx, digest)
	if err != nil {
		return page{}, err
	}
	offers, err := s.config.Index.Offers(ctx, digest, "", rows(r))
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
		Access          access
		Owned           owned
		Now             time.Time
	}{Version: v, Relatives: relatives, Offers: offers, Paid: paid, Royalties: royalties, Now: s.now()}
	if data.Access, err = s.access(r, v); err != nil {
		return page{}, err
	}
	data.Owned, err = s.owned(r, v.Name)
	return page{Title: v.Name + "@" + v.Version, Section: "models", Template: "model", Rows: offers, Data: data}, err
}

// access is who may call a version.
type access struct {
	Gated bool
	Plans []Plan
}

func (s *Site) access(r *http.Request, v indexer.VersionRow) (a access, err error) {
	if a.Gated, err = s.config.Ledger.Gated(r.Context(), v.Digest); err != nil || !a.Gated {
		return a, err
	}
	a.Plans, err = s.config.Ledger.Plans(r.Context(), v.Name)
	return a, err
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
	list, err := s.config.Index.Providers(r.Context(), r.URL.Query().Get("after"), rows(r)+1)
	next := ""
	if len(list) > rows(r) {
		list = list[:rows(r)]
		next = withQuery("/providers", []string{"after", list[len(list)-1].Address})
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
	if data.Offers, err = x.Offers(ctx, "", address, rows(r)); err != nil {
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
