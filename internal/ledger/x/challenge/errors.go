package challenge

import (
	errorsmod "cosmossdk.io/errors"

	"github.com/koinon/koinon/internal/ledger/refusal"
	"github.com/koinon/koinon/internal/mechanism/challenge"
)

// Refusals, by which clients tell them apart.
var (
	ErrAuthority  = errorsmod.Register(ModuleName, 2, "only governance may do this")
	ErrNotFound   = errorsmod.Register(ModuleName, 3, "no such challenge, or the provider is not in it")
	ErrField      = errorsmod.Register(ModuleName, 4, "field missing or out of range")
	ErrBooks      = errorsmod.Register(ModuleName, 5, "challenges are not what their participants say")
	ErrStatement  = errorsmod.Register(ModuleName, 11, "the signature is not the provider's under its statement")
	ErrParams     = refusal.Register(ModuleName, 6, challenge.ErrParams)
	ErrStage      = refusal.Register(ModuleName, 7, challenge.ErrStage)
	ErrTwice      = refusal.Register(ModuleName, 8, challenge.ErrTwice)
	ErrCommitment = refusal.Register(ModuleName, 9, challenge.ErrCommitment)
	ErrAnswer     = refusal.Register(ModuleName, 10, challenge.ErrAnswer)
)
