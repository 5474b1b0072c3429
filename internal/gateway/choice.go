package gateway

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/koinon/koinon/internal/openai"
	"github.com/koinon/koinon/internal/route"
)

// chance is the process's own randomness.
type chance struct{}

// Uint64 implements rand.Source.
func (chance) Uint64() uint64 { return rand.Uint64() }

// choose plans which providers the job is sent to, one after the other. The
// choices of one job go the same way: they share their prompt's cache.
func (g *Gateway) choose(j *job, model string) error {
	j.query.Now, j.query.Random, j.query.Affinity = g.now(), chance{}, g.affinity
	j.query.Prefixes = j.calls[0].prefixes
	j.plan = j.version.index.Plan(&j.query, make([]route.Choice, 0, route.MaxPlan))
	if len(j.plan) > 0 {
		return nil
	}
	if err := excluded(j, model); err != nil {
		return err
	}
	return openai.Unavailable("no_provider", g.retryAfter(j),
		"No provider of the model '%s' can be reached now. Please try again later.", model)
}

// excluded is the error for a request whose own controls leave nobody, or nil.
func excluded(j *job, model string) error {
	all := j.version.index.Explain(j.query.Controls)
	if len(all) == 0 {
		return nil
	}
	said := ""
	for i, e := range all {
		if e.Permits > 0 && all[0].Permits == 0 {
			break // the first alone is reason enough
		}
		if i > 0 {
			said += ", "
		}
		said += fmt.Sprintf("'provider.%s' permits %d", e.Control, e.Permits)
	}
	return openai.NotFound("no_provider_permitted", "provider."+all[0].Control,
		"No provider of the model '%s' that can be reached now meets the request's 'provider' object: of %d that offer it, %s. Please relax it.",
		model, j.version.index.Len(), said)
}

// retryAfter is when a place is likely to be free: judged by queues and speeds,
// or when providers are next probed.
func (g *Gateway) retryAfter(j *job) time.Duration {
	j.query.Now = g.now()
	wait, known := j.version.index.Wait(&j.query)
	if !known {
		return g.config.Probe
	}
	return max(wait, time.Millisecond) // which the header rounds up to a second
}

// offers are the job's plan.
func (j *job) offers() []*offer {
	offers := make([]*offer, len(j.plan))
	for i, at := range j.plan {
		offers[i] = &j.version.offers[at]
	}
	return offers
}
