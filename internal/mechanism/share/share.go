// Package share is the rule of owning a model: royalties are divided among the
// holders of its shares by what each holds when they come in, however shares
// move before and after. A payment raises one number, what a share has earned
// since the beginning; a holder's part is what that number rose by while its
// shares were its own. So a payment costs the same with three holders as with
// three million, and what a holder earns does not depend on how often anybody
// looks at it.
package share

import (
	"errors"
	"fmt"
	"math/bits"
)

// Amount is ucredit in 64.64 bits: whole ones, and 2⁻⁶⁴ths.
type Amount struct{ Whole, Fraction uint64 }

// Pool is what a model's shares have earned.
type Pool struct {
	// Earned is what a share has earned since the beginning.
	Earned Amount
	// Dust is what payments left over that could not be divided evenly, in 2⁻⁶⁴
	// ucredit; the next payment adds it.
	Dust uint64
	// Held is ucredit that came in and was not claimed.
	Held uint64
}

// Position is one holder's claim.
type Position struct {
	// Seen is what a share had earned when Owed was last brought up to date.
	Seen Amount
	// Owed is what the holder earned until then and has not claimed.
	Owed Amount
}

// ErrNothing is returned for a claim of less than a millionth of a credit.
var ErrNothing = errors.New("there are no royalties to claim: not a millionth of a credit was earned since the last claim")

// Pay divides ucredit among so many shares. It returns what is nobody's: all of
// it if there are no shares, or if it does not fit.
func Pay(p Pool, ucredit, supply uint64) (Pool, uint64) {
	if supply == 0 || p.Held+ucredit < ucredit {
		return p, ucredit
	}
	// (ucredit·2⁶⁴ + dust) / supply, digit by digit. Dust is less than a supply
	// that there was, which may have been another.
	whole, rest := ucredit/supply, ucredit%supply
	fraction, dust := bits.Div64(rest, 0, supply)
	more, left := p.Dust/supply, p.Dust%supply
	left, carry := bits.Add64(left, dust, 0)
	if carry == 1 || left >= supply {
		left -= supply
		more++ // fits: dust is below 2⁶⁴, and there is more than one share if any is left
	}
	fraction, carry = bits.Add64(fraction, more, 0)
	step := Amount{whole + carry, fraction}
	earned, overflow := add(p.Earned, step)
	if overflow {
		return p, ucredit
	}
	return Pool{earned, left, p.Held + ucredit}, 0
}

// Settle brings a position with so many shares up to date. It is to be called
// before the shares change.
func Settle(p Pool, h Position, shares uint64) Position {
	return Position{p.Earned, Pending(p, h, shares)}
}

// Pending is what a position with so many shares has earned and not claimed.
func Pending(p Pool, h Position, shares uint64) Amount {
	fraction, borrow := bits.Sub64(p.Earned.Fraction, h.Seen.Fraction, 0)
	whole, _ := bits.Sub64(p.Earned.Whole, h.Seen.Whole, borrow)
	carry, low := bits.Mul64(shares, fraction)
	// It fits, as nobody earns more than the pool holds.
	owed, _ := add(h.Owed, Amount{shares*whole + carry, low})
	return owed
}

// Claim pays what a position with so many shares has earned, in ucredit; what
// is less than one stays owed.
func Claim(p Pool, h Position, shares uint64) (Pool, Position, uint64, error) {
	h = Settle(p, h, shares)
	paid := h.Owed.Whole
	if paid == 0 {
		return p, h, 0, ErrNothing
	}
	p.Held -= paid
	h.Owed.Whole = 0
	return p, h, paid, nil
}

func add(a, b Amount) (Amount, bool) {
	fraction, carry := bits.Add64(a.Fraction, b.Fraction, 0)
	whole, overflow := bits.Add64(a.Whole, b.Whole, carry)
	return Amount{whole, fraction}, overflow != 0
}

// Vesting is a grant of shares that become free with time. They earn from the
// first day; what waits is that they may be moved.
type Vesting struct {
	Shares uint64
	// Start, Cliff and End are Unix seconds: nothing is free before the cliff,
	// everything at the end, and between the two what has passed since the start.
	Start, Cliff, End int64
	// Released were freed already.
	Released uint64
}

// maxSeconds bounds vesting and locks: ten years.
const maxSeconds = 10 * 366 * 24 * 3600

// Errors of vesting and locks.
var (
	ErrVesting = errors.New("a vesting schedule begins, has its cliff and ends within ten years, in this order")
	ErrLock    = errors.New("a lock ends later than now and within ten years, and never earlier than it did")
	ErrLocked  = errors.New("the shares are locked")
)

// Validate checks a schedule that is set at some time.
func (v Vesting) Validate(now int64) error {
	if v.Shares == 0 || v.Start > v.Cliff || v.Cliff > v.End || v.Start >= v.End ||
		v.Start < now-maxSeconds || v.End > now+maxSeconds {
		return fmt.Errorf("%w: %d shares from %d, cliff %d, to %d", ErrVesting, v.Shares, v.Start, v.Cliff, v.End)
	}
	return nil
}

// Free is how many shares of a valid schedule may be released now, rounded down.
func (v Vesting) Free(now int64) uint64 {
	switch {
	case now < v.Cliff:
		return 0
	case now >= v.End:
		return v.Shares - v.Released
	}
	high, low := bits.Mul64(v.Shares, uint64(now-v.Start))
	vested, _ := bits.Div64(high, low, uint64(v.End-v.Start))
	return vested - v.Released
}

// Lock keeps shares where they are until a time, in Unix seconds.
type Lock struct {
	Shares uint64
	Until  int64
}

// Extend adds shares to a lock, which holds all of them until a time that is
// never earlier than before.
func (l Lock) Extend(shares uint64, until, now int64) (Lock, error) {
	if until <= now || until > now+maxSeconds || until < l.Until || l.Shares+shares < shares || l.Shares+shares == 0 {
		return l, fmt.Errorf("%w: until %d, it was %d, it is %d", ErrLock, until, l.Until, now)
	}
	return Lock{l.Shares + shares, until}, nil
}

// Open returns how many shares a lock sets free, which is all or an error.
func (l Lock) Open(now int64) (uint64, error) {
	if now < l.Until {
		return 0, fmt.Errorf("%w until %d, it is %d", ErrLocked, l.Until, now)
	}
	return l.Shares, nil
}
