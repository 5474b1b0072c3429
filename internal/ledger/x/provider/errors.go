package provider

import (
	"errors"
	"fmt"

	errorsmod "cosmossdk.io/errors"

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
	ErrParams     = errorsmod.Register(ModuleName, 10, bond.ErrParams.Error())
	ErrZeroAmount = errorsmod.Register(ModuleName, 11, bond.ErrZeroAmount.Error())
	ErrOverflow   = errorsmod.Register(ModuleName, 12, bond.ErrOverflow.Error())
	ErrTooLittle  = errorsmod.Register(ModuleName, 13, bond.ErrTooLittle.Error())
	ErrTooMuch    = errorsmod.Register(ModuleName, 14, bond.ErrTooMuch.Error())
	ErrOffersOpen = errorsmod.Register(ModuleName, 15, bond.ErrOffersOpen.Error())
)

// refusals pairs the mechanism's errors with the ledger's codes.
var refusals = []struct{ rule, code error }{
	{bond.ErrParams, ErrParams}, {bond.ErrZeroAmount, ErrZeroAmount}, {bond.ErrOverflow, ErrOverflow},
	{bond.ErrTooLittle, ErrTooLittle}, {bond.ErrTooMuch, ErrTooMuch}, {bond.ErrOffersOpen, ErrOffersOpen},
}

// coded gives a refusal of the mechanism its code.
func coded(err error) error {
	for _, r := range refusals {
		if errors.Is(err, r.rule) {
			return fmt.Errorf("%w (%s)", r.code, err)
		}
	}
	return err
}
