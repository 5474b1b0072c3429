package escrow

import (
	errorsmod "cosmossdk.io/errors"

	"github.com/koinon/koinon/internal/ledger/refusal"
	"github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/internal/mechanism/split"
	"github.com/koinon/koinon/receipt"
)

// Refusals of the ledger itself.
var (
	ErrNotFound  = errorsmod.Register(ModuleName, 2, "not found")
	ErrAuthority = errorsmod.Register(ModuleName, 3, "only governance may do this")
	ErrRecipient = errorsmod.Register(ModuleName, 4, "a module's account cannot be given credit")
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
	escrow.ErrWithdrawnAlready, escrow.ErrBatch, escrow.ErrUnknownGrant, escrow.ErrReference, escrow.ErrReplayed,
	escrow.ErrDestination, escrow.ErrNotOwed, escrow.ErrBacking, escrow.ErrNotBacked, escrow.ErrBacked,
	escrow.ErrExposure,
}

// Every rule's refusal has a code, so that clients can tell it.
func init() {
	for i, rule := range rules {
		refusal.Register(ModuleName, firstRule+uint32(i), rule)
	}
}
