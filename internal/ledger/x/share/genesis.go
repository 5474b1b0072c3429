package share

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
)

// initGenesis stores a genesis and refuses one that does not add up. The bank's
// comes first, as it holds the shares.
func (k *Keeper) initGenesis(ctx context.Context, s sharev1.GenesisState) error {
	for _, i := range s.Issues {
		if _, err := k.models.Model(ctx, i.Model); err != nil {
			return err
		}
		if err := k.issues.Set(ctx, i.Model, i); err != nil {
			return err
		}
	}
	for _, h := range s.Holdings {
		if err := k.holdings.Set(ctx, collections.Join(h.Model, h.Holder), h); err != nil {
			return err
		}
	}
	for _, v := range s.Vestings {
		if err := k.vestings.Set(ctx, collections.Join3(v.Model, v.Holder, v.Id), v); err != nil {
			return err
		}
	}
	for _, p := range s.Powers {
		if err := k.powers.Set(ctx, collections.Join(collections.Join(p.Model, p.Voter), p.Since), p.Shares); err != nil {
			return err
		}
	}
	for _, b := range s.Bids {
		err := k.storeBid(ctx, b, bidOf(b))
		if b.Status == sharev1.BidStatus_BID_STATUS_FAILED {
			err = errors.Join(err, k.settling.Set(ctx, b.Id)) // only what is to go back is left of it
		} else {
			err = errors.Join(err, k.closing.Set(ctx, collections.Join(b.Deadline, b.Id)))
		}
		if err != nil {
			return err
		}
	}
	for _, t := range s.Tenders {
		if err := k.setTendered(ctx, t.Bid, t.Holder, t.Shares); err != nil {
			return err
		}
	}
	if s.Swept != nil {
		if err := k.swept.Set(ctx, *s.Swept); err != nil {
			return err
		}
	}
	return errors.Join(k.nextVesting.Set(ctx, s.NextVesting), k.nextBid.Set(ctx, s.NextBid), k.CheckBooks(ctx))
}

// exportGenesis returns the whole state, in the order of its keys.
func (k *Keeper) exportGenesis(ctx context.Context) (*sharev1.GenesisState, error) {
	vesting, err := k.nextVesting.Peek(ctx)
	bid, err2 := k.nextBid.Peek(ctx)
	s := &sharev1.GenesisState{NextVesting: vesting, NextBid: bid}
	switch at, err := k.swept.Get(ctx); {
	case err == nil:
		s.Swept = &at
	case !errors.Is(err, collections.ErrNotFound):
		return nil, err
	}
	return s, errors.Join(err, err2, collect(ctx, k.bids, &s.Bids), collect(ctx, k.tenders, &s.Tenders), collect(ctx, k.issues, &s.Issues), collect(ctx, k.holdings, &s.Holdings), collect(ctx, k.vestings, &s.Vestings),
		k.powers.Walk(ctx, nil, func(key powerKey, shares uint64) (bool, error) {
			s.Powers = append(s.Powers, sharev1.Power{Model: key.K1().K1(), Voter: key.K1().K2(), Since: key.K2(), Shares: shares})
			return false, nil
		}))
}

// collect appends all values of a map, in the order of their keys.
func collect[K, V any](ctx context.Context, m collections.Map[K, V], into *[]V) error {
	return m.Walk(ctx, nil, func(_ K, v V) (bool, error) {
		*into = append(*into, v)
		return false, nil
	})
}
