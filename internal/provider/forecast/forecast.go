// Package forecast reckons what serving a model costs, what to ask for it, and
// what it may earn. These are estimates for an owner to decide by: the numbers
// that money moves by are the ledger's. Amounts are in ucredit, prices for
// 1,000,000 tokens.
package forecast

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/koinon/koinon/receipt"
)

// Speed is what an engine does, all answers of its slots together.
type Speed struct {
	Prefill float64 `json:"prefill_tokens_per_second"` // tokens of prompts
	Decode  float64 `json:"decode_tokens_per_second"`  // tokens of answers
}

// Power is what a machine draws while it serves, and what that costs.
type Power struct {
	Watts uint64 `json:"watts"`
	Price uint64 `json:"ucredit_per_kwh"`
}

// million is how many tokens prices are for.
const million = 1_000_000

// bps is the whole, in basis points.
const bps = 10_000

// perSecond is what the power costs, in ucredit.
func (p Power) perSecond() float64 {
	return float64(p.Watts) / 1000 * float64(p.Price) / 3600
}

// BreakEven is the price at which a machine that does nothing else earns the
// power it draws, if share basis points of what is paid are the provider's. It
// is at least 1 and rounded up.
func BreakEven(s Speed, p Power, share uint32) receipt.Price {
	of := func(rate float64) uint64 {
		price := math.Ceil(million * p.perSecond() / rate * bps / float64(max(1, share)))
		return uint64(max(1, min(price, 1<<53)))
	}
	price := receipt.Price{Input: of(s.Prefill), Output: of(s.Decode)}
	price.CachedInput = price.Input
	return price
}

// Market is the median of what others ask; false if nobody does. Of an even
// number it is the lower one.
func Market(offers []receipt.Price) (receipt.Price, bool) {
	if len(offers) == 0 {
		return receipt.Price{}, false
	}
	median := func(of func(receipt.Price) uint64) uint64 {
		list := make([]uint64, len(offers))
		for i, o := range offers {
			list[i] = of(o)
		}
		slices.Sort(list)
		return list[(len(list)-1)/2]
	}
	price := receipt.Price{
		Input:  median(func(p receipt.Price) uint64 { return p.Input }),
		Output: median(func(p receipt.Price) uint64 { return p.Output }),
	}
	price.CachedInput = min(price.Input, median(func(p receipt.Price) uint64 { return p.CachedInput }))
	return price, true
}

// Ways to find a price.
const (
	Auto        = "auto"
	AtMarket    = "market"
	AtBreakEven = "break-even"
)

// margin is how many times its break-even a provider asks where nobody else has
// a price to go by.
const margin = 2

// ErrPricing is the refusal of [Propose].
var ErrPricing = errors.New("the price cannot be proposed")

// Propose is the price of one of the ways, and why it is that: auto is the
// market's, but never below break-even, and twice that where there is no market.
// Refusal: [ErrPricing].
func Propose(way string, even receipt.Price, offers []receipt.Price) (receipt.Price, string, error) {
	market, known := Market(offers)
	switch way {
	case AtBreakEven:
		return even, "what the power costs", nil
	case AtMarket:
		if !known {
			return receipt.Price{}, "", fmt.Errorf("%w: nobody offers this version or one like it: use auto, break-even, or prices of your own", ErrPricing)
		}
		return market, "the market's median", nil
	case Auto:
	default:
		return receipt.Price{}, "", fmt.Errorf("%w: the price is %s, %s or %s, not %q", ErrPricing, Auto, AtMarket, AtBreakEven, way)
	}
	if !known {
		return receipt.Price{Input: margin * even.Input, CachedInput: margin * even.CachedInput, Output: margin * even.Output},
			"twice what the power costs, as nobody else offers this version or one like it", nil
	}
	price := receipt.Price{Input: max(market.Input, even.Input), Output: max(market.Output, even.Output)}
	price.CachedInput = min(price.Input, max(market.CachedInput, even.CachedInput))
	if price == market {
		return price, "the market's median", nil
	}
	return price, "what the power costs, which is above the market's median", nil
}

// Demand is what the ledger shows of the buyers of a model version.
type Demand struct {
	// Paid was redeemed on the grants that the ledger still has, over Seconds.
	Paid    uint64 `json:"paid"`
	Seconds int64  `json:"seconds"`
	// Providers offer the version now, this one left out.
	Providers int `json:"providers"`
}

// PerDay is what buyers pay in a day.
func (d Demand) PerDay() uint64 {
	if d.Seconds <= 0 {
		return 0
	}
	return uint64(float64(d.Paid) / float64(d.Seconds) * day)
}

const day = 24 * 3600

// PromptShare is the assumption of how many prompt tokens come with one token of
// an answer.
const PromptShare = 3

// Outlook is what a day may bring at some share of the machine's time.
type Outlook struct {
	Label string  `json:"label"`
	Busy  float64 `json:"busy"` // 0 to 1
	// Answers is how many tokens of answers that is.
	Answers uint64 `json:"answer_tokens"`
	// Earned is the provider's part, Power what the power for it costs.
	Earned uint64 `json:"earned"`
	Power  uint64 `json:"power"`
}

// Net is what is left, in ucredit; it may be a loss.
func (o Outlook) Net() int64 { return int64(o.Earned) - int64(o.Power) }

// Days are the outlooks for a day: the demand that was seen, shared evenly with
// the others, and all of it; and the machine at work all day, which is the most.
func Days(s Speed, p Power, price receipt.Price, share uint32, d Demand) []Outlook {
	// Seconds that one token of an answer takes with its part of the prompt.
	each := 1/s.Decode + PromptShare/s.Prefill
	gross := (PromptShare*float64(price.Input) + float64(price.Output)) / million
	at := func(label string, busy float64) Outlook {
		busy = min(1, max(0, busy))
		tokens := busy * day / each
		return Outlook{
			Label: label, Busy: busy, Answers: uint64(tokens),
			Earned: uint64(tokens * gross * float64(share) / bps), Power: uint64(math.Ceil(busy * day * p.perSecond())),
		}
	}
	all := 0.0
	if gross > 0 {
		all = float64(d.PerDay()) / gross * each / day
	}
	list := []Outlook{
		at("an even share of the demand seen", all/float64(d.Providers+1)),
		at("all of the demand seen", all),
		at("at work all day", 1),
	}
	slices.SortStableFunc(list, func(a, b Outlook) int { return cmp.Compare(a.Busy, b.Busy) })
	return list
}
