package offering

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
	"github.com/koinon/koinon/internal/mechanism/curve"
	"github.com/koinon/koinon/internal/mechanism/offering"
	"github.com/koinon/koinon/internal/mechanism/share"
)

// perBlock bounds how many offerings one block closes, and how many positions it
// settles; the rest waits for the next.
const perBlock = 200

// endBlock clears the block's orders, closes offerings that are over, and gives
// buyers of closed ones what they are owed.
func (k *Keeper) endBlock(ctx context.Context) error {
	if err := k.clearOrders(ctx); err != nil {
		return err
	}
	if err := k.closeDue(ctx); err != nil {
		return err
	}
	return k.settleSome(ctx)
}

// clearOrders fills all orders of the block, offering by offering.
func (k *Keeper) clearOrders(ctx context.Context) error {
	var list []offeringv1.Order
	if err := collect(ctx, k.orders, &list); err != nil || len(list) == 0 {
		return err
	}
	if err := k.orders.Clear(ctx, nil); err != nil {
		return err
	}
	for len(list) > 0 { // they are in the order of offerings
		n := 1
		for n < len(list) && list[n].Offering == list[0].Offering {
			n++
		}
		if err := k.clear(ctx, list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// clear fills the orders of one offering.
func (k *Keeper) clear(ctx context.Context, orders []offeringv1.Order) error {
	o, err := k.Offering(ctx, orders[0].Offering)
	if err != nil {
		return err
	}
	var buyers, sellers []offeringv1.Order
	var buys []offering.Buy
	var asks []curve.Ask
	for _, order := range orders {
		if order.Budget > 0 {
			buyers, buys = append(buyers, order), append(buys, offering.Buy{Budget: order.Budget, Limit: order.Limit})
		} else {
			sellers, asks = append(sellers, order), append(asks, curve.Ask{Shares: order.Shares, Limit: order.Limit})
		}
	}
	terms := termsOf(o.Terms)
	sale, cleared, err := offering.Clear(terms, saleOf(o), buys, asks)
	if err != nil {
		return err
	}
	o = withSale(o, sale)
	for i, order := range sellers {
		if err := k.fillSale(ctx, &o, order, cleared.Sold[i]); err != nil {
			return err
		}
	}
	for i, order := range buyers {
		if err := k.fillPurchase(ctx, &o, order, cleared.Bought[i]); err != nil {
			return err
		}
	}
	if cleared.Dust > 0 {
		if err := k.pool.FundCommunityPool(ctx, coins(creditDenom, cleared.Dust), k.account); err != nil {
			return err
		}
	}
	if next, closed := offering.Close(terms, sale, blockTime(ctx)); closed {
		if err := k.due.Remove(ctx, collections.Join(o.Terms.Deadline, o.Id)); err != nil {
			return err
		}
		if err := k.close(ctx, withSale(o, next)); err != nil {
			return err
		}
	} else if err := k.offerings.Set(ctx, o.Id, o); err != nil {
		return err
	}
	return emit(ctx, &offeringv1.EventCleared{
		Offering: o.Id, BuyPrice: cleared.BuyPrice, SellPrice: cleared.SellPrice, Sold: o.Sold, Raised: o.Raised})
}

// fillSale pays a seller, or gives back shares that were not bought.
func (k *Keeper) fillSale(ctx context.Context, o *offeringv1.Offering, order offeringv1.Order, sold offering.Sold) error {
	o.Stock += sold.Shares
	back := coins(o.Denom, order.Shares-sold.Shares).Add(coins(creditDenom, sold.Ucredit)...)
	return errors.Join(k.pay(ctx, order.Account, back), emit(ctx, &offeringv1.EventFilled{
		Offering: o.Id, Account: order.Account, Sold: sold.Shares, Received: sold.Ucredit}))
}

// fillPurchase gives back what a budget has left, and notes what was bought.
// Shares from a curve are the buyer's at once, those at a fixed price when the
// soft cap is reached.
func (k *Keeper) fillPurchase(ctx context.Context, o *offeringv1.Offering, order offeringv1.Order, bought offering.Bought) error {
	p, err := k.position(ctx, o.Id, order.Account)
	if err != nil {
		return err
	}
	p.Raised += bought.Raised
	back := coins(creditDenom, order.Budget-bought.Paid)
	if termsOf(o.Terms).Curve == nil {
		p.Shares += bought.Shares
	} else {
		o.Stock -= bought.Shares
		back = back.Add(coins(o.Denom, bought.Shares)...)
	}
	return errors.Join(k.setPosition(ctx, p), k.pay(ctx, order.Account, back), emit(ctx, &offeringv1.EventFilled{
		Offering: o.Id, Account: order.Account, Bought: bought.Shares, Paid: bought.Paid}))
}

// closeDue closes offerings whose time has come.
func (k *Keeper) closeDue(ctx context.Context) error {
	var keys []dueKey
	until := new(collections.Range[dueKey]).EndExclusive(collections.Join(blockTime(ctx)+1, uint64(0)))
	err := k.due.Walk(ctx, until, func(key dueKey) (bool, error) {
		keys = append(keys, key)
		return len(keys) >= perBlock, nil
	})
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := k.due.Remove(ctx, key); err != nil {
			return err
		}
		o, err := k.Offering(ctx, key.K2())
		if err != nil {
			return err
		}
		if sale, closed := offering.Close(termsOf(o.Terms), saleOf(o), blockTime(ctx)); closed {
			if err := k.close(ctx, withSale(o, sale)); err != nil {
				return err
			}
		}
	}
	return nil
}

// close stores an offering that has another status now, passes what its shares
// earned, returns those that are unsold, and begins to settle.
func (k *Keeper) close(ctx context.Context, o offeringv1.Offering) error {
	if err := k.passRoyalties(ctx, o); err != nil {
		return err
	}
	if o.Status != offeringv1.Status_STATUS_LAPSED {
		unsold := o.Terms.Shares - o.Sold
		if o.Status == offeringv1.Status_STATUS_FAILED && termsOf(o.Terms).Curve == nil {
			unsold = o.Terms.Shares
		}
		o.Stock -= unsold
		if err := k.pay(ctx, o.Terms.Opener, coins(o.Denom, unsold)); err != nil {
			return err
		}
	}
	if o.Status == offeringv1.Status_STATUS_SUCCEEDED {
		if err := k.due.Set(ctx, collections.Join(o.Terms.Lapse, o.Id)); err != nil {
			return err
		}
	}
	return errors.Join(
		k.offerings.Set(ctx, o.Id, o),
		k.settling.Set(ctx, o.Id, offeringv1.Settling{Offering: o.Id}),
		emit(ctx, &offeringv1.EventClosed{Offering: o.Id, Status: o.Status, Raised: o.Raised}))
}

// passRoyalties gives the opener what shares earned that the module holds.
func (k *Keeper) passRoyalties(ctx context.Context, o offeringv1.Offering) error {
	paid, err := k.shares.Claim(ctx, o.Terms.Model, k.account)
	if errors.Is(err, share.ErrNothing) {
		return nil
	}
	if err != nil {
		return err
	}
	return k.pay(ctx, o.Terms.Opener, coins(creditDenom, paid))
}

// settleSome gives buyers of closed offerings what they are owed.
func (k *Keeper) settleSome(ctx context.Context) error {
	var list []offeringv1.Settling
	if err := collect(ctx, k.settling, &list); err != nil {
		return err
	}
	left := perBlock
	for _, s := range list {
		var some []offeringv1.Position
		after := collections.NewPrefixedPairRange[uint64, string](s.Offering).StartExclusive(s.After)
		err := k.positions.Walk(ctx, after, func(_ positionKey, p offeringv1.Position) (bool, error) {
			some = append(some, p)
			return len(some) >= left, nil
		})
		if err != nil {
			return err
		}
		for _, p := range some {
			if err := k.settleOne(ctx, p); err != nil {
				return err
			}
		}
		if left -= len(some); left == 0 {
			s.After = some[len(some)-1].Buyer
			return k.settling.Set(ctx, s.Offering, s)
		}
		if err := k.settling.Remove(ctx, s.Offering); err != nil {
			return err
		}
	}
	return nil
}

// settleOne gives one buyer what is owed, or tells why it could not: others do
// not wait for it, and the buyer can ask for it.
func (k *Keeper) settleOne(ctx context.Context, p offeringv1.Position) error {
	o, err := k.Offering(ctx, p.Offering)
	if err != nil {
		return err
	}
	part, commit := sdk.UnwrapSDKContext(ctx).CacheContext()
	_, _, err = k.settle(part, o, p)
	switch {
	case err == nil:
		commit()
		return nil
	case errors.Is(err, offering.ErrNothing):
		return nil
	}
	return emit(ctx, &offeringv1.EventUnsettled{Offering: p.Offering, Buyer: p.Buyer, Why: err.Error()})
}

// settle gives a buyer what a closed offering owes.
func (k *Keeper) settle(ctx context.Context, o offeringv1.Offering, p offeringv1.Position) (shares, amount uint64, err error) {
	sale, left, shares, amount, err := offering.Settle(saleOf(o), offering.Position{Shares: p.Shares, Raised: p.Raised})
	if err != nil {
		return 0, 0, err
	}
	p.Shares, p.Raised = left.Shares, left.Raised
	o = withSale(o, sale)
	o.Stock -= shares
	given := coins(o.Denom, shares).Add(coins(creditDenom, amount)...)
	err = errors.Join(k.offerings.Set(ctx, o.Id, o), k.setPosition(ctx, p), k.pay(ctx, p.Buyer, given),
		emit(ctx, &offeringv1.EventSettled{Offering: o.Id, Buyer: p.Buyer, Shares: shares, Amount: amount}))
	return shares, amount, err
}
