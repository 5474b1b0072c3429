package indexer

import (
	"context"
	"database/sql"
)

// VersionRow is a model version with what its offers and payments come to.
type VersionRow struct {
	Digest       string `json:"digest"`
	Name         string `json:"name"`
	Version      string `json:"version"`
	Owner        string `json:"owner"`
	Status       string `json:"status"`
	Class        string `json:"class"`
	License      string `json:"license"`
	Architecture string `json:"architecture"`
	Quantization string `json:"quantization"`
	Parameters   uint64 `json:"parameters"`
	Size         uint64 `json:"size"`    // bytes
	Context      uint32 `json:"context"` // tokens
	At           int64  `json:"at"`      // Unix seconds
	Providers    int    `json:"providers"`
	// Input and Output are the least prices asked by active providers, in
	// ucredit for a million tokens.
	Input  uint64 `json:"input"`
	Output uint64 `json:"output"`
	Paid   uint64 `json:"paid"`   // ucredit, in all
	Lately uint64 `json:"lately"` // of it, in the last thirty days
}

func scanVersion(r *sql.Rows, v *VersionRow) error {
	return r.Scan(&v.Digest, &v.Name, &v.Version, &v.Owner, &v.Status, &v.Class, &v.License, &v.Architecture, &v.Quantization,
		&v.Parameters, &v.Size, &v.Context, &v.At, &v.Providers, &v.Input, &v.Output, &v.Paid, &v.Lately)
}

const selectVersion = `SELECT v.digest, v.name, v.version, v.owner, v.status, v.class, v.license, v.architecture, v.quantization, v.parameters, v.size, v.context, v.at, v.providers,
	COALESCE((SELECT input FROM offers WHERE model = v.digest AND active = 1 ORDER BY input LIMIT 1), 0),
	COALESCE((SELECT output FROM offers WHERE model = v.digest AND active = 1 ORDER BY output LIMIT 1), 0), v.paid, v.lately FROM versions v `

// Versions lists model versions, the best paid lately first: those after the version
// of a digest or, for an empty one, from the first.
func (x *Index) Versions(ctx context.Context, after string, limit int) ([]VersionRow, error) {
	return list(ctx, x, scanVersion, selectVersion+beyond(after, `WHERE (v.lately, v.paid, v.at, v.digest) < (SELECT lately, paid, at, digest FROM versions WHERE digest = ?1) `)+
		`ORDER BY v.lately DESC, v.paid DESC, v.at DESC, v.digest DESC LIMIT ?2`, after, limit)
}

// Version returns one version by its digest, "sha256:…".
func (x *Index) Version(ctx context.Context, digest string) (VersionRow, error) {
	return one(ctx, x, scanVersion, selectVersion+`WHERE v.digest = ?`, digest)
}

// Relatives of a version.
type Relatives struct {
	Parents  []VersionRow `json:"parents"`
	Children []VersionRow `json:"children"`
	Tags     []string     `json:"tags"`
}

const maxRelatives = 50

// Relatives returns what a version comes from, what comes from it, and the tags
// that point to it.
func (x *Index) Relatives(ctx context.Context, digest string) (r Relatives, err error) {
	if r.Parents, err = list(ctx, x, scanVersion, selectVersion+`WHERE v.digest IN (SELECT parent FROM lineage WHERE version = ?) ORDER BY v.name, v.at LIMIT ?`, digest, maxRelatives); err != nil {
		return r, err
	}
	if r.Children, err = list(ctx, x, scanVersion, selectVersion+`WHERE v.digest IN (SELECT version FROM lineage WHERE parent = ?) ORDER BY v.name, v.at LIMIT ?`, digest, maxRelatives); err != nil {
		return r, err
	}
	r.Tags, err = column(ctx, x.reader, `SELECT tag FROM tags WHERE version = ? ORDER BY tag`, digest)
	return r, err
}

// ProviderRow is a provider with its record. Amounts of KOIN are in ukoin.
type ProviderRow struct {
	Address     string `json:"address"`
	Moniker     string `json:"moniker"`
	Region      string `json:"region,omitempty"`
	Status      string `json:"status"`
	Bond        uint64 `json:"bond"`
	Slashed     uint64 `json:"slashed"`
	JailedUntil int64  `json:"jailed_until,omitempty"`
	Tombstoned  bool   `json:"tombstoned,omitempty"`
	At          int64  `json:"at"`
	Offers      int    `json:"offers"`
	Earned      uint64 `json:"earned"` // ucredit, the provider's own part
	Audits      int    `json:"audits"` // answered challenges and reported purchases
	Passed      int    `json:"passed"` // of them
}

func scanProvider(r *sql.Rows, p *ProviderRow) error {
	return r.Scan(&p.Address, &p.Moniker, &p.Region, &p.Status, &p.Bond, &p.Slashed, &p.JailedUntil, &p.Tombstoned, &p.At, &p.Offers, &p.Earned, &p.Audits, &p.Passed)
}

const selectProvider = `SELECT p.address, p.moniker, p.region, p.status, p.bond, p.slashed, p.jailed_until, p.tombstoned, p.at,
	p.offers, p.earned, p.audits, p.passed FROM providers p `

