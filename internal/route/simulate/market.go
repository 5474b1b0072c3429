// Package simulate lets many gateways route to many providers, with the router
// that ships, in a world where providers fail, lie about their load and cut each
// other's prices, and compares them with a scheduler that sees everything.
//
// Time is simulated, so that a minute of a large network takes what its choices
// take. The same seed gives the same numbers.
package simulate

import (
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/koinon/koinon/internal/route"
	"github.com/koinon/koinon/receipt"
)

// Config is a world.
type Config struct {
	Gateways, Providers int
	// Seconds is how long requests come.
	Seconds float64
	// Load is the share of all true slots that the requests take.
	Load float64
	// Liars is the share of providers that offer four times the slots they have
	// and say that nothing waits; Flaky that of those who fail one request in
	// four; Mortal that of those who disappear for a third of the time.
	Liars, Flaky, Mortal float64
	Seed                 uint64
}

// Policy is how a provider is chosen.
type Policy string

// The policies that are compared.
const (
	// Router is the router as it ships.
	Router Policy = "router"
	// Best is the router without its two choices: the very best score.
	Best Policy = "best"
	// Random takes any provider.
	Random Policy = "random"
	// Central is one scheduler for all gateways that sees every queue and speed
	// as it is, and who lies.
	Central Policy = "central"
)

// provider is a machine as it truly is.
type provider struct {
	slots    int
	rate     float64 // tokens a second of one answer
	price    float64 // of the market's, with its wars
	list     float64 // without them
	offered  int     // slots, as it says
	liar     bool
	failing  float64 // share of requests
	deadFrom float64 // seconds; until deadTo
	deadTo   float64

	promised int     // requests that the central scheduler has sent
	told     float64 // when it last said how it is
	saidFull bool
	active   int
	queue    []*request
	busy     float64 // slot-seconds served
}

func (p *provider) dead(now float64) bool { return now >= p.deadFrom && now < p.deadTo }

// world is one run.
type world struct {
	Config
	policy    Policy
	random    *rand.Rand
	clients   *rand.Rand // apart, so that every policy has the same requests
	providers []*provider
	gateways  []*gateway
	events    events
	now       float64
	done      []*request
}

// gateway is what one gateway knows.
type gateway struct {
	lanes []*route.Lane
	index *route.Index
	waits route.Waits
}

// newWorld makes the same market for every policy.
func newWorld(c Config, policy Policy) *world {
	w := &world{Config: c, policy: policy, random: rand.New(rand.NewPCG(c.Seed, 1)), clients: rand.New(rand.NewPCG(c.Seed, 2))}
	for range c.Providers {
		p := &provider{
			slots: 1 << w.random.IntN(4), rate: 30 * math.Exp(0.4*w.random.NormFloat64()),
			list: math.Exp(0.35 * w.random.NormFloat64()), deadFrom: math.Inf(1),
		}
		p.offered, p.price = p.slots, p.list
		if w.random.Float64() < c.Liars {
			p.liar, p.offered = true, 4*p.slots
			p.list *= 0.8 // lies are cheap
			p.price = p.list
		}
		if w.random.Float64() < c.Flaky {
			p.failing = 0.25
		}
		if w.random.Float64() < c.Mortal {
			p.deadFrom = w.random.Float64() * c.Seconds
			p.deadTo = p.deadFrom + c.Seconds/3
		}
		w.providers = append(w.providers, p)
	}
	for range c.Gateways {
		g := &gateway{}
		if policy == Router || policy == Best {
			for i := range w.providers {
				known := &route.Provider{Address: strconv.Itoa(i)}
				known.SetReach(route.Live)
				g.lanes = append(g.lanes, route.NewLane(known))
			}
		}
		w.gateways = append(w.gateways, g)
	}
	return w
}

// offers are what the ledger says, as one gateway sees it.
func (w *world) offers(g *gateway) []route.Offer {
	offers := make([]route.Offer, len(w.providers))
	for i, p := range w.providers {
		offers[i] = route.Offer{Lane: g.lanes[i], Price: p.ask(), Slots: uint32(p.offered), Audit: route.Unaudited}
	}
	return offers
}

// ask is a provider's price, about 0.5 and 2 dollars for a million tokens.
func (p *provider) ask() receipt.Price {
	in := uint64(500_000 * p.price)
	return receipt.Price{Input: in, CachedInput: in, Output: 4 * in}
}

// war lets one provider in ten undercut its own price by two fifths, or ends that.
func (w *world) war(on bool) {
	for i, p := range w.providers {
		p.price = p.list
		if on && i%10 == 3 {
			p.price *= 0.6
		}
	}
}
