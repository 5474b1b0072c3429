package share

import (
	errorsmod "cosmossdk.io/errors"

	"github.com/koinon/koinon/internal/ledger/refusal"
	"github.com/koinon/koinon/internal/mechanism/buyout"
	"github.com/koinon/koinon/internal/mechanism/share"
)

// Refusals, by which clients tell them apart.
var (
	ErrNoShares   = errorsmod.Register(ModuleName, 2, "the model has no shares")
	ErrIssued     = errorsmod.Register(ModuleName, 3, "the model has shares already")
	ErrNotOwner   = errorsmod.Register(ModuleName, 4, "only the model's owner issues its shares")
	ErrAllocation = errorsmod.Register(ModuleName, 5, "invalid allocation of shares")
	ErrTooFew     = errorsmod.Register(ModuleName, 6, "the account has fewer shares that may move")
	ErrReserve    = errorsmod.Register(ModuleName, 7, "not so many shares are reserved for this contribution")
	ErrNoVesting  = errorsmod.Register(ModuleName, 8, "no such vesting schedule")
	ErrNotVested  = errorsmod.Register(ModuleName, 9, "nothing more has vested yet")
	ErrBooks      = errorsmod.Register(ModuleName, 10, "shares do not add up")
	ErrNoBid      = errorsmod.Register(ModuleName, 11, "there is no such bid that you can tender to, or it has ended")
)

// firstRule is the code of the first of rules; the order must not change, as
// codes are part of the protocol: add at the end.
const firstRule = 32

var rules = []error{share.ErrNothing, share.ErrVesting, share.ErrLock, share.ErrLocked,
	buyout.ErrTerms, buyout.ErrClosed, buyout.ErrBought, buyout.ErrFull, buyout.ErrFew}

func init() {
	for i, rule := range rules {
		refusal.Register(ModuleName, firstRule+uint32(i), rule)
	}
}
