package escrow

import (
	"errors"
	"fmt"

	errorsmod "cosmossdk.io/errors"

	"github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/internal/mechanism/split"
	"github.com/koinon/koinon/receipt"
)

// Refusals of the ledger itself.
var (
	ErrNotFound  = errorsmod.Register(ModuleName, 2, "not found")
	ErrAuthority = errorsmod.Register(ModuleName, 3, "only governance may do this")
	ErrAddress   = errorsmod.Register(ModuleName, 4, "not an address that can hold credit")
)

// firstRule is the code of the first of rules; later ones follow. The order
// must not change, as codes are part of the protocol: add at the end.
const firstRule = 16

var rules = []error{
	escrow.ErrParams, escrow.ErrZeroAmount, escrow.ErrOverflow, escrow.ErrGrantKey, escrow.ErrNoGrantKey,
	escrow.ErrInsufficient, escrow.ErrWrongChain, escrow.ErrWrongProvider, escrow.ErrWrongPayer, escrow.ErrAlreadyActive,
	escrow.ErrGrantExpired, escrow.ErrGrantTooLong, escrow.ErrTooManyTickets, escrow.ErrGrantClosed, escrow.ErrNotExpired,
	escrow.ErrNothingToRedeem, escrow.ErrReceipts, escrow.ErrNotIssuer, escrow.ErrIssuerCap, escrow.ErrOverburn,
	escrow.ErrIssuerField, escrow.ErrFreeLimit,
	receipt.ErrGrantField, receipt.ErrGrantValue, receipt.ErrGrantOverflow, receipt.ErrGrantSignature, receipt.ErrKey,
	receipt.ErrDigest, receipt.ErrTicketIndex, receipt.ErrTicketOrder, receipt.ErrTicketChain, split.ErrSum,
}

// registered are the rules' errors as the SDK knows them, in the same order.
var registered = func() []*errorsmod.Error {
	var list []*errorsmod.Error
	for i, rule := range rules {
		list = append(list, errorsmod.Register(ModuleName, firstRule+uint32(i), rule.Error()))
	}
	return list
}()

// coded gives a refusal of the mechanism its code.
func coded(err error) error {
	for i, rule := range rules {
		if errors.Is(err, rule) {
			return fmt.Errorf("%w (%s)", registered[i], err)
		}
	}
	return err
}

// Rule returns the mechanism's error behind a code of this module's codespace,
// so that those who hear of a refusal over the network can tell it with
// errors.Is; nil if the code is not a rule's.
func Rule(code uint32) error {
	if code < firstRule || code >= firstRule+uint32(len(rules)) {
		return nil
	}
	return rules[code-firstRule]
}
