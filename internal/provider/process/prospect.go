package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/machine"
	"github.com/koinon/koinon/internal/provider"
	"github.com/koinon/koinon/internal/provider/forecast"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/receipt"
)

// defaultPowerCost is assumed where the owner does not say, in ucredit for a kWh.
const defaultPowerCost = 200_000

// leastDemand is the least time that demand is taken to have come in, in seconds:
// a few minutes are not multiplied to a day.
const leastDemand = 24 * 3600

// Prospect is what serving a model on this machine costs and may bring. Amounts
// are in ucredit.
type Prospect struct {
	Machine   machine.Machine    `json:"machine"`
	Model     string             `json:"model"` // name@version
	Digest    receipt.Digest     `json:"digest"`
	Slots     int                `json:"slots"`
	Speed     forecast.Speed     `json:"speed"`
	Power     forecast.Power     `json:"power"`
	Guessed   bool               `json:"watts_guessed"`
	BreakEven receipt.Price      `json:"break_even"`
	Market    *receipt.Price     `json:"market,omitempty"` // nil if there is none
	Offers    int                `json:"offers"`           // that the market is made of
	Similar   bool               `json:"similar"`          // they are of versions of this size, not of this one
	Price     receipt.Price      `json:"price"`
	Why       string             `json:"why"`
	ShareBps  uint32             `json:"share_bps"` // of what is paid
	Demand    forecast.Demand    `json:"demand"`
	Days      []forecast.Outlook `json:"days"`
}

// prospect measures the engine, looks at the market, and reckons.
func prospect(ctx context.Context, c Config, ledger *client.Client, self string, model provider.Model, e provider.Engine) (Prospect, error) {
	p := Prospect{Machine: machine.This(), Model: model.Name + "@" + model.Version, Digest: model.Digest, Slots: c.Slots}
	p.Guessed = c.PowerWatts == 0
	p.Power = forecast.Power{Watts: cmp.Or(c.PowerWatts, p.Machine.Watts()), Price: cmp.Or(c.PowerCost, defaultPowerCost)}
	var err error
	if p.Speed, err = speedOf(ctx, c, model.Digest, e); err != nil {
		return p, err
	}
	policy, err := policyOf(ctx, ledger, model.Digest, c.Policy)
	if err != nil {
		return p, err
	}
	p.ShareBps = policy.ProviderBps
	p.BreakEven = forecast.BreakEven(p.Speed, p.Power, p.ShareBps)
	prices, err := p.lookAround(ctx, ledger, self, model)
	if err != nil {
		return p, err
	}
	if market, known := forecast.Market(prices); known {
		p.Market, p.Offers = &market, len(prices)
	}
	p.Price, p.Why = c.Price, "the owner's"
	if c.Pricing != "" {
		if p.Price, p.Why, err = forecast.Propose(c.Pricing, p.BreakEven, prices); err != nil {
			return p, err
		}
	}
	p.Days = forecast.Days(p.Speed, p.Power, p.Price, p.ShareBps, p.Demand)
	return p, nil
}

// policyOf is how a version's revenue is split, or will be once it is registered.
func policyOf(ctx context.Context, ledger *client.Client, digest receipt.Digest, otherwise modelv1.Policy) (modelv1.Policy, error) {
	if ledger == nil {
		return otherwise, nil
	}
	v, err := ledger.Version(ctx, digest.String())
	if errors.Is(err, client.ErrNotFound) {
		return otherwise, nil
	}
	return v.Policy, err
}

