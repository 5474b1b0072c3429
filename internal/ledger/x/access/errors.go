package access

import (
	errorsmod "cosmossdk.io/errors"

	"github.com/koinon/koinon/internal/ledger/refusal"
	"github.com/koinon/koinon/internal/mechanism/access"
)

// Refusals, by which clients tell them apart.
var (
	ErrNoToken    = errorsmod.Register(ModuleName, 2, "there is no such access token")
	ErrNoPlan     = errorsmod.Register(ModuleName, 3, "there is no such kind of access token")
	ErrOwner      = errorsmod.Register(ModuleName, 4, "only the owner may say who has access")
	ErrClosed     = errorsmod.Register(ModuleName, 5, "access tokens of this kind are no longer sold")
	ErrField      = errorsmod.Register(ModuleName, 6, "field missing or out of range")
	ErrCredential = errorsmod.Register(ModuleName, 7, "the credential does not admit its holder")
	ErrPresented  = errorsmod.Register(ModuleName, 8, "the holder has an access token for this credential, or a later one, already")
	ErrBooks      = errorsmod.Register(ModuleName, 9, "access tokens do not add up to what grants have set aside")
	ErrRevoked    = errorsmod.Register(ModuleName, 10, "the credential has been revoked")
)

// firstRule is the code of the first of rules; the order must not change, as
// codes are part of the protocol: add at the end.
const firstRule = 16

var rules = []error{
	access.ErrGated, access.ErrRight, access.ErrListed, access.ErrHolder, access.ErrScope, access.ErrEnded, access.ErrCalls,
	access.ErrUnbound, access.ErrFixed, access.ErrInUse, access.ErrTerms, access.ErrAccounts,
}

func init() {
	for i, rule := range rules {
		refusal.Register(ModuleName, firstRule+uint32(i), rule)
	}
}
