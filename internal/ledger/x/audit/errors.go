package audit

import (
	errorsmod "cosmossdk.io/errors"

	"github.com/koinon/koinon/internal/ledger/refusal"
	"github.com/koinon/koinon/internal/mechanism/bond"
	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/internal/mechanism/eprocess"
	"github.com/koinon/koinon/internal/mechanism/penalty"
	"github.com/koinon/koinon/receipt"
)

// Refusals, by which clients tell them apart.
var (
	ErrNotFound   = errorsmod.Register(ModuleName, 2, "not found")
	ErrAuthority  = errorsmod.Register(ModuleName, 3, "only governance may do this")
	ErrField      = errorsmod.Register(ModuleName, 4, "field missing or out of range")
	ErrRegistered = errorsmod.Register(ModuleName, 5, "auditor is registered already")
	ErrJailed     = errorsmod.Register(ModuleName, 6, "auditor is jailed")
	ErrNotJailed  = errorsmod.Register(ModuleName, 7, "auditor is not in jail")
	ErrStillIn    = errorsmod.Register(ModuleName, 8, "time in jail is not over")
	ErrTombstoned = errorsmod.Register(ModuleName, 9, "auditor was convicted of fraud too often to sit again")
	ErrSeated     = errorsmod.Register(ModuleName, 10, "a party of an open case keeps its bond: wait until it is closed")
	ErrReceipt    = errorsmod.Register(ModuleName, 11, "not a receipt that can be judged here")
	ErrDisputed   = errorsmod.Register(ModuleName, 12, "there is a case about this receipt already")
	ErrConvicted  = errorsmod.Register(ModuleName, 13, "this was punished already")
	ErrPlanter    = errorsmod.Register(ModuleName, 14, "only a bonded auditor whom governance named plants cases")
	ErrPlant      = errorsmod.Register(ModuleName, 15, "the case was not planted so")
	ErrEpoch      = errorsmod.Register(ModuleName, 16, "not an audit of this epoch or of the one before")
	ErrNotDrawn   = errorsmod.Register(ModuleName, 17, "the epoch's randomness did not draw this audit")
	ErrReported   = errorsmod.Register(ModuleName, 18, "that audit was reported already")
	ErrBudget     = errorsmod.Register(ModuleName, 19, "the epoch's budget for mystery audits is spent")
	ErrGame       = errorsmod.Register(ModuleName, 20, "no such move can be made")
	ErrBooks      = errorsmod.Register(ModuleName, 21, "the module does not hold what it owes")
)

// firstRule is the code of the first of rules; later ones follow. The order must
// not change, as codes are part of the protocol: add at the end.
const firstRule = 32

var rules = []error{
	court.ErrState, court.ErrNotYours, court.ErrTwice, court.ErrLate, court.ErrEarly, court.ErrVote, court.ErrCommitment,
	court.ErrOpening, court.ErrFiling, court.ErrParams, penalty.ErrParams, penalty.ErrOffence, eprocess.ErrProfile,
	receipt.ErrNoEquivocation, receipt.ErrNotOverCounted, receipt.ErrCount, receipt.ErrDecode,
	bond.ErrZeroAmount, bond.ErrOverflow, bond.ErrTooLittle, bond.ErrTooMuch,
}

// Every rule's refusal has a code, so that clients can tell it.
func init() {
	for i, rule := range rules {
		refusal.Register(ModuleName, firstRule+uint32(i), rule)
	}
}