// lookAround reads from the ledger what others ask for the version, or else for
// versions of its size, and what buyers paid for it.
func (p *Prospect) lookAround(ctx context.Context, ledger *client.Client, self string, model provider.Model) ([]receipt.Price, error) {
	if ledger == nil {
		return nil, nil
	}
	versions, err := ledger.Versions(ctx, "")
	if err != nil {
		return nil, err
	}
	offers, err := ledger.Offers(ctx, "", "")
	if err != nil {
		return nil, err
	}
	providers, err := ledger.Providers(ctx)
	if err != nil {
		return nil, err
	}
	grants, err := ledger.Grants(ctx, "", "")
	if err != nil {
		return nil, err
	}
	serving := map[string]bool{}
	for _, o := range providers {
		serving[o.Address] = o.Status == providerv1.Status_STATUS_ACTIVE && o.Address != self
	}
	parameters := map[string]uint64{}
	for _, v := range versions {
		parameters[v.Digest] = v.Parameters
	}
	var same, similar []receipt.Price
	for _, o := range offers {
		switch size := parameters[o.ModelDigest]; {
		case !serving[o.Provider]:
		case o.ModelDigest == model.Digest.String():
			same = append(same, inference.PriceOf(&o))
		case size >= model.Parameters/2 && size <= 2*model.Parameters:
			similar = append(similar, inference.PriceOf(&o))
		}
	}
	p.Demand.Providers = len(same)
	began := time.Now().Unix()
	for _, g := range grants {
		if g.Grant.ModelDigest == model.Digest.String() {
			p.Demand.Paid += g.Redeemed * g.Grant.TicketValue
			began = min(began, g.ActivatedAt)
		}
	}
	p.Demand.Seconds = max(leastDemand, time.Now().Unix()-began)
	if len(same) == 0 {
		p.Similar = len(similar) > 0
		return similar, nil
	}
	return same, nil
}

// priced is what the provider asks: the owner's price, or one found as the
// configuration says.
func priced(ctx context.Context, c Config, ledger *client.Client, self string, model provider.Model, e provider.Engine, log *slog.Logger) (receipt.Price, error) {
	if c.Pricing == "" {
		return c.Price, nil
	}
	log.Info("measuring the engine's speed, which takes some seconds the first time", "slots", c.Slots, "threads", c.Threads)
	p, err := prospect(ctx, c, ledger, self, model, e)
	if err != nil {
		return receipt.Price{}, err
	}
	log.Info("measured", "prefill_tokens_per_second", int(p.Speed.Prefill), "decode_tokens_per_second", int(p.Speed.Decode),
		"watts", p.Power.Watts, "watts_guessed", p.Guessed, "kwh", credit.Dollars(p.Power.Price))
	log.Info("the price for a million tokens", "input", credit.Dollars(p.Price.Input), "output", credit.Dollars(p.Price.Output),
		"why", p.Why, "break_even", credit.Dollars(p.BreakEven.Output), "offers_seen", p.Offers)
	return p.Price, nil
}

// Forecast is the prospect of a configuration without joining: nothing is sent
// to the ledger, no account is made. Without a ledger it knows no market.
func Forecast(ctx context.Context, c Config, log *slog.Logger) (Prospect, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return Prospect{}, err
	}
	ledger, err := client.Dial(ctx, c.Ledger, "")
	if err != nil {
		log.Warn("no ledger answers: prices and demand of others are not known", "error", err)
	} else {
		defer ledger.Close()
	}
	version := func(path string, card weights.Card) (weights.Manifest, receipt.Digest, error) {
		m, err := weights.Describe(path, card)
		return m, m.Digest(), err
	}
	var g goods
	switch {
	case c.Upstream != "":
		g, err = external(ctx, c, version, log)
	case c.Weights != "":
		g, err = own(c, version)
	default:
		err = fmt.Errorf("%w: a forecast needs the GGUF file, or upstream", provider.ErrConfig)
	}
	if err != nil {
		return Prospect{}, err
	}
	if g.close != nil {
		defer g.close()
	}
	log.Info("measuring the engine's speed, which takes some seconds", "slots", c.Slots, "threads", c.Threads)
	self := ""
	if file := accountFile(c); exists(file) { // its own offer is no market
		key, err := client.LoadKey(file, "provider")
		if err != nil {
			return Prospect{}, err
		}
		self = key.Address()
	}
	return prospect(ctx, c, ledger, self, g.model, g.engine)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
