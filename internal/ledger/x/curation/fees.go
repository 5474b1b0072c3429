package curation

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	curationv1 "github.com/koinon/koinon/api/koinon/curation/v1"
	"github.com/koinon/koinon/internal/mechanism/curation"
)

// Reward takes fees for a listing's curators from a module's account, and
// returns what is not theirs, which stays there. Escrow calls it at the end of
// a block.
func (k *Keeper) Reward(ctx context.Context, from, listing string, ucredit uint64) (uint64, error) {
	l, err := k.listing(ctx, listing)
	if err != nil {
		return 0, err
	}
	l, over := curation.Reward(l, ucredit)
	if over == ucredit {
		return over, nil
	}
	if err := k.bank.SendCoinsFromModuleToModule(ctx, from, ModuleName, coins(feeDenom, ucredit-over)); err != nil {
		return 0, err
	}
	return over, k.setListing(ctx, listing, l)
}

// Spent notes what the treasury got of a payer's payment for the work of some
// listings: how much the payer's rating of them weighs. Escrow calls it when a
// redemption is accepted.
func (k *Keeper) Spent(ctx context.Context, payer string, listings []string, ucredit uint64) error {
	if ucredit == 0 {
		return nil
	}
	for _, id := range listings {
		key := collections.Join(payer, id)
		s, err := k.spent.Get(ctx, key)
		if err != nil && !errors.Is(err, collections.ErrNotFound) {
			return err
		}
		sum := s.Amount + ucredit
		if sum < ucredit {
			sum = s.Amount // as much weight as there is
		}
		if err := k.spent.Set(ctx, key, curationv1.Spent{Payer: payer, Listing: id, Amount: sum}); err != nil {
			return err
		}
	}
	return nil
}

// Slash takes a part, in basis points, of all that is staked on a provider, and
// returns what it took, in ukoin, and gave to a module's account. It is for the
// module that convicts providers of fraud: who vouched for one loses with it.
func (k *Keeper) Slash(ctx context.Context, provider string, bps uint32, module string) (uint64, error) {
	id := kindProvider + "/" + provider
	l, err := k.listing(ctx, id)
	if err != nil || l.Staked == 0 {
		return 0, err
	}
	l, taken := curation.Slash(l, bps)
	if err := k.setListing(ctx, id, l); err != nil {
		return 0, err
	}
	if taken > 0 {
		if err := k.bank.SendCoinsFromModuleToModule(ctx, ModuleName, module, coins(stakeDenom, taken)); err != nil {
			return 0, err
		}
	}
	return taken, emit(ctx, &curationv1.EventSlashed{Listing: id, Amount: taken, Staked: l.Staked})
}

// perBlock bounds how many stakes one block gives back; the rest waits.
const perBlock = 1000

// release gives back stakes whose delay is over, in order.
func (k *Keeper) release(ctx context.Context) error {
	var due []curationv1.Leaving
	until := new(collections.Range[leavingKey]).EndExclusive(collections.Join3(blockTime(ctx)+1, "", ""))
	err := k.leavings.Walk(ctx, until, func(_ leavingKey, v curationv1.Leaving) (bool, error) {
		due = append(due, v)
		return len(due) == perBlock, nil
	})
	if err != nil {
		return err
	}
	for _, v := range due {
		if err := k.releaseOne(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keeper) releaseOne(ctx context.Context, v curationv1.Leaving) error {
	l, err := k.listing(ctx, v.Listing)
	if err != nil {
		return err
	}
	l, stake, dust := curation.Release(l, v.Units)
	key := collections.Join3(v.ReleaseAt, v.Curator, v.Listing)
	err = errors.Join(k.setListing(ctx, v.Listing, l), k.leavings.Remove(ctx, key), k.byCurator.Remove(ctx, collections.Join(v.Curator, key)))
	if err != nil {
		return err
	}
	if err := k.toTreasury(ctx, stakeDenom, dust); err != nil {
		return err
	}
	if stake > 0 {
		to, err := k.addresses.StringToBytes(v.Curator)
		if err != nil {
			return err
		}
		if err := k.bank.SendCoinsFromModuleToAccount(ctx, ModuleName, sdk.AccAddress(to), coins(stakeDenom, stake)); err != nil {
			return err
		}
	}
	return emit(ctx, &curationv1.EventReleased{Curator: v.Curator, Listing: v.Listing, Stake: stake})
}
