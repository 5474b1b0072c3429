package share

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
	"github.com/koinon/koinon/internal/mechanism/share"
)

// Pay takes a model's royalty from a module's account, for its shareholders or,
// where no shares were issued, its owner. It returns what stays there because
// nobody can be paid. Escrow calls it at the end of a block.
func (k *Keeper) Pay(ctx context.Context, from, model string, ucredit uint64) (uint64, error) {
	i, err := k.issues.Get(ctx, model)
	if errors.Is(err, collections.ErrNotFound) {
		return k.payOwner(ctx, from, model, ucredit)
	}
	if err != nil {
		return 0, err
	}
	pool, over := share.Pay(poolOf(i), ucredit, k.supply(ctx, model))
	if over > 0 { // all shares are still to be earned
		return k.payOwner(ctx, from, model, ucredit)
	}
	if err := k.bank.SendCoinsFromModuleToModule(ctx, from, ModuleName, coins(royaltyDenom, ucredit)); err != nil {
		return 0, err
	}
	return 0, errors.Join(k.issues.Set(ctx, model, storedPool(i, pool)), emit(ctx, &sharev1.EventRoyalty{Model: model, Amount: ucredit}))
}

func (k *Keeper) payOwner(ctx context.Context, from, model string, ucredit uint64) (uint64, error) {
	m, err := k.models.Model(ctx, model)
	if err != nil {
		return 0, err
	}
	owner, err := k.addresses.StringToBytes(m.Owner)
	if err != nil || k.bank.BlockedAddr(owner) {
		return ucredit, nil
	}
	if err := k.bank.SendCoinsFromModuleToAccount(ctx, from, owner, coins(royaltyDenom, ucredit)); err != nil {
		return 0, err
	}
	return 0, emit(ctx, &sharev1.EventRoyalty{Model: model, Amount: ucredit, Holder: m.Owner})
}

// Held is how many of a model's shares somebody holds, kept ones included, of how
// many there are; none of a model without shares.
func (k *Keeper) Held(ctx context.Context, model, holder string) (shares, all uint64, err error) {
	if has, err := k.issues.Has(ctx, model); err != nil || !has {
		return 0, 0, err
	}
	_, shares, err = k.holding(ctx, model, holder)
	return shares, k.supply(ctx, model), err
}

// Claim pays a holder what its shares of a model have earned, in ucredit, or
// refuses with share.ErrNothing. A module that holds shares calls it for its
// own account.
func (k *Keeper) Claim(ctx context.Context, model string, holder sdk.AccAddress) (uint64, error) {
	i, err := k.issue(ctx, model)
	if err != nil {
		return 0, err
	}
	name, err := k.addresses.BytesToString(holder)
	if err != nil {
		return 0, err
	}
	h, shares, err := k.holding(ctx, model, name)
	if err != nil {
		return 0, err
	}
	pool, position, paid, err := share.Claim(poolOf(i), positionOf(h), shares)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(k.issues.Set(ctx, model, storedPool(i, pool)), k.setHolding(ctx, storedPosition(h, position), shares)); err != nil {
		return 0, err
	}
	if err := k.bank.SendCoins(ctx, k.account, holder, coins(royaltyDenom, paid)); err != nil {
		return 0, err
	}
	return paid, emit(ctx, &sharev1.EventClaimed{Model: model, Holder: name, Amount: paid})
}

// MintContribution makes shares of a model for somebody who contributed, from
// what the issue reserved for that kind of contribution. Nothing else makes
// shares after the issue.
func (k *Keeper) MintContribution(ctx context.Context, model string, kind sharev1.Contribution, to sdk.AccAddress, shares uint64) error {
	i, err := k.issue(ctx, model)
	if err != nil {
		return err
	}
	holder, err := k.addresses.BytesToString(to)
	if err != nil {
		return err
	}
	for n, r := range i.Reserves {
		if r.Contribution != kind {
			continue
		}
		if shares == 0 || shares > r.Shares {
			return ErrReserve.Wrapf("%d shares are left, not %d", r.Shares, shares)
		}
		i.Reserves[n].Shares -= shares
		if err := k.issues.Set(ctx, model, i); err != nil {
			return err
		}
		if err := k.mint(ctx, i, holder, shares, false); err != nil {
			return err
		}
		return emit(ctx, &sharev1.EventContributed{Model: model, Holder: holder, Contribution: kind, Shares: shares})
	}
	return ErrReserve.Wrapf("nothing is reserved for %s", kind)
}
