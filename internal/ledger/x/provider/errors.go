package provider

import (
	errorsmod "cosmossdk.io/errors"

	"github.com/koinon/koinon/internal/ledger/refusal"
	"github.com/koinon/koinon/internal/mechanism/bond"
)

// Refusals, by which clients tell them apart.
var (
	ErrNotFound   = errorsmod.Register(ModuleName, 2, "provider not found")
	ErrRegistered = errorsmod.Register(ModuleName, 3, "provider is registered already")
	ErrKeyTaken   = errorsmod.Register(ModuleName, 4, "public key belongs to another provider")
	ErrField      = errorsmod.Register(ModuleName, 5, "field missing or out of range")
	ErrJailed     = errorsmod.Register(ModuleName, 6, "provider is jailed")
	ErrNoOffer    = errorsmod.Register(ModuleName, 7, "no such offer")
	ErrTooMany    = errorsmod.Register(ModuleName, 8, "too many offers")
	ErrAuthority  = errorsmod.Register(ModuleName, 9, "only governance may do this")
	ErrStranger   = errorsmod.Register(ModuleName, 16, "not on this network's whitelist")
	ErrNotJailed  = errorsmod.Register(ModuleName, 17, "provider is not in jail")
	ErrStillIn    = errorsmod.Register(ModuleName, 18, "time in jail is not over")
	ErrTombstoned = errorsmod.Register(ModuleName, 19, "provider was convicted of fraud too often to sell again")
	ErrNotSold    = errorsmod.Register(ModuleName, 20, "only versions that are listed or deprecated can be offered")
	ErrParams     = refusal.Register(ModuleName, 10, bond.ErrParams)
	ErrZeroAmount = refusal.Register(ModuleName, 11, bond.ErrZeroAmount)
	ErrOverflow   = refusal.Register(ModuleName, 12, bond.ErrOverflow)
	ErrTooLittle  = refusal.Register(ModuleName, 13, bond.ErrTooLittle)
	ErrTooMuch    = refusal.Register(ModuleName, 14, bond.ErrTooMuch)
	ErrOffersOpen = refusal.Register(ModuleName, 15, bond.ErrOffersOpen)
)
