package offering

import (
	"context"
	"fmt"
	"math"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/offering"
	"github.com/koinon/koinon/internal/mechanism/registry"
)

// maxTitle bounds a milestone's, in bytes.
const maxTitle = 200

// gasPerOrder is for what an order makes the block's end do: a curve is asked
// some hundred times.
const gasPerOrder = 50_000

// messages serves transactions.
type messages struct{ *Keeper }

// Open implements offeringv1.MsgServer.
func (m messages) Open(ctx context.Context, msg *offeringv1.MsgOpen) (*offeringv1.MsgOpenResponse, error) {
	from, err := account.Parse(m.addresses, msg.Opener)
	if err != nil {
		return nil, err
	}
	msg.Terms.Opener = msg.Opener
	if err := m.checkTerms(ctx, &msg.Terms); err != nil {
		return nil, err
	}
	denom := registry.Denom(msg.Terms.Model)
	if err := m.bank.SendCoinsFromAccountToModule(ctx, from, ModuleName, coins(denom, msg.Terms.Shares)); err != nil {
		return nil, err
	}
	id, err := m.nextOffering.Next(ctx)
	if err != nil {
		return nil, err
	}
	o := offeringv1.Offering{Id: id, Terms: msg.Terms, Denom: denom, Stock: msg.Terms.Shares}
	o = withSale(o, offering.New(termsOf(msg.Terms)))
	if err := m.add(ctx, o); err != nil {
		return nil, err
	}
	return &offeringv1.MsgOpenResponse{Offering: id}, emit(ctx,
		&offeringv1.EventOpened{Offering: id, Model: o.Terms.Model, Opener: o.Terms.Opener})
}

// checkTerms refuses what cannot be offered; an empty beneficiary is the opener.
func (m messages) checkTerms(ctx context.Context, t *offeringv1.Terms) error {
	if t.Linear != nil && t.Product != nil {
		return fmt.Errorf("%w: linear and product: give one curve", ErrField)
	}
	if t.Beneficiary == "" {
		t.Beneficiary = t.Opener
	}
	to, err := account.Parse(m.addresses, t.Beneficiary)
	if err != nil {
		return fmt.Errorf("beneficiary: %w", err)
	}
	if m.bank.BlockedAddr(to) {
		return fmt.Errorf("%w: beneficiary %s is a module's account, which cannot be paid", ErrField, t.Beneficiary)
	}
	for i, s := range t.Milestones {
		if s.Title == "" || len(s.Title) > maxTitle {
			return fmt.Errorf("%w: milestones[%d].title must have 1 to %d bytes", ErrField, i, maxTitle)
		}
	}
	return termsOf(*t).Validate(blockTime(ctx))
}

// Buy implements offeringv1.MsgServer.
func (m messages) Buy(ctx context.Context, msg *offeringv1.MsgBuy) (*offeringv1.MsgBuyResponse, error) {
	o, err := m.Offering(ctx, msg.Offering)
	if err != nil {
		return nil, err
	}
	if err := offering.MayBuy(termsOf(o.Terms), saleOf(o), blockTime(ctx)); err != nil {
		return nil, err
	}
	if msg.Budget == 0 || msg.Budget > math.MaxInt64 {
		return nil, fmt.Errorf("%w: a budget of %d ucredit", offering.ErrTooSmall, msg.Budget)
	}
	order := offeringv1.Order{Offering: o.Id, Account: msg.Buyer, Budget: msg.Budget, Limit: msg.Limit}
	return &offeringv1.MsgBuyResponse{}, m.order(ctx, order, coins(creditDenom, msg.Budget))
}

// Sell implements offeringv1.MsgServer.
func (m messages) Sell(ctx context.Context, msg *offeringv1.MsgSell) (*offeringv1.MsgSellResponse, error) {
	o, err := m.Offering(ctx, msg.Offering)
	if err != nil {
		return nil, err
	}
	if err := offering.MaySell(termsOf(o.Terms)); err != nil {
		return nil, err
	}
	if msg.Shares == 0 {
		return nil, fmt.Errorf("%w: no shares", offering.ErrTooSmall)
	}
	order := offeringv1.Order{Offering: o.Id, Account: msg.Seller, Shares: msg.Shares, Limit: msg.Limit}
	return &offeringv1.MsgSellResponse{}, m.order(ctx, order, coins(o.Denom, msg.Shares))
}

// order takes what an order is about, and keeps it for the block's end.
func (m messages) order(ctx context.Context, order offeringv1.Order, held sdk.Coins) error {
	from, err := account.Parse(m.addresses, order.Account)
	if err != nil {
		return err
	}
	sdk.UnwrapSDKContext(ctx).GasMeter().ConsumeGas(gasPerOrder, "clearing an order")
	if err := m.bank.SendCoinsFromAccountToModule(ctx, from, ModuleName, held); err != nil {
		return err
	}
	if order.Id, err = m.nextOrder.Next(ctx); err != nil {
		return err
	}
	return m.orders.Set(ctx, collections.Join(order.Offering, order.Id), order)
}

// Release implements offeringv1.MsgServer.
func (m messages) Release(ctx context.Context, msg *offeringv1.MsgRelease) (*offeringv1.MsgReleaseResponse, error) {
	o, err := m.Offering(ctx, msg.Offering)
	if err != nil {
		return nil, err
	}
	if int(msg.Milestone) < len(o.Terms.Milestones) {
		if err := m.proved(ctx, o, o.Terms.Milestones[msg.Milestone], msg.Digest); err != nil {
			return nil, err
		}
	}
	amount, err := m.release(ctx, o, msg.Milestone)
	return &offeringv1.MsgReleaseResponse{Amount: amount}, err
}

// Settle implements offeringv1.MsgServer.
func (m messages) Settle(ctx context.Context, msg *offeringv1.MsgSettle) (*offeringv1.MsgSettleResponse, error) {
	o, err := m.Offering(ctx, msg.Offering)
	if err != nil {
		return nil, err
	}
	p, err := m.position(ctx, o.Id, msg.Buyer)
	if err != nil {
		return nil, err
	}
	shares, amount, err := m.settle(ctx, o, p)
	return &offeringv1.MsgSettleResponse{Shares: shares, Amount: amount}, err
}
