package pool

import (
	errorsmod "cosmossdk.io/errors"

	"github.com/koinon/koinon/internal/ledger/refusal"
	"github.com/koinon/koinon/internal/mechanism/pool"
)

// Refusals, by which clients tell them apart.
var (
	ErrNoPool    = errorsmod.Register(ModuleName, 2, "there is no such pool")
	ErrDenom     = errorsmod.Register(ModuleName, 3, "a pool is of ukoin or of a model's shares, share/…")
	ErrAuthority = errorsmod.Register(ModuleName, 4, "only governance may do this")
	ErrBooks     = errorsmod.Register(ModuleName, 5, "pools do not add up to what the module holds")
)

// firstRule is the code of the first of rules; the order must not change, as
// codes are part of the protocol: add at the end.
const firstRule = 16

var rules = []error{
	pool.ErrParams, pool.ErrTooSmall, pool.ErrTooLarge, pool.ErrEmpty, pool.ErrTooMuch, pool.ErrLimit, pool.ErrMove,
}

func init() {
	for i, rule := range rules {
		refusal.Register(ModuleName, firstRule+uint32(i), rule)
	}
}
