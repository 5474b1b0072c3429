package beacon

import (
	errorsmod "cosmossdk.io/errors"

	"github.com/koinon/koinon/internal/ledger/refusal"
	"github.com/koinon/koinon/internal/mechanism/beacon"
)

// Refusals, by which clients tell them apart.
var (
	ErrAuthority = errorsmod.Register(ModuleName, 2, "only governance may do this")
	ErrHeight    = errorsmod.Register(ModuleName, 3, "no randomness is kept for this height")
	ErrProof     = errorsmod.Register(ModuleName, 4, "not the validator's proof for this round")
	ErrRecord    = errorsmod.Register(ModuleName, 5, "the block does not begin with a valid record of votes")
	ErrParams    = refusal.Register(ModuleName, 6, beacon.ErrParams)
)
