package share

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/buyout"
)

// settledPerBlock bounds how many tenders one block settles; the rest waits.
const settledPerBlock = 200

// bid returns a bid that is not over, or ErrNoBid.
func (k *Keeper) bid(ctx context.Context, id uint64) (sharev1.Bid, error) {
	b, err := k.bids.Get(ctx, id)
	if errors.Is(err, collections.ErrNotFound) {
		return b, fmt.Errorf("%w: %d", ErrNoBid, id)
	}
	return b, err
}

// tendered is how many shares a holder has in a bid.
func (k *Keeper) tendered(ctx context.Context, bid uint64, holder string) (uint64, error) {
	t, err := k.tenders.Get(ctx, collections.Join(bid, holder))
	if errors.Is(err, collections.ErrNotFound) {
		return 0, nil
	}
	return t.Shares, err
}

// setTendered stores what a holder has in a bid, or forgets that it has nothing.
func (k *Keeper) setTendered(ctx context.Context, bid uint64, holder string, shares uint64) error {
	key := collections.Join(bid, holder)
	if shares == 0 {
		return k.tenders.Remove(ctx, key)
	}
	return k.tenders.Set(ctx, key, sharev1.Tender{Bid: bid, Holder: holder, Shares: shares})
}

// storeBid stores what a bid has become; one that is decided is looked at until
// nothing of it is left.
func (k *Keeper) storeBid(ctx context.Context, s sharev1.Bid, b buyout.Bid) error {
	s = storedBid(s, b)
	var err error
	if s.Status == sharev1.BidStatus_BID_STATUS_SUCCEEDED && s.Tendered > 0 {
		err = k.settling.Set(ctx, s.Id)
	}
	return errors.Join(err, k.bids.Set(ctx, s.Id, s))
}

// Bid implements sharev1.MsgServer.
func (m messages) Bid(ctx context.Context, msg *sharev1.MsgBid) (*sharev1.MsgBidResponse, error) {
	from, err := account.Parse(m.addresses, msg.Bidder)
	if err != nil {
		return nil, err
	}
	i, err := m.issue(ctx, msg.Model)
	if err != nil {
		return nil, err
	}
	_, own, err := m.holding(ctx, msg.Model, msg.Bidder)
	if err != nil {
		return nil, err
	}
	s := sharev1.Bid{Model: msg.Model, Bidder: msg.Bidder, Price: msg.Price, Least: msg.Least, Most: m.supply(ctx, msg.Model) - own, Deadline: msg.Deadline}
	b, err := buyout.New(bidTerms(s), blockTime(ctx))
	if err != nil {
		return nil, err
	}
	if err := m.bank.SendCoins(ctx, from, m.account, coins(royaltyDenom, b.Held)); err != nil {
		return nil, err
	}
	if s.Id, err = m.nextBid.Next(ctx); err != nil {
		return nil, err
	}
	return &sharev1.MsgBidResponse{Bid: s.Id, Deposit: b.Held}, errors.Join(m.storeBid(ctx, s, b), m.closing.Set(ctx, collections.Join(s.Deadline, s.Id)),
		emit(ctx, &sharev1.EventBid{Model: i.Model, Bid: s.Id, Bidder: s.Bidder, Price: s.Price, Least: s.Least, Deadline: s.Deadline}))
}

// Tender implements sharev1.MsgServer.
func (m messages) Tender(ctx context.Context, msg *sharev1.MsgTender) (*sharev1.MsgTenderResponse, error) {
	s, err := m.bid(ctx, msg.Bid)
	if err != nil {
		return nil, err
	}
	if msg.Holder == s.Bidder {
		return nil, fmt.Errorf("%w: the bid is your own", ErrNoBid)
	}
	b, err := buyout.Tender(bidTerms(s), bidOf(s), msg.Shares, blockTime(ctx))
	if err != nil {
		return nil, err
	}
	i, h, had, err := m.load(ctx, s.Model, msg.Holder)
	if err != nil {
		return nil, err
	}
	if had-h.Kept < msg.Shares {
		return nil, ErrTooFew.Wrapf("%d of %s, not %d", had-h.Kept, s.Model, msg.Shares)
	}
	has, err := m.tendered(ctx, s.Id, msg.Holder)
	if err != nil {
		return nil, err
	}
	return &sharev1.MsgTenderResponse{}, errors.Join(m.keep(ctx, i, msg.Holder, msg.Holder, msg.Shares),
		m.setTendered(ctx, s.Id, msg.Holder, has+msg.Shares), m.storeBid(ctx, s, b),
		emit(ctx, &sharev1.EventTendered{Model: s.Model, Bid: s.Id, Holder: msg.Holder, Shares: msg.Shares}))
}

// TakeBack implements sharev1.MsgServer.
func (m messages) TakeBack(ctx context.Context, msg *sharev1.MsgTakeBack) (*sharev1.MsgTakeBackResponse, error) {
	s, err := m.bid(ctx, msg.Bid)
	if err != nil {
		return nil, err
	}
	has, err := m.tendered(ctx, s.Id, msg.Holder)
	if err != nil {
		return nil, err
	}
	b, err := buyout.TakeBack(bidTerms(s), bidOf(s), has, msg.Shares)
	if err != nil {
		return nil, err
	}
	i, h, had, err := m.load(ctx, s.Model, msg.Holder)
	if err != nil {
		return nil, err
	}
	return &sharev1.MsgTakeBackResponse{}, errors.Join(m.free(ctx, i, h, had, msg.Shares),
		m.setTendered(ctx, s.Id, msg.Holder, has-msg.Shares), m.storeBid(ctx, s, b),
		emit(ctx, &sharev1.EventTakenBack{Model: s.Model, Bid: s.Id, Holder: msg.Holder, Shares: msg.Shares}))
}

