package gateway

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/mechanism/registry"
	"github.com/koinon/koinon/internal/route"
	"github.com/koinon/koinon/receipt"
)

// offer is one provider's offer of a version, with where it can be reached.
type offer struct {
	provider string
	peer     Peer
	price    receipt.Price
	audit    float64 // audit record, as [route.Offer] has it
	lane     *route.Lane
}

// version is one model version and who offers it.
type version struct {
	modelv1.Version
	digest receipt.Digest
	class  string
	offers []offer
	index  *route.Index // of the offers, in their order
	gate   *gate        // nil if it is open
}

// label is the version's name in answers.
func (v *version) label() string { return v.Name + "@" + v.Version.Version }

// market is an immutable picture of what the ledger says. Requests read the
// newest one; only the poller asks the ledger.
type market struct {
	versions []*version            // newest first
	byName   map[string][]*version // likewise
	byDigest map[receipt.Digest]*version
	byTag    map[modelTag]*version
	keys     map[string]ed25519.PublicKey // of providers, by account address
}

// modelTag is a tag of a model.
type modelTag struct{ model, tag string }

// directory holds the newest market.
type directory struct {
	ledger  Ledger
	peers   *peerBook
	now     func() time.Time
	scores  scores
	log     *slog.Logger
	dear    map[providerv1.Offer]bool // that were left out; the poller's own
	current atomic.Pointer[market]
}

// poll reads the ledger once.
func (d *directory) poll(ctx context.Context) error {
	versions, err := d.ledger.Versions(ctx)
	if err != nil {
		return fmt.Errorf("reading model versions: %w", err)
	}
	tags, err := d.ledger.Tags(ctx)
	if err != nil {
		return fmt.Errorf("reading tags: %w", err)
	}
	providers, err := d.ledger.Providers(ctx)
	if err != nil {
		return fmt.Errorf("reading providers: %w", err)
	}
	offers, err := d.ledger.Offers(ctx)
	if err != nil {
		return fmt.Errorf("reading offers: %w", err)
	}
	access, err := d.ledger.Access(ctx)
	if err != nil {
		return fmt.Errorf("reading who has access: %w", err)
	}
	ceilings, err := d.ledger.Ceilings(ctx)
	if err != nil {
		return fmt.Errorf("reading what shareholders allow: %w", err)
	}
	selling := map[string]bool{}
	for _, o := range offers {
		selling[o.Provider] = true
	}
	d.scores.read(ctx, d.ledger, selling, d.now())
	m := d.market(versions, tags, providers, d.within(ceilings, versions, offers))
	m.close(access, d.ledger.Payer())
	d.current.Store(m)
	d.peers.keep(m)
	return nil
}

// within leaves out offers above what shareholders allow, whose grants the ledger
// would not activate, and says so once for each.
func (d *directory) within(ceilings []assemblyv1.ModelCeiling, versions []modelv1.Version, offers []providerv1.Offer) []providerv1.Offer {
	if len(ceilings) == 0 {
		d.dear = nil
		return offers
	}
	most, models := map[string]assemblyv1.Ceiling{}, map[string]string{}
	for _, c := range ceilings {
		most[c.Model] = c.Ceiling
	}
	for _, v := range versions {
		models[v.Digest] = v.Name
	}
	dear := map[providerv1.Offer]bool{}
	offers = slices.DeleteFunc(slices.Clone(offers), func(o providerv1.Offer) bool {
		model := models[o.ModelDigest]
		c := most[model]
		above := c.InputPrice > 0 && o.InputPrice > c.InputPrice || c.OutputPrice > 0 && o.OutputPrice > c.OutputPrice
		if above && !d.dear[o] {
			d.log.Warn("an offer is above what the model's shareholders allow: it is not chosen", "provider", o.Provider, "model", model,
				"input", credit.Dollars(o.InputPrice), "output", credit.Dollars(o.OutputPrice),
				"highest", c.String())
		}
		if above {
			dear[o] = true
		}
		return above
	})
	d.dear = dear
	return offers
}

// market joins versions, active providers and their offers. What does not fit
// together, such as an offer of an unknown version, is left out.
func (d *directory) market(versions []modelv1.Version, tags []modelv1.Tag, providers []providerv1.Provider, offers []providerv1.Offer) *market {
	m := newMarket(versions, tags)
	active := map[string]*providerv1.Provider{}
	for i, p := range providers {
		if p.Status == providerv1.Status_STATUS_ACTIVE && len(p.PublicKey) == ed25519.PublicKeySize {
			active[p.Address] = &providers[i]
		}
		m.keys[p.Address] = p.PublicKey
	}
	choices := map[*version][]route.Offer{}
	for _, o := range offers {
		digest, err := receipt.ParseDigest(o.ModelDigest)
		p, v := active[o.Provider], m.byDigest[digest]
		if err != nil || p == nil || v == nil {
			continue
		}
		lane, price := d.peers.lane(o.Provider, digest), inference.PriceOf(&o)
		v.offers = append(v.offers, offer{
			provider: o.Provider, peer: Peer{Key: p.PublicKey, Addrs: p.Addrs}, price: price, audit: d.scores.of(o.Provider), lane: lane,
		})
		choices[v] = append(choices[v], route.Offer{
			Lane: lane, Price: price, MaxContext: o.MaxContext, Slots: o.Slots, Region: p.Region, Audit: d.scores.of(o.Provider),
		})
	}
	for _, v := range m.versions {
		v.index = route.New(choices[v], d.now())
	}
	return m
}

