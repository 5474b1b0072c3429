package share

import (
	"context"
	"errors"
	"math/bits"

	"cosmossdk.io/collections"

	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
	"github.com/koinon/koinon/internal/mechanism/share"
)

// sums are what the holders of one model's shares have together.
type sums struct {
	shares, kept, vesting, votes uint64
	owed                         share.Amount
}

// CheckBooks compares, for each model, what its holders have with the shares
// that exist, what is kept for them with what the module's account has, what
// they are owed, and bids' deposits, with the credit it holds, and votes with
// shares.
func (k *Keeper) CheckBooks(ctx context.Context) error {
	tenders, held, err := k.checkBids(ctx)
	if err != nil {
		return err
	}
	err = k.issues.Walk(ctx, nil, func(model string, i sharev1.Issue) (bool, error) {
		s, err := k.sum(ctx, i)
		if err != nil {
			return true, err
		}
		s.vesting += tenders[model]
		held += i.Held
		supply := k.supply(ctx, model)
		all, err := k.Power(ctx, model, "", blockTime(ctx))
		kept := k.bank.GetBalance(ctx, k.account, i.Denom).Amount.Uint64()
		fraction, carry := bits.Add64(s.owed.Fraction, i.Dust, 0)
		switch {
		case err != nil:
			return true, err
		case s.shares != supply || s.votes != supply || all != supply:
			err = ErrBooks.Wrapf("%s: %d shares exist, holders have %d, voters %d, all votes are %d", model, supply, s.shares, s.votes, all)
		case s.kept != kept || s.vesting != kept:
			err = ErrBooks.Wrapf("%s: %d shares are kept, holders have %d there, vesting, locked or tendered are %d", model, kept, s.kept, s.vesting)
		case s.owed.Whole+carry != i.Held || fraction != 0:
			err = ErrBooks.Wrapf("%s: %d ucredit are held, owed are %d and %d/2⁶⁴", model, i.Held, s.owed.Whole+carry, fraction)
		}
		return err != nil, err
	})
	if err != nil {
		return err
	}
	if has := k.bank.GetBalance(ctx, k.account, royaltyDenom).Amount; !has.IsUint64() || has.Uint64() != held {
		return ErrBooks.Wrapf("%d ucredit are unclaimed or bid, %s held", held, has)
	}
	return nil
}

// checkBids compares bids with what was tendered, and returns that for each model,
// and all deposits.
func (k *Keeper) checkBids(ctx context.Context) (tenders map[string]uint64, held uint64, err error) {
	tenders = map[string]uint64{}
	sums := map[uint64]uint64{}
	err = errors.Join(
		k.tenders.Walk(ctx, nil, func(key tenderKey, t sharev1.Tender) (bool, error) {
			sums[key.K1()] += t.Shares
			return false, nil
		}),
		k.bids.Walk(ctx, nil, func(id uint64, b sharev1.Bid) (bool, error) {
			held += b.Held
			tenders[b.Model] += b.Tendered
			if sums[id] != b.Tendered {
				return true, ErrBooks.Wrapf("bid %d: %d shares are tendered, it says %d", id, sums[id], b.Tendered)
			}
			delete(sums, id)
			return false, nil
		}))
	if err == nil && len(sums) > 0 {
		err = ErrBooks.Wrapf("shares are tendered to %d bids that are not there", len(sums))
	}
	return tenders, held, err
}

// sum adds up what the holders of a model have.
func (k *Keeper) sum(ctx context.Context, i sharev1.Issue) (sums, error) {
	var s sums
	voters := map[string]bool{}
	err := errors.Join(
		k.holdings.Walk(ctx, collections.NewPrefixedPairRange[string, string](i.Model), func(key textsKey, _ sharev1.Holding) (bool, error) {
			h, shares, err := k.holding(ctx, i.Model, key.K2())
			pending := share.Pending(poolOf(i), positionOf(h), shares)
			var carry uint64
			s.owed.Fraction, carry = bits.Add64(s.owed.Fraction, pending.Fraction, 0)
			s.owed.Whole += pending.Whole + carry
			s.shares += shares
			s.kept += h.Kept
			s.vesting += h.Locked
			return false, err
		}),
		k.vestings.Walk(ctx, collections.NewPrefixedTripleRange[string, string, uint64](i.Model), func(_ vestingKey, v sharev1.Vesting) (bool, error) {
			s.vesting += v.Shares - v.Released
			return false, nil
		}),
		k.powers.Walk(ctx, nil, func(key powerKey, _ uint64) (bool, error) {
			voter := key.K1().K2()
			if key.K1().K1() != i.Model || voter == "" || voters[voter] {
				return false, nil
			}
			voters[voter] = true
			n, err := k.Power(ctx, i.Model, voter, blockTime(ctx))
			s.votes += n
			return false, err
		}))
	return s, err
}