// closeBids ends bids at their deadlines; those that have shares to pay for yet are
// looked at again in the next block.
func (k *Keeper) closeBids(ctx context.Context) error {
	type key = collections.Pair[int64, uint64]
	now := blockTime(ctx)
	var due []key
	err := k.closing.Walk(ctx, new(collections.Range[key]).EndExclusive(collections.Join(now+1, uint64(0))), func(at key) (bool, error) {
		due = append(due, at)
		return len(due) == settledPerBlock, nil
	})
	if err != nil {
		return err
	}
	for _, at := range due {
		s, err := k.bid(ctx, at.K2())
		if err != nil {
			return err
		}
		b, refund, closed := buyout.Close(bidTerms(s), bidOf(s), now)
		if !closed {
			continue
		}
		to, err := k.addresses.StringToBytes(s.Bidder)
		if err == nil && refund > 0 {
			err = k.bank.SendCoins(ctx, k.account, to, coins(royaltyDenom, refund))
		}
		s = storedBid(s, b)
		err = errors.Join(err, k.closing.Remove(ctx, at), emit(ctx, &sharev1.EventBidClosed{Model: s.Model, Bid: s.Id, Status: s.Status, Bought: s.Bought, Refund: refund}))
		if b.Tendered > 0 {
			err = errors.Join(err, k.bids.Set(ctx, s.Id, s), k.settling.Set(ctx, s.Id))
		} else {
			err = errors.Join(err, k.bids.Remove(ctx, s.Id))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// settleBids pays for tendered shares, or gives them back, some of them in a block.
func (k *Keeper) settleBids(ctx context.Context) error {
	var ids []uint64
	err := k.settling.Walk(ctx, nil, func(id uint64) (bool, error) {
		ids = append(ids, id)
		return len(ids) == settledPerBlock, nil
	})
	if err != nil {
		return err
	}
	left := settledPerBlock
	for _, id := range ids {
		s, err := k.bid(ctx, id)
		if err != nil {
			return err
		}
		var some []sharev1.Tender
		err = k.tenders.Walk(ctx, collections.NewPrefixedPairRange[uint64, string](id), func(_ tenderKey, t sharev1.Tender) (bool, error) {
			some = append(some, t)
			return len(some) == left, nil
		})
		if err != nil {
			return err
		}
		b := bidOf(s)
		for _, t := range some {
			if b, err = k.settleTender(ctx, s, b, t); err != nil {
				return err
			}
		}
		s = storedBid(s, b)
		switch {
		case b.Tendered > 0:
			return k.bids.Set(ctx, id, s)
		case b.Status == buyout.Failed:
			err = k.bids.Remove(ctx, id)
		default:
			err = k.bids.Set(ctx, id, s)
		}
		if err := errors.Join(err, k.settling.Remove(ctx, id)); err != nil {
			return err
		}
		if left -= len(some); left == 0 {
			return nil
		}
	}
	return nil
}

// settleTender pays one holder, or gives its shares back.
func (k *Keeper) settleTender(ctx context.Context, s sharev1.Bid, b buyout.Bid, t sharev1.Tender) (buyout.Bid, error) {
	b, ucredit, bought := buyout.Settle(bidTerms(s), b, t.Shares)
	i, err := k.issue(ctx, s.Model)
	if err != nil {
		return b, err
	}
	if err := k.setTendered(ctx, t.Bid, t.Holder, 0); err != nil {
		return b, err
	}
	h, had, err := k.settle(ctx, i, t.Holder)
	if err != nil {
		return b, err
	}
	if !bought {
		return b, errors.Join(k.free(ctx, i, h, had, t.Shares),
			emit(ctx, &sharev1.EventTakenBack{Model: s.Model, Bid: s.Id, Holder: t.Holder, Shares: t.Shares}))
	}
	other, theirs, err := k.settle(ctx, i, s.Bidder)
	if err != nil {
		return b, err
	}
	h.Kept -= t.Shares
	from, err := k.addresses.StringToBytes(t.Holder)
	if err != nil {
		return b, err
	}
	to, err := k.addresses.StringToBytes(s.Bidder)
	if err != nil {
		return b, err
	}
	return b, errors.Join(k.setHolding(ctx, h, had-t.Shares), k.setHolding(ctx, other, theirs+t.Shares),
		k.shift(ctx, s.Model, voterOf(h), voterOf(other), t.Shares),
		k.bank.SendCoins(ctx, k.account, to, coins(i.Denom, t.Shares)),
		k.bank.SendCoins(ctx, k.account, from, coins(royaltyDenom, ucredit)),
		emit(ctx, &sharev1.EventBought{Model: s.Model, Bid: s.Id, Holder: t.Holder, Shares: t.Shares, Amount: ucredit}))
}
