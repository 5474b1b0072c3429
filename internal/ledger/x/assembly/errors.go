package assembly

import (
	errorsmod "cosmossdk.io/errors"

	"github.com/koinon/koinon/internal/ledger/refusal"
	"github.com/koinon/koinon/internal/mechanism/ballot"
)

// Refusals, by which clients tell them apart.
var (
	ErrNotFound  = errorsmod.Register(ModuleName, 2, "there is no such proposal")
	ErrField     = errorsmod.Register(ModuleName, 3, "field missing or out of range")
	ErrPower     = errorsmod.Register(ModuleName, 4, "too few shares to propose")
	ErrModel     = errorsmod.Register(ModuleName, 5, "the version is of another model")
	ErrCeiling   = errorsmod.Register(ModuleName, 6, "the price is above the model's ceiling")
	ErrBounds    = errorsmod.Register(ModuleName, 7, "a revenue policy within bounds is needed")
	ErrAuthority = errorsmod.Register(ModuleName, 8, "only governance may do this")
	ErrConduct   = errorsmod.Register(ModuleName, 10, "the version has another conduct")
	ErrBooks     = errorsmod.Register(ModuleName, 9, "votes do not add up to what proposals say")
)

// firstRule is the code of the first of rules; the order must not change, as
// codes are part of the protocol: add at the end.
const firstRule = 16

var rules = []error{ballot.ErrRules, ballot.ErrChoice, ballot.ErrNoWeight, ballot.ErrClosed}

func init() {
	for i, rule := range rules {
		refusal.Register(ModuleName, firstRule+uint32(i), rule)
	}
}
