package escrow

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/receipt"
)

// loadParams returns the parameters.
func (k *Keeper) loadParams(ctx context.Context) (escrow.Params, error) {
	p, err := k.params.Get(ctx)
	return paramsOf(p), err
}

// loadAccount returns a payer's escrow, empty if it has none yet.
func (k *Keeper) loadAccount(ctx context.Context, payer string) (escrow.Account, error) {
	e, err := k.escrows.Get(ctx, payer)
	if errors.Is(err, collections.ErrNotFound) {
		return escrow.Account{Payer: payer}, nil
	}
	return accountOf(e), err
}

func (k *Keeper) storeAccount(ctx context.Context, a escrow.Account) error {
	return k.escrows.Set(ctx, a.Payer, storedAccount(a))
}

// loadGrant returns an activated grant, or ErrNotFound.
func (k *Keeper) loadGrant(ctx context.Context, id string) (escrow.Grant, error) {
	g, err := k.grants.Get(ctx, id)
	if errors.Is(err, collections.ErrNotFound) {
		return escrow.Grant{}, fmt.Errorf("%w: grant %s", ErrNotFound, id)
	}
	if err != nil {
		return escrow.Grant{}, err
	}
	return activeOf(g)
}

// addGrant stores a grant that is new, with its indexes.
func (k *Keeper) addGrant(ctx context.Context, g escrow.Grant) error {
	id := g.ID.Hex()
	return errors.Join(
		k.expose(ctx, g.Provider, 0, g.Rest()),
		k.grants.Set(ctx, id, storedActive(g)),
		k.releases.Set(ctx, collections.Join(g.ReleaseAt, id)),
		k.byPayer.Set(ctx, collections.Join(g.Payer, id)),
		k.byProvider.Set(ctx, collections.Join(g.Provider, id)))
}

// removeGrant forgets a grant that cannot be replayed any more.
func (k *Keeper) removeGrant(ctx context.Context, g escrow.Grant) error {
	id := g.ID.Hex()
	return errors.Join(
		k.grants.Remove(ctx, id),
		k.releases.Remove(ctx, collections.Join(g.ReleaseAt, id)),
		k.byPayer.Remove(ctx, collections.Join(g.Payer, id)),
		k.byProvider.Remove(ctx, collections.Join(g.Provider, id)))
}

// WalkActive calls each for every active grant, in the order of their ids.
func (k *Keeper) WalkActive(ctx context.Context, each func(receipt.Grant) error) error {
	return k.grants.Walk(ctx, nil, func(_ string, stored escrowv1.ActiveGrant) (bool, error) {
		if stored.Status != escrowv1.GrantStatus_GRANT_STATUS_ACTIVE {
			return false, nil
		}
		g, err := GrantOf(stored.Grant)
		if err != nil {
			return true, err
		}
		return false, each(g)
	})
}

func keyOf(p escrowv1.Payout) payoutKey {
	return collections.Join3(p.DueAt, p.Source, fmt.Sprintf("%d/%s", p.Role, p.Recipient))
}

// addPayout stores money on its way. A redemption's payouts are new, as its
// ticket is; a payer's withdrawal may not be, if it is the second in a block.
func (k *Keeper) addPayout(ctx context.Context, p escrow.Payout) error {
	stored := storedPayout(p)
	if known, err := k.payouts.Has(ctx, keyOf(stored)); err != nil {
		return err
	} else if known {
		return escrow.ErrWithdrawnAlready
	}
	return k.storePayout(ctx, stored)
}

func (k *Keeper) storePayout(ctx context.Context, p escrowv1.Payout) error {
	key := keyOf(p)
	return errors.Join(k.payouts.Set(ctx, key, p), k.byReceiver.Set(ctx, collections.Join(p.Recipient, key)))
}

func (k *Keeper) removePayout(ctx context.Context, p escrowv1.Payout) error {
	key := keyOf(p)
	return errors.Join(k.payouts.Remove(ctx, key), k.byReceiver.Remove(ctx, collections.Join(p.Recipient, key)))
}

// perBlock bounds how many payouts, and how many lapses, one block handles;
// the rest waits for the next.
const perBlock = 2000

