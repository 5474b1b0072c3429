package share

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
	"github.com/koinon/koinon/internal/mechanism/registry"
	"github.com/koinon/koinon/internal/mechanism/share"
)

// holding returns what somebody holds of a model, and how many shares that is.
func (k *Keeper) holding(ctx context.Context, model, holder string) (sharev1.Holding, uint64, error) {
	h, err := k.holdings.Get(ctx, collections.Join(model, holder))
	if errors.Is(err, collections.ErrNotFound) {
		h, err = sharev1.Holding{Model: model, Holder: holder}, nil
	}
	if err != nil {
		return h, 0, err
	}
	raw, err := k.addresses.StringToBytes(holder)
	if err != nil {
		return h, 0, err
	}
	return h, h.Kept + k.bank.GetBalance(ctx, raw, registry.Denom(model)).Amount.Uint64(), nil
}

// setHolding stores a holding, or forgets one that says nothing: it has no
// shares, nothing is owed, and its vote is its own.
func (k *Keeper) setHolding(ctx context.Context, h sharev1.Holding, shares uint64) error {
	key := collections.Join(h.Model, h.Holder)
	if shares == 0 && h.Owed == (sharev1.Amount{}) && h.Delegate == "" {
		return k.holdings.Remove(ctx, key)
	}
	return k.holdings.Set(ctx, key, h)
}

// settle brings a holder's earnings up to date. It is to be called before the
// holder's shares change, and after has its holding stored by the caller.
func (k *Keeper) settle(ctx context.Context, i sharev1.Issue, holder string) (sharev1.Holding, uint64, error) {
	h, shares, err := k.holding(ctx, i.Model, holder)
	if err != nil {
		return h, 0, err
	}
	return storedPosition(h, share.Settle(poolOf(i), positionOf(h), shares)), shares, nil
}

// BeforeSend is the bank's send restriction: it refuses nothing, but brings both
// sides' earnings up to date and moves the vote with the shares. What the
// module's own account gives and takes is its messages' to account for.
func (k *Keeper) BeforeSend(ctx context.Context, from, to sdk.AccAddress, amount sdk.Coins) (sdk.AccAddress, error) {
	if from.Equals(to) || from.Equals(k.account) || to.Equals(k.account) {
		return to, nil
	}
	for _, c := range amount {
		model, err := registry.ModelOf(c.Denom)
		if err != nil {
			continue // another coin
		}
		if err := k.move(ctx, model, from, to, c); err != nil {
			return to, err
		}
	}
	return to, nil
}

func (k *Keeper) move(ctx context.Context, model string, from, to sdk.AccAddress, c sdk.Coin) error {
	i, err := k.issue(ctx, model)
	if err != nil {
		return err
	}
	// The bank refuses what the sender has not; here it could not be counted.
	if has := k.bank.GetBalance(ctx, from, c.Denom); has.IsLT(c) {
		return ErrTooFew.Wrapf("%s of %s, not %s", has.Amount, model, c.Amount)
	}
	var delegates [2]string
	for n, side := range []sdk.AccAddress{from, to} {
		name, err := k.addresses.BytesToString(side)
		if err != nil {
			return err
		}
		h, shares, err := k.settle(ctx, i, name)
		if err != nil {
			return err
		}
		if n == 0 {
			shares -= c.Amount.Uint64()
		} else {
			shares += c.Amount.Uint64()
		}
		if err := k.setHolding(ctx, h, shares); err != nil {
			return err
		}
		delegates[n] = voterOf(h)
	}
	return k.shift(ctx, model, delegates[0], delegates[1], c.Amount.Uint64())
}

// voterOf is who votes for a holding.
func voterOf(h sharev1.Holding) string {
	if h.Delegate != "" {
		return h.Delegate
	}
	return h.Holder
}

