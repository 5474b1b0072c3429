package gateway

import (
	"math"
	"net/http"
	"slices"

	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/openai"
	"github.com/koinon/koinon/internal/route"
)

// listModels serves GET /v1/models: each version that the ledger knows, under
// its bare name where that is what the name stands for.
func (g *Gateway) listModels(w http.ResponseWriter, _ *http.Request, _ store.Key) error {
	m := g.directory.current.Load()
	if m == nil {
		return openai.Unavailable("starting", g.config.Poll, "The gateway has not read the ledger yet. Please try again in a moment.")
	}
	list := openai.List[openai.Model]{Object: "list", Data: []openai.Model{}}
	for _, v := range m.versions {
		id := v.label()
		if m.bare(v.Name) == v {
			id = v.Name
		}
		list.Data = append(list.Data, g.describe(id, v))
	}
	return openai.WriteJSON(w, http.StatusOK, list)
}

// getModel serves GET /v1/models/{id}, by any of a model's names.
func (g *Gateway) getModel(w http.ResponseWriter, r *http.Request, _ store.Key) error {
	id := r.PathValue("id")
	v := g.directory.current.Load().find(id)
	if v == nil {
		return openai.NotFound("model_not_found", "model", "The model '%s' does not exist.", id)
	}
	return openai.WriteJSON(w, http.StatusOK, g.describe(id, v))
}

// describe is a version with its live providers and the cheapest price.
func (g *Gateway) describe(id string, v *version) openai.Model {
	model := openai.Model{
		ID: id, Object: "model", Created: v.CreatedAt, OwnedBy: v.Owner, ContextLength: v.ContextLength,
		Koinon: openai.ModelDetail{
			Name: v.Name, Version: v.Version.Version, Digest: v.Digest, Class: v.class, License: v.License,
			Architecture: v.Architecture, Parameters: v.Parameters, Quantization: v.Quantization,
			ContextLength: v.ContextLength, Providers: g.alive(v),
		},
	}
	now := g.now()
	for _, o := range v.offers {
		if !o.lane.Usable(now) {
			continue
		}
		if best := model.Koinon.AuditScore; o.audit != route.Unaudited && (best == nil || o.audit > *best) {
			model.Koinon.AuditScore = &o.audit
		}
		p := openai.Price(o.price)
		if best := model.Koinon.Price; best == nil || p.Input+p.Output < best.Input+best.Output {
			model.Koinon.Price, model.Pricing = &p, p.PerToken()
		}
	}
	return model
}

// measured is what this gateway's own requests have seen of an offer, and what its
// provider last said of itself.
type measured struct {
	Provider string `json:"provider"`
	Model    string `json:"model"` // digest
	// Live says that the provider can be asked now.
	Live bool `json:"live"`
	// FirstToken is in milliseconds, Rate in tokens a second of one answer; both are
	// 0 while unknown.
	FirstToken int64   `json:"first_token_ms"`
	Rate       float64 `json:"tokens_per_second"`
	Load       *load   `json:"load,omitempty"` // nothing if it has been silent
}

// load is what a provider's heartbeat says.
type load struct {
	Active uint32  `json:"active"`            // requests that run
	Queue  uint32  `json:"queue"`             // requests that wait
	Rate   float64 `json:"tokens_per_second"` // of one stream; 0 if it does not say
	Paused bool    `json:"paused"`
}

func loadOf(r *route.Report) *load {
	if r == nil {
		return nil
	}
	return &load{r.Active, r.Queue, tenths(r.Rate), r.Paused}
}

func tenths(x float64) float64 { return math.Round(10*x) / 10 }

// showMeasured serves GET /measured, of which nobody's requests can be told: of all
// offers, or with ?provider=ADDRESS, which may be repeated, of some providers'.
func (g *Gateway) showMeasured(w http.ResponseWriter, r *http.Request) {
	list, now, wanted := []measured{}, g.now(), r.URL.Query()["provider"]
	if m := g.directory.current.Load(); m != nil {
		for _, v := range m.versions {
			for _, o := range v.offers {
				if len(list) == maxMeasured {
					break
				}
				if wanted != nil && !slices.Contains(wanted, o.provider) {
					continue
				}
				list = append(list, measured{o.provider, v.Digest, o.lane.Usable(now), o.lane.TTFT().Milliseconds(), tenths(o.lane.Rate()), loadOf(o.lane.Provider.Heard(now))})
			}
		}
	}
	_ = openai.WriteJSON(w, http.StatusOK, map[string]any{"measured": list}) // who asked may have left
}

// maxMeasured bounds an answer that anybody may ask for.
const maxMeasured = 10_000
