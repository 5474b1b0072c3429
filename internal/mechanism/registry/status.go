package registry

import (
	"errors"
	"fmt"
	"slices"
)

// Status is how far a version's life has come.
type Status int32

// A version begins as a draft or listed, and ends withdrawn.
const (
	// Draft versions are registered and not for sale.
	Draft Status = iota + 1
	// Listed versions are.
	Listed
	// Deprecated versions are still served; who asks for a model by name gets another.
	Deprecated
	// Withdrawn versions take no new offers and are not matched.
	Withdrawn
)

var statusNames = []string{Draft: "draft", Listed: "listed", Deprecated: "deprecated", Withdrawn: "withdrawn"}

// String is the status's name.
func (s Status) String() string {
	if s < Draft || int(s) >= len(statusNames) {
		return fmt.Sprintf("status %d", int32(s))
	}
	return statusNames[s]
}

// Sold says whether providers may offer a version of this status.
func (s Status) Sold() bool { return s == Listed || s == Deprecated }

// Actor is in what capacity somebody changes a status.
type Actor int

// Who may change a status.
const (
	// Owner is the account that owns the model.
	Owner Actor = iota + 1
	// Governance is the network's, which answers for what must not be served.
	Governance
)

// ErrTransition refuses a change of status.
var ErrTransition = errors.New("this change of status is not allowed")

// transitions says who may take each step. An owner withdraws what it has
// deprecated before, so that those who build on a version see it coming;
// governance may do so at once.
var transitions = map[[2]Status][]Actor{
	{Draft, Listed}:         {Owner},
	{Draft, Withdrawn}:      {Owner, Governance},
	{Listed, Deprecated}:    {Owner, Governance},
	{Deprecated, Listed}:    {Owner},
	{Deprecated, Withdrawn}: {Owner, Governance},
	{Listed, Withdrawn}:     {Governance},
}

// Move refuses a change of status that this actor may not make.
func Move(from, to Status, by Actor) error {
	allowed := transitions[[2]Status{from, to}]
	switch {
	case slices.Contains(allowed, by):
		return nil
	case len(allowed) > 0:
		return fmt.Errorf("%w: from %s to %s is for governance: deprecate it first", ErrTransition, from, to)
	}
	return fmt.Errorf("%w: from %s to %s", ErrTransition, from, to)
}
