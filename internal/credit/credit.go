// Package credit writes and reads amounts of credit for people: in dollars
// first, exact to the micro-credit.
//
// 1 credit is 1 US dollar by definition; the ledger counts in ucredit, one
// millionth of it. Nothing here rounds.
package credit

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Denom is the ledger's name for a millionth of a credit.
const Denom = "ucredit"

// micro is how many ucredit make a credit.
const micro = 1_000_000

// Errors of [Parse].
var (
	ErrSyntax = errors.New("not an amount of dollars: write it like 5, 0.25 or $1.50")
	ErrRange  = errors.New("amount of dollars out of range")
)

// Dollars writes an amount of ucredit as dollars: at least cents, and as many
// of the six decimals as are needed to be exact.
func Dollars(ucredit uint64) string {
	fraction := strings.TrimRight(fmt.Sprintf("%06d", ucredit%micro), "0")
	for len(fraction) < 2 {
		fraction += "0"
	}
	return fmt.Sprintf("$%d.%s", ucredit/micro, fraction)
}

// Parse reads dollars, with or without the sign, into ucredit. It refuses more
// than six decimals rather than round.
func Parse(s string) (uint64, error) {
	text := strings.TrimPrefix(strings.TrimSpace(s), "$")
	whole, fraction, _ := strings.Cut(text, ".")
	if whole == "" && fraction == "" || len(fraction) > 6 || !digits(whole) || !digits(fraction) {
		return 0, fmt.Errorf("%w, not %q", ErrSyntax, s)
	}
	units, err := strconv.ParseUint("0"+whole, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %q", ErrRange, s)
	}
	parts, err := strconv.ParseUint((fraction + "000000")[:6], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w, not %q", ErrSyntax, s)
	}
	high, low := bits.Mul64(units, micro)
	sum, carry := bits.Add64(low, parts, 0)
	if high != 0 || carry != 0 {
		return 0, fmt.Errorf("%w: %q", ErrRange, s)
	}
	return sum, nil
}

func digits(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return true
}
