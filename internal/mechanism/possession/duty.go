package possession

import (
	"fmt"

	"github.com/koinon/koinon/receipt"
)

// patience is for how many blocks an answer is waited for after it was due: a
// ledger that stood still leaves as many in which it can still come.
const patience = 2

// Duty is what a holder has to do and when, as the ledger keeps it: between two
// challenges it waits, then pieces are drawn, which must be shown within the
// window.
type Duty struct {
	Pin   Pin
	Drawn []uint64 // pieces to show; none while nothing is asked
	Due   int64    // when pieces are drawn, or when the answer must be there, Unix seconds
	Next  int64    // when the next pieces are drawn, while some are drawn
	Late  uint32   // blocks for which the answer was waited for
}

// Accept begins a duty at a time. The first challenge comes before the first epoch
// ends. Refusal: [ErrTerms].
func Accept(t Terms, now int64) (Duty, error) {
	pin, err := Open(t)
	return Duty{Pin: pin, Due: now + int64(t.Epoch-t.Window)}, err
}

// Draw asks for n pieces of the file, if it is time: false if not. Label tells the
// holder of one pin from all others.
func (d Duty) Draw(f File, randomness receipt.Digest, pin uint64, holder string, n int, now int64) (Duty, bool) {
	if len(d.Drawn) > 0 || now < d.Due || d.Pin.Over() {
		return d, false
	}
	d.Drawn = f.Drawn(randomness, pin, holder, n)
	d.Due, d.Next, d.Late = now+int64(d.Pin.Terms.Window), now+int64(d.Pin.Terms.Epoch), 0
	return d, true
}

// Answer shows the drawn pieces, which pays for the epoch. An answer after it was
// due counts as long as the ledger has not closed the epoch. Refusals: [ErrEpoch],
// [ErrAnswer], [ErrBytes].
func (d Duty) Answer(f File, epoch uint64, a Answer) (Duty, Payment, error) {
	if epoch != d.Pin.Epoch || len(d.Drawn) == 0 {
		return d, Payment{}, fmt.Errorf("%w: %d, where %d runs and %d pieces are asked for", ErrEpoch, epoch, d.Pin.Epoch, len(d.Drawn))
	}
	if err := f.Check(d.Drawn, a); err != nil {
		return d, Payment{}, err
	}
	return d.close(true)
}

// Miss closes an epoch whose answer did not come, at the end of a block: false if
// it may still come.
func (d Duty) Miss(now int64) (_ Duty, _ Payment, missed bool, _ error) {
	if len(d.Drawn) == 0 || now < d.Due {
		return d, Payment{}, false, nil
	}
	if d.Late < patience {
		d.Late++
		d.Due = now
		return d, Payment{}, false, nil
	}
	d, paid, err := d.close(false)
	d.Due = max(d.Due, now)
	return d, paid, err == nil, err
}

func (d Duty) close(answered bool) (Duty, Payment, error) {
	pin, paid, err := d.Pin.Close(d.Pin.Epoch, answered)
	if err != nil {
		return d, Payment{}, err
	}
	return Duty{Pin: pin, Due: d.Next}, paid, nil
}
