package curation

import (
	errorsmod "cosmossdk.io/errors"

	"github.com/koinon/koinon/internal/ledger/refusal"
	"github.com/koinon/koinon/internal/mechanism/curation"
)

// Refusals, by which clients tell them apart.
var (
	ErrListing   = errorsmod.Register(ModuleName, 2, "a listing is model/sha256:…, provider/koinon1… or app/koinon1…")
	ErrAuthority = errorsmod.Register(ModuleName, 3, "only governance may do this")
	ErrBooks     = errorsmod.Register(ModuleName, 4, "signals do not add up to what the module holds")
)

// firstRule is the code of the first of rules; the order must not change, as
// codes are part of the protocol: add at the end.
const firstRule = 16

var rules = []error{
	curation.ErrParams, curation.ErrTooSmall, curation.ErrTooLarge, curation.ErrRuined, curation.ErrNoSignal,
	curation.ErrTooMuch, curation.ErrStars, curation.ErrNotPaid,
}

func init() {
	for i, rule := range rules {
		refusal.Register(ModuleName, firstRule+uint32(i), rule)
	}
}