// Providers lists providers by their bond, the largest first: those after the
// provider of an address or, for an empty one, from the first.
func (x *Index) Providers(ctx context.Context, after string, limit int) ([]ProviderRow, error) {
	return list(ctx, x, scanProvider, selectProvider+beyond(after, `WHERE (p.bond, p.address) < (SELECT bond, address FROM providers WHERE address = ?1) `)+
		`ORDER BY p.bond DESC, p.address DESC LIMIT ?2`, after, limit)
}

// beyond is the condition of a list that goes on after a row, and none for one from
// the first row: in one condition for both, SQLite would walk all rows before.
func beyond(after, condition string) string {
	if after == "" {
		return ""
	}
	return condition
}

// Provider returns one provider.
func (x *Index) Provider(ctx context.Context, address string) (ProviderRow, error) {
	return one(ctx, x, scanProvider, selectProvider+`WHERE p.address = ?`, address)
}

// OfferRow is a price at which a provider serves a version; in ucredit for a
// million tokens.
type OfferRow struct {
	Provider string `json:"provider"`
	Moniker  string `json:"moniker"`
	Status   string `json:"status"`
	Model    string `json:"model"`
	Name     string `json:"name"`
	Input    uint64 `json:"input"`
	Cached   uint64 `json:"cached"`
	Output   uint64 `json:"output"`
	Audits   int    `json:"audits"`
	Passed   int    `json:"passed"`
}

func scanOffer(r *sql.Rows, o *OfferRow) error {
	return r.Scan(&o.Provider, &o.Moniker, &o.Status, &o.Model, &o.Name, &o.Input, &o.Cached, &o.Output, &o.Audits, &o.Passed)
}

// Offers lists the offers for a version or, where that is empty, of a provider, the
// cheapest first.
func (x *Index) Offers(ctx context.Context, model, provider string, limit int) ([]OfferRow, error) {
	of, subject := "o.model", model
	if model == "" {
		of, subject = "o.provider", provider
	}
	return list(ctx, x, scanOffer, `SELECT o.provider, p.moniker, p.status, o.model, COALESCE(v.name || '@' || v.version, ''), o.input, o.cached, o.output, p.audits, p.passed
		FROM offers o JOIN providers p ON p.address = o.provider LEFT JOIN versions v ON v.digest = o.model
		WHERE `+of+` = ? ORDER BY o.output, o.input, o.provider LIMIT ?`, subject, limit)
}

// AuditRow is what an audit or a challenge of a provider found.
type AuditRow struct {
	At      int64  `json:"at"`
	Kind    string `json:"kind"`
	Model   string `json:"model,omitempty"`
	Outcome string `json:"outcome"`
}

// Audits lists a provider's audits, newest first.
func (x *Index) Audits(ctx context.Context, provider string, limit int) ([]AuditRow, error) {
	return list(ctx, x, func(r *sql.Rows, a *AuditRow) error { return r.Scan(&a.At, &a.Kind, &a.Model, &a.Outcome) },
		`SELECT at, kind, model, outcome FROM audits WHERE provider = ? ORDER BY at DESC, id DESC LIMIT ?`, provider, limit)
}

// CaseRow is a case before the court.
type CaseRow struct {
	ID       uint64 `json:"id"`
	Provider string `json:"provider"`
	Accuser  string `json:"accuser"`
	State    string `json:"state"`
	Outcome  string `json:"outcome,omitempty"`
	Opened   int64  `json:"opened"`
	Closed   int64  `json:"closed,omitempty"`
}

// Cases lists the cases against a provider, or all for an empty one, newest first.
func (x *Index) Cases(ctx context.Context, provider string, limit int) ([]CaseRow, error) {
	return list(ctx, x, func(r *sql.Rows, c *CaseRow) error {
		return r.Scan(&c.ID, &c.Provider, &c.Accuser, &c.State, &c.Outcome, &c.Opened, &c.Closed)
	}, `SELECT id, provider, accuser, state, outcome, opened, closed FROM cases WHERE ? IN ('', provider) ORDER BY id DESC LIMIT ?`, provider, limit)
}

// ConvictionRow is what was proven of somebody. The fine is in ukoin.
type ConvictionRow struct {
	Convict   string `json:"convict"`
	Offence   string `json:"offence"`
	Finder    string `json:"finder"`
	Victim    string `json:"victim,omitempty"`
	Fine      uint64 `json:"fine"`
	Forfeited uint64 `json:"forfeited"`
	At        int64  `json:"at"`
}

// Convictions lists what was proven of an account, or of all for an empty one,
// newest first.
func (x *Index) Convictions(ctx context.Context, convict string, limit int) ([]ConvictionRow, error) {
	return list(ctx, x, func(r *sql.Rows, c *ConvictionRow) error {
		return r.Scan(&c.Convict, &c.Offence, &c.Finder, &c.Victim, &c.Fine, &c.Forfeited, &c.At)
	}, `SELECT convict, offence, finder, victim, fine, forfeited, at FROM convictions WHERE ? IN ('', convict) ORDER BY at DESC, reference LIMIT ?`, convict, limit)
}

// Name is what people call a provider or a model version, or "".
func (x *Index) Name(ctx context.Context, subject string) (name string) {
	// A name that cannot be read is not shown.
	_ = x.reader.QueryRowContext(ctx, `SELECT moniker FROM providers WHERE address = ?
		UNION ALL SELECT name || '@' || version FROM versions WHERE digest = ? LIMIT 1`, subject, subject).Scan(&name)
	return name
}
