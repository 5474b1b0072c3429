package receipt

import (
	"errors"
	"fmt"
	"math/bits"
)

// Price is what tokens cost, in ucredit for 1,000,000.
type Price struct {
	Input uint64 `json:"input"`
	// CachedInput is the price of prompt tokens that the provider had computed
	// for the same payer before; it is at most Input.
	CachedInput uint64 `json:"cached_input" yaml:"cached_input"`
	Output      uint64 `json:"output"`
}

// Errors of prices.
var (
	// ErrCost is returned when a cost does not fit in 64 bits.
	ErrCost = errors.New("cost does not fit in 64 bits")
	// ErrCached is returned when more of a prompt is cached than there is.
	ErrCached = errors.New("more tokens are cached than the prompt has")
)

// perTokens is the number of tokens that a price is for.
const perTokens = 1_000_000

// Cost is the price of one request, in ucredit, rounded up to a whole one: in
// the provider's favour by less than a millionth of a dollar. Of the prompt's
// tokens, so many are cached.
func (p Price) Cost(prompt, cached, completion uint64) (uint64, error) {
	if cached > prompt {
		return 0, fmt.Errorf("%w: %d of %d", ErrCached, cached, prompt)
	}
	high, low, over := uint64(0), uint64(perTokens-1), uint64(0)
	for _, part := range [...]struct{ price, tokens uint64 }{
		{p.Input, prompt - cached}, {p.CachedInput, cached}, {p.Output, completion},
	} {
		partHigh, partLow := bits.Mul64(part.price, part.tokens)
		var carry uint64
		low, carry = bits.Add64(low, partLow, 0)
		high, carry = bits.Add64(high, partHigh, carry)
		over |= carry
	}
	if over != 0 || high >= perTokens {
		return 0, fmt.Errorf("%w: %d and %d tokens", ErrCost, prompt, completion)
	}
	cost, _ := bits.Div64(high, low, perTokens)
	return cost, nil
}
