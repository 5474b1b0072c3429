package escrow

import (
	"context"
	"errors"
	"fmt"
	"math/bits"

	"cosmossdk.io/collections"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/internal/mechanism/split"
)

// AuditFund is the account of the module that convicts: a part of the treasury's
// fees pays its auditors.
const AuditFund = "audit"

// Withhold keeps a provider's pay from maturing, or lets it mature again.
func (k *Keeper) Withhold(ctx context.Context, provider string, withheld bool) error {
	if withheld {
		return k.withheld.Set(ctx, provider)
	}
	return k.withheld.Remove(ctx, provider)
}

// Dispute keeps a provider's pay from maturing while a case about one of its
// receipts is open: all of it would be forfeit.
func (k *Keeper) Dispute(ctx context.Context, provider string, id uint64, open bool) error {
	key := collections.Join(provider, id)
	if open {
		return k.disputed.Set(ctx, key)
	}
	return k.disputed.Remove(ctx, key)
}

// waits says whether a provider's pay may not mature now: it is withheld, or the
// court hears a case about it.
func (k *Keeper) waits(ctx context.Context, p escrowv1.Payout) (bool, error) {
	wait, err := k.withheld.Has(ctx, p.Provider)
	if err != nil || wait {
		return wait, err
	}
	err = k.disputed.Walk(ctx, collections.NewPrefixedPairRange[string, uint64](p.Provider), func(collections.Pair[string, uint64]) (bool, error) {
		wait = true
		return true, nil
	})
	return wait, err
}

// leastHold is how long pay that is withheld waits before it is looked at again,
// in seconds.
const leastHold = 60

// postpone puts pay that has to wait off by another challenge window.
func (k *Keeper) postpone(ctx context.Context, p escrowv1.Payout) (bool, error) {
	if p.Role != escrowv1.Role_ROLE_PROVIDER {
		return false, nil
	}
	wait, err := k.waits(ctx, p)
	if err != nil || !wait {
		return false, err
	}
	params, err := k.loadParams(ctx)
	if err != nil {
		return false, err
	}
	later := p
	later.DueAt = blockTime(ctx) + max(params.ChallengeWindow, leastHold)
	return true, errors.Join(k.removePayout(ctx, p), k.storePayout(ctx, later))
}

// maxForfeit bounds how many payouts one conviction takes.
const maxForfeit = 20_000

// Forfeit takes what a provider has earned and has not been paid, the first to
// mature first, into the audit fund's account, and returns how much that is, in
// ucredit.
func (k *Keeper) Forfeit(ctx context.Context, provider string) (uint64, error) {
	var list []escrowv1.Payout
	maturing := collections.NewPrefixedPairRange[string, payoutKey](provider)
	err := k.byReceiver.Walk(ctx, maturing, func(key collections.Pair[string, payoutKey]) (bool, error) {
		p, err := k.payouts.Get(ctx, key.K2())
		if p.Role == escrowv1.Role_ROLE_PROVIDER {
			list = append(list, p)
		}
		return len(list) == maxForfeit, err
	})
	if err != nil {
		return 0, err
	}
	var sum uint64 // fits, as all credit does
	for _, p := range list {
		if err := k.removePayout(ctx, p); err != nil {
			return 0, err
		}
		sum += p.Amount
	}
	if sum == 0 {
		return 0, nil
	}
	if err := k.bank.SendCoinsFromModuleToModule(ctx, ModuleName, AuditFund, coins(sum)); err != nil {
		return 0, err
	}
	return sum, emit(ctx, &escrowv1.EventForfeited{Provider: provider, Amount: sum})
}

// payTreasury pays the treasury its part of a redemption, less the audit fund's,
// which is rounded down.
func (k *Keeper) payTreasury(ctx context.Context, p escrowv1.Payout) error {
	params, err := k.loadParams(ctx)
	if err != nil {
		return err
	}
	high, low := bits.Mul64(p.Amount, uint64(params.AuditBps))
	audits, _ := bits.Div64(high, low, split.Whole)
	if audits > 0 {
		if err := k.bank.SendCoinsFromModuleToModule(ctx, ModuleName, AuditFund, coins(audits)); err != nil {
			return err
		}
	}
	if p.Amount == audits {
		return nil
	}
	return k.pool.FundCommunityPool(ctx, coins(p.Amount-audits), k.account)
}

// expose keeps the sum of a provider's active grants.
func (k *Keeper) expose(ctx context.Context, provider string, less, more uint64) error {
	sum, err := k.exposures.Get(ctx, provider)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return err
	}
	if sum = sum - less + more; sum == 0 { // fits: grants are locked credit
		return k.exposures.Remove(ctx, provider)
	}
	return k.exposures.Set(ctx, provider, sum)
}

// mayExpose refuses a grant that would leave a provider with more to lose for
// others than it has at stake itself.
func (k *Keeper) mayExpose(ctx context.Context, g escrow.Grant) error {
	most, bounded, err := k.providers.Exposure(ctx, g.Provider)
	if err != nil || !bounded {
		return err
	}
	sum, err := k.exposures.Get(ctx, g.Provider)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return err
	}
	if rest := g.Rest(); sum > most || rest > most-sum {
		return fmt.Errorf("%w: %d ucredit are active, this grant adds %d, its bond allows %d", escrow.ErrExposure, sum, rest, most)
	}
	return nil
}
