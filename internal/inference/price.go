package inference

import (
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/receipt"
)

// PriceOf is the price that an offer on the ledger asks.
func PriceOf(o *providerv1.Offer) receipt.Price {
	return receipt.Price{Input: o.InputPrice, CachedInput: o.CachedInputPrice, Output: o.OutputPrice}
}

// Bound is the price as the most that a request allows.
func Bound(p receipt.Price) *MaxPrice { return (*MaxPrice)(&p) }