// newMarket lists versions that nobody offers yet, without drafts and what was
// withdrawn.
func newMarket(versions []modelv1.Version, tags []modelv1.Tag) *market {
	m := &market{
		byName: map[string][]*version{}, byDigest: map[receipt.Digest]*version{}, byTag: map[modelTag]*version{},
		keys: map[string]ed25519.PublicKey{},
	}
	for _, v := range versions {
		digest, err := receipt.ParseDigest(v.Digest)
		if err != nil || v.Status == modelv1.Status_STATUS_DRAFT || v.Status == modelv1.Status_STATUS_WITHDRAWN {
			continue
		}
		class := receipt.Statistical
		if v.Class == modelv1.VerificationClass_VERIFICATION_CLASS_EXACT {
			class = receipt.Exact
		}
		known := &version{Version: v, digest: digest, class: class}
		m.versions = append(m.versions, known)
		m.byDigest[digest] = known
	}
	slices.SortFunc(m.versions, func(a, b *version) int {
		return cmp.Or(cmp.Compare(b.CreatedAt, a.CreatedAt), cmp.Compare(a.Name, b.Name), strings.Compare(a.Digest, b.Digest))
	})
	for _, v := range m.versions {
		m.byName[v.Name] = append(m.byName[v.Name], v)
	}
	for _, t := range tags {
		digest, err := receipt.ParseDigest(t.Digest)
		if v := m.byDigest[digest]; err == nil && v != nil {
			m.byTag[modelTag{t.Model, t.Tag}] = v
		}
	}
	return m
}

// find resolves a model's name as clients write it: name, name@version,
// name@sha256:…, name:tag or the digest alone, where a name may begin with a
// namespace, as @ada/bard. A bare name is the version that is tagged as the
// latest if anybody offers it, or else the newest that anybody offers, or else
// the newest; a pinned one is never another.
func (m *market) find(name string) *version {
	if m == nil {
		return nil
	}
	if digest, err := receipt.ParseDigest(name); err == nil {
		return m.byDigest[digest]
	}
	r := registry.ParseReference(name)
	switch {
	case r.Tag != "":
		return m.byTag[modelTag{r.Name, r.Tag}]
	case r.Pin == "":
		return m.bare(r.Name)
	}
	for _, v := range m.byName[r.Name] {
		if v.Version.Version == r.Pin || v.Digest == r.Pin {
			return v
		}
	}
	return nil
}

// bare is the version that a bare name stands for.
func (m *market) bare(name string) *version {
	latest := m.byTag[modelTag{name, registry.Latest}]
	if latest != nil && len(latest.offers) > 0 && latest.Status != modelv1.Status_STATUS_DEPRECATED {
		return latest
	}
	return preferred(m.byName[name])
}

// pick resolves the model of a request, whose controls may bound the version:
// then a bare name is the newest that they permit. Excluded names the control
// that the version does not meet.
func (m *market) pick(name string, c *route.Controls) (v *version, excluded string) {
	v = m.find(name)
	if v == nil || c == nil {
		return v, ""
	}
	excluded = c.PermitsVersion(v.class, v.Quantization)
	if excluded == "" || name != v.Name {
		return v, excluded
	}
	var permitted []*version
	for _, other := range m.byName[name] {
		if c.PermitsVersion(other.class, other.Quantization) == "" {
			permitted = append(permitted, other)
		}
	}
	if other := preferred(permitted); other != nil {
		return other, ""
	}
	return v, excluded
}

// preferred is the best of versions, the newest first: one that is offered and
// not deprecated, or else one that is offered, or else one that is not
// deprecated.
func preferred(versions []*version) *version {
	var best *version
	most := -1
	for _, v := range versions {
		worth := 0
		if len(v.offers) > 0 {
			worth = 2
		}
		if v.Status != modelv1.Status_STATUS_DEPRECATED {
			worth++
		}
		if worth > most {
			best, most = v, worth
		}
	}
	return best
}

// peers lists where a version's providers can be reached.
func (v *version) peers() []Peer {
	peers := make([]Peer, len(v.offers))
	for i, o := range v.offers {
		peers[i] = o.peer
	}
	return peers
}
