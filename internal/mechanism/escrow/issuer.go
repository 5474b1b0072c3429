package escrow

import (
	"errors"
	"fmt"
	"regexp"
)

// Issuer may mint credit up to its cap, and burns what it redeems.
type Issuer struct {
	Address          string
	Name             string
	Cap, Outstanding uint64 // ucredit
	// Backing is the IBC denomination of the dollars that the ledger keeps for
	// all that is outstanding; empty for an issuer who keeps them elsewhere.
	Backing string
}

// Errors of issuers.
var (
	ErrNotIssuer   = errors.New("only an admitted issuer may do this")
	ErrIssuerCap   = errors.New("the issuer's cap is reached")
	ErrOverburn    = errors.New("an issuer cannot burn more than it has outstanding")
	ErrIssuerField = errors.New("an issuer needs an address and a name of at most 64 bytes")
	ErrReference   = errors.New("a reference has at most 128 bytes of printable ASCII without spaces")
	ErrReplayed    = errors.New("the issuer has used this reference before")
	ErrDestination = errors.New("a destination has 1 to 128 bytes of printable ASCII without spaces")
	ErrNotOwed     = errors.New("the issuer owes no such cash-out")
	ErrBacking     = errors.New("a backing is an IBC denomination: ibc/ and 64 upper-case hexadecimal digits")
	ErrNotBacked   = errors.New("the ledger keeps no dollars for this issuer: ask it, or cash out")
	ErrBacked      = errors.New("the ledger keeps this issuer's dollars: swap for them")
)

// Mint adds to what an issuer has outstanding. known says whether the issuer
// has used the reference before; an empty one is never known.
func Mint(i Issuer, amount uint64, reference string, known bool) (Issuer, error) {
	if err := fresh(reference, known); err != nil {
		return i, err
	}
	if amount == 0 {
		return i, ErrZeroAmount
	}
	sum, err := add(i.Outstanding, amount)
	if err != nil {
		return i, err
	}
	if sum > i.Cap {
		return i, fmt.Errorf("%w: %d outstanding, %d more asked for, %d allowed", ErrIssuerCap, i.Outstanding, amount, i.Cap)
	}
	i.Outstanding = sum
	return i, nil
}

// Burn takes from what an issuer has outstanding; reference and known are as
// for Mint.
func Burn(i Issuer, amount uint64, reference string, known bool) (Issuer, error) {
	if err := fresh(reference, known); err != nil {
		return i, err
	}
	if amount == 0 {
		return i, ErrZeroAmount
	}
	if amount > i.Outstanding {
		return i, fmt.Errorf("%w: %d ucredit of %d ucredit", ErrOverburn, amount, i.Outstanding)
	}
	i.Outstanding -= amount
	return i, nil
}

// CashOut is credit that a holder gave up, for which its issuer owes dollars.
type CashOut struct {
	ID             uint64
	Holder, Issuer string
	Amount         uint64 // ucredit
	Destination    string
}

// Request makes a cash-out: the credit is gone, and the issuer owes it outside
// of the ledger.
func Request(i Issuer, id uint64, holder string, amount uint64, destination string) (Issuer, CashOut, error) {
	if i.Backing != "" {
		return i, CashOut{}, ErrBacked
	}
	if destination == "" || !printable(destination) {
		return i, CashOut{}, ErrDestination
	}
	next, err := Burn(i, amount, "", false)
	if err != nil {
		return i, CashOut{}, err
	}
	return next, CashOut{ID: id, Holder: holder, Issuer: i.Address, Amount: amount, Destination: destination}, nil
}

// SwapIn makes credit for dollars that the ledger takes into keeping.
func SwapIn(i Issuer, amount uint64) (Issuer, error) {
	if i.Backing == "" {
		return i, ErrNotBacked
	}
	return Mint(i, amount, "", false)
}

// SwapOut destroys credit, for which the ledger gives dollars back.
func SwapOut(i Issuer, amount uint64) (Issuer, error) {
	if i.Backing == "" {
		return i, ErrNotBacked
	}
	return Burn(i, amount, "", false)
}

// Settle checks that an issuer settles a cash-out of its own, once: one that is
// settled is no longer owed, and a payment whose name is known settled another.
func Settle(c CashOut, owed bool, sender, payment string, known bool) error {
	switch {
	case !owed || c.Issuer != sender:
		return ErrNotOwed
	case payment == "":
		return ErrReference
	}
	return fresh(payment, known)
}

// fresh checks a reference of a mint or burn.
func fresh(reference string, known bool) error {
	if !printable(reference) {
		return ErrReference
	}
	if known && reference != "" {
		return fmt.Errorf("%w: %s", ErrReplayed, reference)
	}
	return nil
}

// printable says whether text may be a reference: what any ledger, log and bank
// statement can carry.
func printable(text string) bool {
	const longest = 128
	for _, b := range []byte(text) {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return len(text) <= longest
}

// Validate checks an issuer as governance admits it. A cap may lie below what
// is outstanding: then nothing more is minted.
func (i Issuer) Validate() error {
	const longest = 64
	if i.Address == "" || i.Name == "" || len(i.Name) > longest {
		return ErrIssuerField
	}
	if i.Backing != "" && !ibcDenom.MatchString(i.Backing) {
		return fmt.Errorf("%w, not %q", ErrBacking, i.Backing)
	}
	return nil
}

var ibcDenom = regexp.MustCompile(`^ibc/[0-9A-F]{64}$`)
