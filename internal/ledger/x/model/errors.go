package model

import (
	errorsmod "cosmossdk.io/errors"

	"github.com/koinon/koinon/internal/ledger/refusal"
	"github.com/koinon/koinon/internal/mechanism/lineage"
	"github.com/koinon/koinon/internal/mechanism/registry"
)

// Refusals, by which clients tell them apart.
var (
	ErrNotFound       = errorsmod.Register(ModuleName, 2, "model version not found")
	ErrDigestTaken    = errorsmod.Register(ModuleName, 3, "this digest is registered already")
	ErrVersionTaken   = errorsmod.Register(ModuleName, 4, "this version of the model is registered already")
	ErrNameTaken      = errorsmod.Register(ModuleName, 5, "the name belongs to another account")
	ErrField          = errorsmod.Register(ModuleName, 6, "field missing or out of range")
	ErrPolicy         = errorsmod.Register(ModuleName, 7, "invalid revenue policy")
	ErrNoModel        = errorsmod.Register(ModuleName, 8, "no such model")
	ErrNoNamespace    = errorsmod.Register(ModuleName, 9, "no such namespace")
	ErrNamespaceTaken = errorsmod.Register(ModuleName, 10, "this namespace is registered already")
	ErrParent         = errorsmod.Register(ModuleName, 11, "a parent must be listed or deprecated")
	ErrTag            = errorsmod.Register(ModuleName, 12, "a tag points to a version of its model that is listed or deprecated")
	ErrVoted          = errorsmod.Register(ModuleName, 13, "shareholders decide what is latest, as they did before")
)

// firstRule is the code of the first of rules; the order must not change, as
// codes are part of the protocol: add at the end.
const firstRule = 32

var rules = []error{
	lineage.ErrParents, lineage.ErrDepth, lineage.ErrDebts, lineage.ErrAsks, lineage.ErrSum,
	registry.ErrName, registry.ErrNamespace, registry.ErrTag, registry.ErrTransition,
}

func init() {
	for i, rule := range rules {
		refusal.Register(ModuleName, firstRule+uint32(i), rule)
	}
}
