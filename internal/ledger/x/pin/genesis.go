package pin

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	pinv1 "github.com/koinon/koinon/api/koinon/pin/v1"
	"github.com/koinon/koinon/internal/mechanism/possession"
)

// DefaultGenesis has the parameters of a public network: ten minutes to show eight
// pieces, at most every half hour, for at most a year of hours.
func DefaultGenesis() *pinv1.GenesisState {
	return &pinv1.GenesisState{Params: pinv1.Params{WindowSeconds: 600, Pieces: 8, LeastEpochSeconds: 1_800, MostEpochs: 8_784}}
}

// Paced are the parameters of a network that is tried out, where an epoch of two
// windows is a long time already.
func Paced(window uint64) *pinv1.Params {
	p := DefaultGenesis().Params
	p.WindowSeconds, p.LeastEpochSeconds = window, 2*window
	return &p
}

func validateParams(p pinv1.Params) error {
	switch {
	case p.WindowSeconds < 1 || p.WindowSeconds > possession.Month/2:
		return fmt.Errorf("%w: window_seconds is %d, allowed are 1 to %d", ErrField, p.WindowSeconds, possession.Month/2)
	case p.Pieces < 1 || p.Pieces > possession.MaxDrawn:
		return fmt.Errorf("%w: pieces are %d, allowed are 1 to %d", ErrField, p.Pieces, possession.MaxDrawn)
	case p.LeastEpochSeconds < 2*p.WindowSeconds || p.LeastEpochSeconds > possession.Month:
		return fmt.Errorf("%w: least_epoch_seconds is %d, allowed are twice window_seconds, %d, to %d", ErrField, p.LeastEpochSeconds, 2*p.WindowSeconds, possession.Month)
	case p.MostEpochs < 1 || p.MostEpochs > 1<<20:
		return fmt.Errorf("%w: most_epochs are %d, allowed are 1 to %d", ErrField, p.MostEpochs, 1<<20)
	}
	return nil
}

// initGenesis stores a genesis and refuses one that does not add up.
func (k *Keeper) initGenesis(ctx context.Context, s pinv1.GenesisState) error {
	if err := errors.Join(validateParams(s.Params), k.params.Set(ctx, s.Params), k.nextPin.Set(ctx, s.NextPin)); err != nil {
		return err
	}
	for _, p := range s.Pins {
		if err := k.addPin(ctx, p); err != nil {
			return err
		}
	}
	for _, h := range s.Holds {
		if err := k.addHold(ctx, h); err != nil {
			return err
		}
	}
	return k.CheckBooks(ctx)
}

// exportGenesis returns the whole state, in the order of its keys.
func (k *Keeper) exportGenesis(ctx context.Context) (*pinv1.GenesisState, error) {
	params, err := k.params.Get(ctx)
	next, err2 := k.nextPin.Peek(ctx)
	s := &pinv1.GenesisState{Params: params, NextPin: next}
	return s, errors.Join(err, err2, collect(ctx, k.pins, nil, &s.Pins), collect(ctx, k.holds, nil, &s.Holds))
}

// holders are all who hold a pin.
func (k *Keeper) holders(ctx context.Context, id uint64) (list []pinv1.Hold, err error) {
	return list, collect(ctx, k.holds, collections.NewPrefixedPairRange[uint64, string](id), &list)
}

// collect appends the values of a map in a range, in the order of their keys.
func collect[K, V any](ctx context.Context, m collections.Map[K, V], within collections.Ranger[K], into *[]V) error {
	return m.Walk(ctx, within, func(_ K, v V) (bool, error) {
		*into = append(*into, v)
		return false, nil
	})
}

// CheckBooks compares each pin with its holders, what they wait for with what is
// due, and all with what the module's account has.
func (k *Keeper) CheckBooks(ctx context.Context) error {
	deposits, bonds := sdkmath.ZeroInt(), sdkmath.ZeroInt()
	held, waits, due := map[uint64]uint32{}, 0, 0
	err := errors.Join(
		k.holds.Walk(ctx, nil, func(_ holdKey, h pinv1.Hold) (bool, error) {
			deposits = deposits.Add(sdkmath.NewIntFromUint64(h.Locked))
			bonds = bonds.Add(sdkmath.NewIntFromUint64(h.Staked))
			held[h.Pin]++
			waits++
			return false, nil
		}),
		k.pins.Walk(ctx, nil, func(id uint64, p pinv1.Pin) (bool, error) {
			deposits = deposits.Add(sdkmath.NewIntFromUint64(termsOf(p.Terms).Deposit()).MulRaw(int64(p.Untaken)))
			if p.Untaken > 0 {
				waits++
			}
			if p.Holders != held[id] || p.Holders+p.Untaken == 0 || p.Holders+p.Untaken > p.Terms.Copies {
				return true, fmt.Errorf("%w: pin %d has %d holders and %d untaken copies of %d; %d hold it", ErrBooks, id, p.Holders, p.Untaken, p.Terms.Copies, held[id])
			}
			delete(held, id)
			return false, nil
		}),
		k.due.Walk(ctx, nil, func(dueKey) (bool, error) {
			due++
			return false, nil
		}))
	if err != nil {
		return err
	}
	if len(held) > 0 || waits != due {
		return fmt.Errorf("%w: %d pins have holders and are not there; %d wait, %d are due", ErrBooks, len(held), waits, due)
	}
	return errors.Join(k.holdsAll(ctx, creditDenom, deposits), k.holdsAll(ctx, bondDenom, bonds))
}

// holdsAll refuses a balance of the module that is not what its pins say.
func (k *Keeper) holdsAll(ctx context.Context, denom string, want sdkmath.Int) error {
	if has := k.bank.GetBalance(ctx, k.account, denom).Amount; !has.Equal(want) {
		return fmt.Errorf("%w: %s %s are locked, %s are held", ErrBooks, want, denom, has)
	}
	return nil
}