// Power is how many shares somebody votes for at the end of a second, in Unix
// time; an empty voter is for all shares together. It does not change any more
// once the second is over, so that a vote which counts by a time before it began
// counts each share once.
func (k *Keeper) Power(ctx context.Context, model, voter string, at int64) (uint64, error) {
	var power uint64
	r := collections.NewPrefixedPairRange[textsKey, int64](collections.Join(model, voter)).EndInclusive(at).Descending()
	err := k.powers.Walk(ctx, r, func(_ powerKey, shares uint64) (bool, error) {
		power = shares
		return true, nil
	})
	return power, err
}

// shift moves votes from one to another; empty is nobody, for new shares.
func (k *Keeper) shift(ctx context.Context, model, from, to string, shares uint64) error {
	if from == to || shares == 0 {
		return nil
	}
	if from != "" {
		if err := k.setPower(ctx, model, from, func(had uint64) uint64 { return had - shares }); err != nil {
			return err
		}
	}
	return k.setPower(ctx, model, to, func(had uint64) uint64 { return had + shares })
}

func (k *Keeper) setPower(ctx context.Context, model, voter string, change func(uint64) uint64) error {
	now := blockTime(ctx)
	had, err := k.Power(ctx, model, voter, now)
	if err != nil {
		return err
	}
	return k.powers.Set(ctx, collections.Join(collections.Join(model, voter), now), change(had))
}

// mint makes new shares for a holder, which are kept or on its account.
func (k *Keeper) mint(ctx context.Context, i sharev1.Issue, holder string, shares uint64, kept bool) error {
	h, had, err := k.settle(ctx, i, holder)
	if err != nil {
		return err
	}
	if kept {
		h.Kept += shares
	}
	if err := errors.Join(k.setHolding(ctx, h, had+shares), k.bank.MintCoins(ctx, ModuleName, coins(i.Denom, shares))); err != nil {
		return err
	}
	if !kept {
		to, err := k.addresses.StringToBytes(holder)
		if err != nil {
			return err
		}
		if err := k.bank.SendCoins(ctx, k.account, to, coins(i.Denom, shares)); err != nil {
			return err
		}
	}
	return errors.Join(k.shift(ctx, i.Model, "", voterOf(h), shares),
		k.setPower(ctx, i.Model, "", func(all uint64) uint64 { return all + shares }))
}

// keep takes shares of a holder's into keeping, for itself or for another.
func (k *Keeper) keep(ctx context.Context, i sharev1.Issue, from, holder string, shares uint64) error {
	if from != holder {
		h, had, err := k.settle(ctx, i, from)
		if err != nil {
			return err
		}
		if had-h.Kept < shares {
			return ErrTooFew.Wrapf("%d of %s, not %d", had-h.Kept, i.Model, shares)
		}
		other, theirs, err := k.settle(ctx, i, holder)
		if err != nil {
			return err
		}
		other.Kept += shares
		err = errors.Join(k.setHolding(ctx, h, had-shares), k.setHolding(ctx, other, theirs+shares),
			k.shift(ctx, i.Model, voterOf(h), voterOf(other), shares))
		if err != nil {
			return err
		}
	} else {
		h, had, err := k.settle(ctx, i, holder)
		if err != nil {
			return err
		}
		h.Kept += shares
		if err := k.setHolding(ctx, h, had); err != nil {
			return err
		}
	}
	raw, err := k.addresses.StringToBytes(from)
	if err != nil {
		return err
	}
	return k.bank.SendCoins(ctx, raw, k.account, coins(i.Denom, shares))
}

// free gives a holder shares that were kept for it; its holding is stored by
// the caller, with all else that changes in it.
func (k *Keeper) free(ctx context.Context, i sharev1.Issue, h sharev1.Holding, had, shares uint64) error {
	h.Kept -= shares // at least as much is kept, as nothing else frees it
	if err := k.setHolding(ctx, h, had); err != nil {
		return err
	}
	to, err := k.addresses.StringToBytes(h.Holder)
	if err != nil {
		return err
	}
	return k.bank.SendCoins(ctx, k.account, to, coins(i.Denom, shares))
}
