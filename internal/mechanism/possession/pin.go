package possession

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

var order = binary.BigEndian

// Whole is how many basis points make the whole.
const Whole = 10_000

// Month is thirty days, in seconds: what prices are for.
const Month = 30 * 24 * 3600

// Bounds of terms.
const (
	maxEpochs = 1 << 20
	maxMicro  = 1 << 53 // of money, and bytes: the largest integer that every JSON reader keeps
)

// Refusals.
var (
	// ErrTerms: terms that no pin can have.
	ErrTerms = errors.New("terms out of range")
	// ErrOver: the pin has ended, and its money has been given out.
	ErrOver = errors.New("the pin has ended")
	// ErrEpoch: the epoch is not the one that runs.
	ErrEpoch = errors.New("not the epoch that runs")
)

// Terms are what an owner and a holder agree on.
type Terms struct {
	Size   uint64 // bytes of the file
	Price  uint64 // ucredit for a GiB and [Month]
	Epoch  uint64 // seconds between two challenges
	Window uint64 // seconds to answer one; at most half of Epoch, so that no time to draw is known with its pieces
	Epochs uint64 // how many there are
	Bond   uint64 // ukoin that the holder stakes on this pin
	// MissBps is the part of the bond, in basis points, that a missed challenge
	// costs; at Forgiven misses more than that the pin ends.
	MissBps  uint32
	Forgiven uint32
}

// Validate checks that terms are in range. Refusal: [ErrTerms], which names the field.
func (t Terms) Validate() error {
	for _, f := range []struct {
		name              string
		value, least, top uint64
	}{
		{"size", t.Size, 1, maxMicro}, {"price", t.Price, 1, maxMicro}, {"epoch", t.Epoch, 2, Month}, {"window", t.Window, 1, t.Epoch / 2},
		{"epochs", t.Epochs, 1, maxEpochs}, {"bond", t.Bond, 1, maxMicro}, {"miss_bps", uint64(t.MissBps), 1, Whole},
		{"forgiven", uint64(t.Forgiven), 0, maxEpochs},
	} {
		if f.value < f.least || f.value > f.top {
			return fmt.Errorf("%w: %s is %d, allowed are %d to %d", ErrTerms, f.name, f.value, f.least, f.top)
		}
	}
	if _, ok := t.earned(t.Epochs); !ok {
		return fmt.Errorf("%w: price: the whole costs more than %d ucredit", ErrTerms, uint64(maxMicro))
	}
	return nil
}

// earned is what epochs of holding cost together, rounded down: size × price × time
// over GiB × Month. False if it is more than money there may be.
func (t Terms) earned(epochs uint64) (uint64, bool) {
	high, low := bits.Mul64(t.Size, t.Price) // 106 bits
	carry, low := bits.Mul64(low, t.Epoch*epochs)
	over, high := bits.Mul64(high, t.Epoch*epochs)
	high, c := bits.Add64(high, carry, 0)
	const whole = Month << 30
	if over+c > 0 || high >= whole {
		return 0, false
	}
	sum, _ := bits.Div64(high, low, whole)
	return sum, sum <= maxMicro
}

// Deposit is what the owner locks for the whole pin, in ucredit.
func (t Terms) Deposit() uint64 {
	sum, _ := t.earned(t.Epochs)
	return sum
}

// fee is what one epoch earns. Fees are differences of what is earned in all, so
// they add up to the deposit and no rounding is lost.
func (t Terms) fee(epoch uint64) uint64 {
	before, _ := t.earned(epoch)
	after, _ := t.earned(epoch + 1)
	return after - before
}

// Pin is a holder's duty to an owner, as the ledger keeps it.
type Pin struct {
	Terms  Terms
	Epoch  uint64 // the one that runs, from 0
	Missed uint64
	Locked uint64 // ucredit of the deposit that are left
	Staked uint64 // ukoin of the bond that are left
}

// Open begins a pin, for which the deposit and the bond have been locked. Refusal:
// [ErrTerms].
func Open(t Terms) (Pin, error) {
	if err := t.Validate(); err != nil {
		return Pin{}, err
	}
	return Pin{Terms: t, Locked: t.Deposit(), Staked: t.Bond}, nil
}

// Over says whether the pin has ended.
func (p Pin) Over() bool { return p.Epoch == p.Terms.Epochs || p.Missed > uint64(p.Terms.Forgiven) }

// Payment is what a step gives out of what is locked.
type Payment struct {
	Fee      uint64 // ucredit to the holder
	Refund   uint64 // ucredit to the owner
	Slashed  uint64 // ukoin that the holder loses; see package penalty for whose they are
	Released uint64 // ukoin back to the holder
}

// Close ends an epoch, in which the holder answered or did not. Refusals: [ErrOver],
// [ErrEpoch], for an epoch that has been closed or has not begun.
func (p Pin) Close(epoch uint64, answered bool) (Pin, Payment, error) {
	switch {
	case p.Over():
		return p, Payment{}, ErrOver
	case epoch != p.Epoch:
		return p, Payment{}, fmt.Errorf("%w: %d, where %d runs", ErrEpoch, epoch, p.Epoch)
	}
	var paid Payment
	fee := p.Terms.fee(epoch)
	p.Epoch++
	p.Locked -= fee
	if answered {
		paid.Fee = fee
	} else {
		p.Missed++
		paid.Refund = fee
		paid.Slashed = p.fine()
		p.Staked -= paid.Slashed
	}
	if p.Over() {
		p, paid = p.settle(paid)
	}
	return p, paid, nil
}

// Cancel ends a pin early, by whichever side: what was not earned yet goes back.
// The epoch that runs is not paid, so the holder owes no answer for it; a holder that
// leaves loses what a miss costs, for the owner counted on it. Refusal: [ErrOver].
func (p Pin) Cancel(byHolder bool) (Pin, Payment, error) {
	if p.Over() {
		return p, Payment{}, ErrOver
	}
	var paid Payment
	if byHolder {
		paid.Slashed = p.fine()
		p.Staked -= paid.Slashed
	}
	p.Epoch = p.Terms.Epochs
	p, paid = p.settle(paid)
	return p, paid, nil
}

// fine is what a miss costs: a part of the whole bond, rounded up, as far as there
// is that much.
func (p Pin) fine() uint64 {
	high, low := bits.Mul64(p.Terms.Bond, uint64(p.Terms.MissBps))
	low, carry := bits.Add64(low, Whole-1, 0)
	fine, _ := bits.Div64(high+carry, low, Whole)
	return min(p.Staked, fine)
}

// settle gives back what is left.
func (p Pin) settle(paid Payment) (Pin, Payment) {
	paid.Refund += p.Locked
	paid.Released += p.Staked
	p.Locked, p.Staked = 0, 0
	return p, paid
}

// modulo is the remainder of high × 2⁶⁴ + low, where high is less than by.
func modulo(high, low, by uint64) uint64 {
	_, rest := bits.Div64(high, low, by)
	return rest
}
