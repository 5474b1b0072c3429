package credit

import (
	"errors"
	"fmt"
	"strings"
)

// KoinDenom is the ledger's name for a millionth of a KOIN.
const KoinDenom = "ukoin"

// Amount is some of one of the two tokens, in millionths: ucredit or ukoin.
type Amount struct {
	Denom string
	Units uint64
}

// ErrAmount is returned by [ParseAmount] for what is of neither token.
var ErrAmount = errors.New("not an amount: write dollars like $5 or 0.25, or KOIN like '3 KOIN'")

// ParseAmount reads dollars ($5, 5, 0.25) or KOIN (3 KOIN, 0.5koin). It refuses
// nothing, more than six decimals, and every other unit.
func ParseAmount(s string) (Amount, error) {
	amount := Amount{Denom: Denom}
	text := strings.TrimSpace(s)
	if number, unit := text, len("koin"); len(number) > unit && strings.EqualFold(number[len(number)-unit:], "koin") {
		amount.Denom, text = KoinDenom, strings.TrimSpace(number[:len(number)-unit])
		if strings.HasPrefix(text, "$") {
			return Amount{}, fmt.Errorf("%w, not %q", ErrAmount, s)
		}
	}
	var err error
	if amount.Units, err = Parse(text); errors.Is(err, ErrSyntax) {
		return Amount{}, fmt.Errorf("%w, not %q", ErrAmount, s)
	}
	if err == nil && amount.Units == 0 {
		return Amount{}, fmt.Errorf("%w, and more than nothing", ErrAmount)
	}
	return amount, err
}

// Koin writes an amount of ukoin, exact, with as few decimals as that takes.
func Koin(ukoin uint64) string {
	fraction := strings.TrimRight(fmt.Sprintf("%06d", ukoin%micro), "0")
	if fraction != "" {
		fraction = "." + fraction
	}
	return fmt.Sprintf("%d%s KOIN", ukoin/micro, fraction)
}

// String writes the amount as [ParseAmount] reads it.
func (a Amount) String() string {
	if a.Denom == KoinDenom {
		return Koin(a.Units)
	}
	return Dollars(a.Units)
}
