package pin

import (
	errorsmod "cosmossdk.io/errors"

	"github.com/koinon/koinon/internal/ledger/refusal"
	"github.com/koinon/koinon/internal/mechanism/possession"
)

// Refusals, by which clients tell them apart.
var (
	ErrNotFound  = errorsmod.Register(ModuleName, 2, "there is no such pin, or it has ended")
	ErrField     = errorsmod.Register(ModuleName, 3, "field missing or out of range")
	ErrNotHeld   = errorsmod.Register(ModuleName, 4, "the account does not hold the pin, or no longer")
	ErrHeld      = errorsmod.Register(ModuleName, 5, "the account holds the pin already")
	ErrTaken     = errorsmod.Register(ModuleName, 6, "all copies are taken, or the time to accept is over")
	ErrOwner     = errorsmod.Register(ModuleName, 7, "only who opened the pin may do this")
	ErrAuthority = errorsmod.Register(ModuleName, 8, "only governance may do this")
	ErrBooks     = errorsmod.Register(ModuleName, 9, "pins do not add up to what the module holds")
)

// firstRule is the code of the first of rules; the order must not change, as
// codes are part of the protocol: add at the end.
const firstRule = 16

var rules = []error{possession.ErrTerms, possession.ErrOver, possession.ErrEpoch, possession.ErrAnswer, possession.ErrBytes}

func init() {
	for i, rule := range rules {
		refusal.Register(ModuleName, firstRule+uint32(i), rule)
	}
}
