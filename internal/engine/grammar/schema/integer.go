package schema

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// The integers that are written, where a schema has no narrower bounds: those of
// up to 16 digits, or 18 if a bound is above.
const (
	usualInteger   = 9_999_999_999_999_999
	largestInteger = 999_999_999_999_999_999
)

// integer is the expression for integers between bounds.
func (c *converter) integer(o *object, at string) string {
	if m, ok := o.get("multipleOf"); ok && m != json.Number("1") {
		c.fail(at, "multipleOf", "is not supported")
	}
	low, isLow := c.bound(o, at, "minimum", "exclusiveMinimum", 1)
	high, isHigh := c.bound(o, at, "maximum", "exclusiveMaximum", -1)
	switch {
	case !isLow && !isHigh:
		return "integral"
	case !isLow:
		if low = -usualInteger; high < low {
			low = -largestInteger
		}
	case !isHigh:
		if high = usualInteger; low > high {
			high = largestInteger
		}
	}
	if low > high {
		c.fail(at, "minimum", "leaves no integer below the maximum")
	}
	var choices []string
	if low < 0 {
		choices = append(choices, `"-" `+c.naturals(max(1, -high), -low))
	}
	if high >= 0 {
		choices = append(choices, c.naturals(max(0, low), high))
	}
	return strings.Join(choices, " | ")
}

// bound reads a bound that includes its value and one that does not, and returns
// the narrower as an integer that is allowed.
func (c *converter) bound(o *object, at, including, excluding string, inwards int64) (int64, bool) {
	var best int64
	found := false
	for _, keyword := range []string{including, excluding} {
		v, ok := o.get(keyword)
		if !ok {
			continue
		}
		number, isNumber := v.(json.Number)
		// An exponent could ask for a number of a billion digits.
		if !isNumber || len(number) > 40 || strings.ContainsAny(string(number), "eE") {
			c.fail(at, keyword, "must be a number without an exponent")
		}
		exact, _ := new(big.Rat).SetString(string(number))
		floor := new(big.Int)
		floor.Div(exact.Num(), exact.Denom()) // Euclidean, the denominator being positive
		if !floor.IsInt64() || floor.Int64() > largestInteger || floor.Int64() < -largestInteger {
			c.fail(at, keyword, "must have at most 18 digits")
		}
		n := floor.Int64()
		switch {
		case !exact.IsInt() && inwards > 0:
			n++
		case exact.IsInt() && keyword == excluding:
			n += inwards
		}
		if !found || (n-best)*inwards > 0 {
			best, found = n, true
		}
	}
	return best, found
}

// naturals is the expression for the numbers from low to high, of each number of
// digits in turn.
func (c *converter) naturals(low, high int64) string {
	var choices []string
	for from, length := int64(0), 1; length <= 18 && from <= high; length++ {
		to := int64(1)
		for range length {
			to *= 10
		}
		if a, b := max(low, from), min(high, to-1); a <= b {
			choices = append(choices, digits(fmt.Sprintf("%0*d", length, a), fmt.Sprintf("%0*d", length, b)))
		}
		from = to
	}
	return c.define(strings.Join(choices, " | "))
}

// digits is the expression for the numbers from a to b, which are as long.
func digits(a, b string) string {
	n := len(a)
	switch {
	case a == b:
		return strconv.Quote(a)
	case strings.Trim(a, "0") == "" && strings.Trim(b, "9") == "":
		return fmt.Sprintf("[0-9]{%d}", n)
	case n == 1:
		return "[" + a + "-" + b + "]"
	case a[0] == b[0]:
		return `"` + a[:1] + `" ` + digits(a[1:], b[1:])
	}
	zeros, nines := strings.Repeat("0", n-1), strings.Repeat("9", n-1)
	first, last := a[0], b[0]
	var choices []string
	if a[1:] != zeros {
		choices = append(choices, `"`+a[:1]+`" `+digits(a[1:], nines))
		first++
	}
	rest := ""
	if b[1:] != nines {
		rest = `"` + b[:1] + `" ` + digits(zeros, b[1:])
		last--
	}
	if first <= last {
		choices = append(choices, fmt.Sprintf("[%c-%c] [0-9]{%d}", first, last, n-1))
	}
	if rest != "" {
		choices = append(choices, rest)
	}
	return "( " + strings.Join(choices, " | ") + " )"
}