// payDue pays what is due, in order. A recipient that may not hold money, such
// as a module's account, gives way to the treasury, so that nobody can stop
// the ledger by a policy.
func (k *Keeper) payDue(ctx context.Context) error {
	var due []escrowv1.Payout
	until := new(collections.Range[payoutKey]).EndExclusive(collections.Join3(blockTime(ctx)+1, "", ""))
	err := k.payouts.Walk(ctx, until, func(_ payoutKey, p escrowv1.Payout) (bool, error) {
		due = append(due, p)
		return len(due) == perBlock, nil
	})
	if err != nil {
		return err
	}
	for _, p := range due {
		if wait, err := k.postpone(ctx, p); err != nil {
			return err
		} else if wait {
			continue
		}
		if err := k.pay(ctx, p); err != nil {
			return fmt.Errorf("paying %d ucredit to %s for %s: %w", p.Amount, p.Recipient, p.Source, err)
		}
		if err := k.removePayout(ctx, p); err != nil {
			return err
		}
		event := &escrowv1.EventPaid{Recipient: p.Recipient, Role: p.Role, Amount: p.Amount, Source: p.Source}
		if err := emit(ctx, event); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keeper) pay(ctx context.Context, p escrowv1.Payout) error {
	switch p.Role {
	case escrowv1.Role_ROLE_CURATORS:
		return k.payOver(ctx, p, k.curators.Reward)
	case escrowv1.Role_ROLE_ROYALTY:
		return k.payOver(ctx, p, k.royalties.Pay)
	}
	if p.Recipient == Treasury {
		return k.payTreasury(ctx, p)
	}
	recipient, err := k.addresses.StringToBytes(p.Recipient)
	if err != nil || k.bank.BlockedAddr(recipient) {
		return k.pool.FundCommunityPool(ctx, coins(p.Amount), k.account)
	}
	return k.bank.SendCoinsFromModuleToAccount(ctx, ModuleName, recipient, coins(p.Amount))
}

// payOver pays those whom another module knows; what it leaves is the treasury's.
func (k *Keeper) payOver(ctx context.Context, p escrowv1.Payout, give func(ctx context.Context, from, to string, ucredit uint64) (uint64, error)) error {
	over, err := give(ctx, ModuleName, p.Recipient, p.Amount)
	if err != nil || over == 0 {
		return err
	}
	return k.pool.FundCommunityPool(ctx, coins(over), k.account)
}

// lapse closes grants whose time is over, gives what they locked back, and
// forgets them: as they are expired, they cannot be activated again.
func (k *Keeper) lapse(ctx context.Context) error {
	var due []timedKey
	until := new(collections.Range[timedKey]).EndExclusive(collections.Join(blockTime(ctx)+1, ""))
	err := k.releases.Walk(ctx, until, func(key timedKey) (bool, error) {
		due = append(due, key)
		return len(due) == perBlock, nil
	})
	if err != nil {
		return err
	}
	for _, key := range due {
		if err := k.lapseGrant(ctx, key.K2()); err != nil {
			return fmt.Errorf("lapse of grant %s: %w", key.K2(), err)
		}
	}
	return nil
}

func (k *Keeper) lapseGrant(ctx context.Context, id string) error {
	g, err := k.loadGrant(ctx, id)
	if err != nil {
		return err
	}
	if g.Status == escrow.Closed {
		return k.removeGrant(ctx, g)
	}
	a, err := k.loadAccount(ctx, g.Payer)
	if err != nil {
		return err
	}
	a, g, returned, err := escrow.Expire(a, g, blockTime(ctx))
	if err != nil {
		return err
	}
	if err := errors.Join(k.storeAccount(ctx, a), k.expose(ctx, g.Provider, returned, 0)); err != nil {
		return err
	}
	if err := errors.Join(k.removeGrant(ctx, g), k.rights.Settle(ctx, g.Grant, g.Receipts)); err != nil {
		return err
	}
	return emit(ctx, &escrowv1.EventGrantClosed{Id: id, Payer: g.Payer, Provider: g.Provider, Returned: returned, Expired: true})
}

// UseFree counts one more gas-free transaction of a buyer, or refuses it.
func (k *Keeper) UseFree(ctx context.Context, address string) error {
	params, err := k.loadParams(ctx)
	if err != nil {
		return err
	}
	used, err := k.freeUses.Get(ctx, address)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return err
	}
	next, err := escrow.UseFree(params, escrow.FreeUse{Window: used.Window, Count: used.Count}, sdk.UnwrapSDKContext(ctx).BlockHeight())
	if err != nil {
		return err
	}
	return k.freeUses.Set(ctx, address, escrowv1.FreeUse{Address: address, Window: next.Window, Count: next.Count})
}

// blockTime is Unix seconds.
func blockTime(ctx context.Context) int64 { return sdk.UnwrapSDKContext(ctx).BlockTime().Unix() }
