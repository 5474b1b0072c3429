package share

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/registry"
	"github.com/koinon/koinon/internal/mechanism/share"
)

// Bounds of an issue. A thousand million million shares are enough, and far
// below what 64 bits hold.
const (
	maxShares      = 1_000_000_000_000_000
	maxAllocations = 64
)

// messages serves transactions.
type messages struct{ *Keeper }

// Issue implements sharev1.MsgServer.
func (m messages) Issue(ctx context.Context, msg *sharev1.MsgIssue) (*sharev1.MsgIssueResponse, error) {
	model, err := m.models.Model(ctx, msg.Model)
	if err != nil {
		return nil, err
	}
	if model.Owner != msg.Owner {
		return nil, fmt.Errorf("%w: %s is %s's", ErrNotOwner, msg.Model, model.Owner)
	}
	if known, err := m.issues.Has(ctx, msg.Model); err != nil {
		return nil, err
	} else if known {
		return nil, ErrIssued.Wrap(msg.Model)
	}
	allocated, reserved, err := m.checkIssue(ctx, msg)
	if err != nil {
		return nil, err
	}
	i := sharev1.Issue{Model: msg.Model, Denom: registry.Denom(msg.Model), Reserves: msg.Reserves, IssuedAt: blockTime(ctx)}
	if err := errors.Join(m.models.MarkShared(ctx, msg.Model), m.issues.Set(ctx, msg.Model, i)); err != nil {
		return nil, err
	}
	m.bank.SetDenomMetaData(ctx, banktypes.Metadata{
		Base: i.Denom, Display: i.Denom, Name: "Shares of " + i.Model, Symbol: i.Model,
		Description: "A part of the royalties of the model " + i.Model + ".",
		DenomUnits:  []*banktypes.DenomUnit{{Denom: i.Denom}},
	})
	for _, a := range msg.Allocations {
		if err := m.mint(ctx, i, a.Holder, a.Shares, a.End != 0); err != nil {
			return nil, err
		}
		if a.End == 0 {
			continue
		}
		if _, err := m.schedule(ctx, i.Model, a); err != nil {
			return nil, err
		}
	}
	return &sharev1.MsgIssueResponse{Denom: i.Denom},
		emit(ctx, &sharev1.EventIssued{Model: i.Model, Denom: i.Denom, Supply: allocated, Reserved: reserved})
}

// checkIssue refuses an issue that is not one, and adds it up.
func (m messages) checkIssue(ctx context.Context, msg *sharev1.MsgIssue) (allocated, reserved uint64, err error) {
	if len(msg.Allocations) > maxAllocations || len(msg.Reserves) >= len(sharev1.Contribution_name) {
		return 0, 0, ErrAllocation.Wrapf("at most %d allocations, and one reserve for each kind of contribution", maxAllocations)
	}
	for n, a := range msg.Allocations {
		if err := m.checkAllocation(ctx, a); err != nil {
			return 0, 0, err
		}
		for _, other := range msg.Allocations[:n] {
			if other.Holder == a.Holder {
				return 0, 0, ErrAllocation.Wrapf("%s has two", a.Holder)
			}
		}
		allocated += a.Shares // fits: 64 times maxShares do
	}
	for n, r := range msg.Reserves {
		if _, known := sharev1.Contribution_name[int32(r.Contribution)]; !known || r.Contribution == 0 || r.Shares == 0 || r.Shares > maxShares {
			return 0, 0, ErrAllocation.Wrapf("a reserve of %d shares for %s", r.Shares, r.Contribution)
		}
		for _, other := range msg.Reserves[:n] {
			if other.Contribution == r.Contribution {
				return 0, 0, ErrAllocation.Wrapf("two reserves for %s", r.Contribution)
			}
		}
		reserved += r.Shares
	}
	if sum := allocated + reserved; sum == 0 || sum > maxShares {
		return 0, 0, ErrAllocation.Wrapf("%d shares altogether, at least 1 and at most %d are possible", sum, uint64(maxShares))
	}
	return allocated, reserved, nil
}

func (m messages) checkAllocation(ctx context.Context, a sharev1.Allocation) error {
	holder, err := account.Parse(m.addresses, a.Holder)
	if err != nil {
		return err
	}
	if m.bank.BlockedAddr(holder) {
		return ErrAllocation.Wrapf("%s is a module's account", a.Holder)
	}
	if a.Shares == 0 || a.Shares > maxShares {
		return ErrAllocation.Wrapf("%d shares for %s", a.Shares, a.Holder)
	}
	if a.End == 0 {
		if a.Start != 0 || a.Cliff != 0 {
			return ErrAllocation.Wrapf("%s: a schedule needs an end", a.Holder)
		}
		return nil
	}
	return share.Vesting{Shares: a.Shares, Start: a.Start, Cliff: a.Cliff, End: a.End}.Validate(blockTime(ctx))
}

// schedule stores a new schedule, whose shares are kept already.
func (m messages) schedule(ctx context.Context, model string, a sharev1.Allocation) (uint64, error) {
	id, err := m.nextVesting.Next(ctx)
	if err != nil {
		return 0, err
	}
	v := sharev1.Vesting{Id: id, Model: model, Holder: a.Holder, Shares: a.Shares, Start: a.Start, Cliff: a.Cliff, End: a.End}
	return id, errors.Join(m.vestings.Set(ctx, collections.Join3(model, a.Holder, id), v),
		emit(ctx, &sharev1.EventVested{Model: model, Holder: a.Holder, Id: id, Shares: a.Shares, End: a.End}))
}

