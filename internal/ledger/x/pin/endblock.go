package pin

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	pinv1 "github.com/koinon/koinon/api/koinon/pin/v1"
	"github.com/koinon/koinon/receipt"
)

// perBlock bounds how many duties and pins one block looks at; the rest waits for
// the next, which costs nobody anything: the time to answer begins with the draw.
const perBlock = 100

// endBlock draws pieces, closes epochs that nobody answered in, and gives back what
// is locked for copies that nobody took.
func (k *Keeper) endBlock(ctx context.Context) error {
	var due []dueKey
	until := new(collections.Range[dueKey]).EndExclusive(collections.Join3(blockTime(ctx)+1, uint64(0), ""))
	err := k.due.Walk(ctx, until, func(key dueKey) (bool, error) {
		due = append(due, key)
		return len(due) == perBlock, nil
	})
	if err != nil || len(due) == 0 {
		return err
	}
	_, randomness, err := k.beacon.Latest(ctx)
	if err != nil {
		return err
	}
	for _, key := range due {
		if key.K3() == "" {
			p, err := k.pin(ctx, key.K2())
			if err != nil {
				return err
			}
			if _, err := k.lapse(ctx, p); err != nil {
				return err
			}
			continue
		}
		if err := k.attend(ctx, key.K2(), key.K3(), randomness); err != nil {
			return err
		}
	}
	return nil
}

// attend draws for a holder, or closes its epoch.
func (k *Keeper) attend(ctx context.Context, id uint64, holder string, randomness receipt.Digest) error {
	p, h, err := k.load(ctx, id, holder)
	if err != nil {
		return err
	}
	was, now := dutyOf(p.Terms, h), blockTime(ctx)
	if d, drawn := was.Draw(fileOf(p.Terms), randomness, id, holder, int(p.Terms.Pieces), now); drawn {
		return errors.Join(k.move(ctx, h, storedHold(h, d)),
			emit(ctx, &pinv1.EventDrawn{Pin: id, Holder: holder, Epoch: h.Epoch, Due: d.Due}))
	}
	d, paid, missed, err := was.Miss(now)
	if err != nil {
		return err
	}
	if !missed {
		return k.move(ctx, h, storedHold(h, d))
	}
	err = errors.Join(k.step(ctx, p, h, d, paid),
		emit(ctx, &pinv1.EventMissed{Pin: id, Holder: holder, Epoch: h.Epoch, Refund: paid.Refund, Lost: paid.Slashed}))
	if d.Pin.Over() {
		err = errors.Join(err, emit(ctx, &pinv1.EventEnded{Pin: id, Holder: holder, Refund: paid.Refund, Lost: paid.Slashed, Released: paid.Released}))
	}
	return err
}

// move stores a hold that is due at another time.
func (k *Keeper) move(ctx context.Context, was, h pinv1.Hold) error {
	return errors.Join(k.due.Remove(ctx, collections.Join3(was.Due, was.Pin, was.Holder)), k.addHold(ctx, h))
}

// lapse gives back what is locked for a pin's untaken copies.
func (k *Keeper) lapse(ctx context.Context, p pinv1.Pin) (uint64, error) {
	if p.Untaken == 0 {
		return 0, nil
	}
	refund := termsOf(p.Terms).Deposit() * uint64(p.Untaken)
	p.Untaken = 0
	return refund, errors.Join(k.due.Remove(ctx, lapse(p)), k.storePin(ctx, p), k.pay(ctx, p.Owner, coins(creditDenom, refund)),
		emit(ctx, &pinv1.EventLapsed{Pin: p.Id, Owner: p.Owner, Refund: refund}))
}
