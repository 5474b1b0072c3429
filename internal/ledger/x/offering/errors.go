package offering

import (
	errorsmod "cosmossdk.io/errors"

	"github.com/koinon/koinon/internal/ledger/refusal"
	"github.com/koinon/koinon/internal/mechanism/curve"
	"github.com/koinon/koinon/internal/mechanism/offering"
)

// Refusals, by which clients tell them apart.
var (
	ErrNotFound = errorsmod.Register(ModuleName, 2, "there is no such offering")
	ErrField    = errorsmod.Register(ModuleName, 3, "field missing or out of range")
	ErrProof    = errorsmod.Register(ModuleName, 4, "the milestone is not proved")
	ErrModel    = errorsmod.Register(ModuleName, 5, "the offering is of another model")
	ErrBooks    = errorsmod.Register(ModuleName, 6, "offerings do not add up to what the module holds")
	ErrMember   = errorsmod.Register(ModuleName, 7, "only members of the council evaluate")
	ErrGoverned = errorsmod.Register(ModuleName, 8, "only governance may do this")
)

// firstRule is the code of the first of rules; the order must not change, as
// codes are part of the protocol: add at the end.
const firstRule = 16

var rules = []error{
	offering.ErrTerms, offering.ErrClosed, offering.ErrNotOpen, offering.ErrTooSmall, offering.ErrNoCurve,
	offering.ErrReleased, offering.ErrNothing,
	curve.ErrCurve, curve.ErrSupply, curve.ErrTooLarge, curve.ErrNotSold,
	offering.ErrCouncil,
}

func init() {
	for i, rule := range rules {
		refusal.Register(ModuleName, firstRule+uint32(i), rule)
	}
}