// Claim implements sharev1.MsgServer.
func (m messages) Claim(ctx context.Context, msg *sharev1.MsgClaim) (*sharev1.MsgClaimResponse, error) {
	holder, err := account.Parse(m.addresses, msg.Holder)
	if err != nil {
		return nil, err
	}
	paid, err := m.Keeper.Claim(ctx, msg.Model, holder)
	return &sharev1.MsgClaimResponse{Amount: paid}, err
}

// Vest implements sharev1.MsgServer.
func (m messages) Vest(ctx context.Context, msg *sharev1.MsgVest) (*sharev1.MsgVestResponse, error) {
	i, err := m.issue(ctx, msg.Model)
	if err != nil {
		return nil, err
	}
	if err := m.checkAllocation(ctx, msg.Allocation); err != nil {
		return nil, err
	}
	if msg.Allocation.End == 0 {
		return nil, ErrAllocation.Wrap("a schedule needs an end")
	}
	if err := m.keep(ctx, i, msg.From, msg.Allocation.Holder, msg.Allocation.Shares); err != nil {
		return nil, err
	}
	id, err := m.schedule(ctx, msg.Model, msg.Allocation)
	return &sharev1.MsgVestResponse{Id: id}, err
}

// Release implements sharev1.MsgServer.
func (m messages) Release(ctx context.Context, msg *sharev1.MsgRelease) (*sharev1.MsgReleaseResponse, error) {
	key := collections.Join3(msg.Model, msg.Holder, msg.Id)
	v, err := m.vestings.Get(ctx, key)
	if errors.Is(err, collections.ErrNotFound) {
		return nil, ErrNoVesting.Wrapf("%d of %s", msg.Id, msg.Holder)
	}
	if err != nil {
		return nil, err
	}
	n := vestingOf(v).Free(blockTime(ctx))
	if n == 0 {
		return nil, ErrNotVested.Wrapf("%d of %d shares were released", v.Released, v.Shares)
	}
	if v.Released += n; v.Released == v.Shares {
		err = m.vestings.Remove(ctx, key)
	} else {
		err = m.vestings.Set(ctx, key, v)
	}
	if err != nil {
		return nil, err
	}
	i, h, had, err := m.load(ctx, msg.Model, msg.Holder)
	if err != nil {
		return nil, err
	}
	return &sharev1.MsgReleaseResponse{Shares: n}, errors.Join(m.free(ctx, i, h, had, n),
		emit(ctx, &sharev1.EventReleased{Model: msg.Model, Holder: msg.Holder, Shares: n}))
}

// load returns a model's issue and a holding of it that is up to date.
func (m messages) load(ctx context.Context, model, holder string) (sharev1.Issue, sharev1.Holding, uint64, error) {
	i, err := m.issue(ctx, model)
	if err != nil {
		return i, sharev1.Holding{}, 0, err
	}
	h, had, err := m.settle(ctx, i, holder)
	return i, h, had, err
}

// Lock implements sharev1.MsgServer.
func (m messages) Lock(ctx context.Context, msg *sharev1.MsgLock) (*sharev1.MsgLockResponse, error) {
	i, h, had, err := m.load(ctx, msg.Model, msg.Holder)
	if err != nil {
		return nil, err
	}
	lock, err := share.Lock{Shares: h.Locked, Until: h.LockedUntil}.Extend(msg.Shares, msg.Until, blockTime(ctx))
	if err != nil {
		return nil, err
	}
	if had-h.Kept < msg.Shares {
		return nil, ErrTooFew.Wrapf("%d of %s, not %d", had-h.Kept, msg.Model, msg.Shares)
	}
	h.Locked, h.LockedUntil = lock.Shares, lock.Until
	if err := m.setHolding(ctx, h, had); err != nil {
		return nil, err
	}
	if msg.Shares > 0 {
		if err := m.keep(ctx, i, msg.Holder, msg.Holder, msg.Shares); err != nil {
			return nil, err
		}
	}
	return &sharev1.MsgLockResponse{}, emit(ctx, &sharev1.EventLocked{Model: msg.Model, Holder: msg.Holder, Locked: lock.Shares, Until: lock.Until})
}

// Unlock implements sharev1.MsgServer.
func (m messages) Unlock(ctx context.Context, msg *sharev1.MsgUnlock) (*sharev1.MsgUnlockResponse, error) {
	i, h, had, err := m.load(ctx, msg.Model, msg.Holder)
	if err != nil {
		return nil, err
	}
	n, err := share.Lock{Shares: h.Locked, Until: h.LockedUntil}.Open(blockTime(ctx))
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, ErrTooFew.Wrapf("none of %s are locked", msg.Model)
	}
	h.Locked, h.LockedUntil = 0, 0
	return &sharev1.MsgUnlockResponse{Shares: n}, errors.Join(m.free(ctx, i, h, had, n),
		emit(ctx, &sharev1.EventReleased{Model: msg.Model, Holder: msg.Holder, Shares: n}))
}

// Delegate implements sharev1.MsgServer. One who votes for others votes for
// those who chose it, not for those who chose them.
func (m messages) Delegate(ctx context.Context, msg *sharev1.MsgDelegate) (*sharev1.MsgDelegateResponse, error) {
	_, h, had, err := m.load(ctx, msg.Model, msg.Holder)
	if err != nil {
		return nil, err
	}
	to := msg.To
	if to == msg.Holder {
		to = ""
	}
	if to != "" {
		if _, err := account.Parse(m.addresses, to); err != nil {
			return nil, fmt.Errorf("to: %w", err)
		}
	}
	before := voterOf(h)
	h.Delegate = to
	if err := m.setHolding(ctx, h, had); err != nil {
		return nil, err
	}
	return &sharev1.MsgDelegateResponse{}, errors.Join(m.shift(ctx, msg.Model, before, voterOf(h), had),
		emit(ctx, &sharev1.EventDelegated{Model: msg.Model, Holder: msg.Holder, To: to}))
}
