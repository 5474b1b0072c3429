package receipt

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrNoEquivocation is returned for two receipts that do not prove one.
var ErrNoEquivocation = errors.New("the receipts prove no equivocation")

// Equivocates checks that two receipts prove fraud: that one provider signed two
// different statements for one place of one grant. It returns nil if they do.
// That the key is the provider's is for the ledger to say.
func Equivocates(a, b Receipt) error {
	differ := func(what string) error { return fmt.Errorf("%w: they are of different %s", ErrNoEquivocation, what) }
	switch {
	case a.ChainID != b.ChainID:
		return differ("chains")
	case a.Grant != b.Grant:
		return differ("grants")
	case a.Provider != b.Provider || !bytes.Equal(a.ProviderKey, b.ProviderKey):
		return differ("providers")
	case a.Sequence != b.Sequence:
		return differ("sequences")
	case a.Hash() == b.Hash():
		return fmt.Errorf("%w: they state the same", ErrNoEquivocation)
	}
	for i, r := range []Receipt{a, b} {
		if err := r.VerifySignature(); err != nil {
			return fmt.Errorf("%w: receipt %d: %w", ErrNoEquivocation, i+1, err)
		}
	}
	return nil
}
