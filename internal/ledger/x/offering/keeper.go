// Package offering sells shares of models on the ledger to raise credit for
// them. Its rules are package mechanism/offering's; what is here loads, calls
// them and stores.
//
// Orders wait for the end of their block, where those of an offering clear
// together. What a closed offering owes its buyers is given out by itself, some
// hundreds in a block.
package offering

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/address"
	"cosmossdk.io/core/store"
	sdkmath "cosmossdk.io/math"
	"github.com/cosmos/gogoproto/proto"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
)

// ModuleName names the module, its store, its account and its errors.
const ModuleName = "offering"

// creditDenom is what is raised.
const creditDenom = "ucredit"

// Bank moves shares and credit.
type Bank interface {
	SendCoinsFromAccountToModule(ctx context.Context, from sdk.AccAddress, module string, amount sdk.Coins) error
	SendCoinsFromModuleToAccount(ctx context.Context, module string, to sdk.AccAddress, amount sdk.Coins) error
	GetBalance(ctx context.Context, account sdk.AccAddress, denom string) sdk.Coin
	BlockedAddr(account sdk.AccAddress) bool
}

// Pool is the treasury.
type Pool interface {
	FundCommunityPool(ctx context.Context, amount sdk.Coins, sender sdk.AccAddress) error
}

// Models knows which model versions are for sale.
type Models interface {
	// Listed returns the model that a version is of; it refuses one that is not
	// listed.
	Listed(ctx context.Context, digest string) (model string, err error)
}

// Shares pay royalties.
type Shares interface {
	// Claim pays a holder what its shares of a model have earned, in ucredit, or
	// refuses with share.ErrNothing.
	Claim(ctx context.Context, model string, holder sdk.AccAddress) (uint64, error)
}

type (
	orderKey    = collections.Pair[uint64, uint64] // offering, order
	positionKey = collections.Pair[uint64, string] // offering, buyer
	dueKey      = collections.Pair[int64, uint64]  // time, offering
	modelKey    = collections.Pair[string, uint64] // model, offering
)

// Keeper stores offerings, orders and positions.
type Keeper struct {
	authority string
	account   sdk.AccAddress
	addresses address.Codec
	bank      Bank
	pool      Pool
	models    Models
	shares    Shares

	schema       collections.Schema
	offerings    collections.Map[uint64, offeringv1.Offering]
	byModel      collections.KeySet[modelKey]
	due          collections.KeySet[dueKey]
	orders       collections.Map[orderKey, offeringv1.Order]
	positions    collections.Map[positionKey, offeringv1.Position]
	settling     collections.Map[uint64, offeringv1.Settling]
	nextOffering collections.Sequence
	nextOrder    collections.Sequence
	council      collections.Item[offeringv1.Council]
	evaluations  collections.Map[evaluationKey, offeringv1.Evaluation]
}

// NewKeeper makes the module's keeper; account is the module's own, authority may
// appoint the council.
func NewKeeper(cdc codec.BinaryCodec, service store.KVStoreService, addresses address.Codec, account sdk.AccAddress,
	bank Bank, pool Pool, models Models, shares Shares, authority string,
) *Keeper {
	b := collections.NewSchemaBuilder(service)
	k := &Keeper{
		authority: authority, account: account, addresses: addresses, bank: bank, pool: pool, models: models, shares: shares,
		offerings: collections.NewMap(b, collections.NewPrefix(0), "offerings", collections.Uint64Key, codec.CollValue[offeringv1.Offering](cdc)),
		byModel:   collections.NewKeySet(b, collections.NewPrefix(1), "by_model", collections.PairKeyCodec(collections.StringKey, collections.Uint64Key)),
		due:       collections.NewKeySet(b, collections.NewPrefix(2), "due", collections.PairKeyCodec(collections.Int64Key, collections.Uint64Key)),
		orders: collections.NewMap(b, collections.NewPrefix(3), "orders",
			collections.PairKeyCodec(collections.Uint64Key, collections.Uint64Key), codec.CollValue[offeringv1.Order](cdc)),
		positions: collections.NewMap(b, collections.NewPrefix(4), "positions",
			collections.PairKeyCodec(collections.Uint64Key, collections.StringKey), codec.CollValue[offeringv1.Position](cdc)),
		settling:     collections.NewMap(b, collections.NewPrefix(5), "settling", collections.Uint64Key, codec.CollValue[offeringv1.Settling](cdc)),
		nextOffering: collections.NewSequence(b, collections.NewPrefix(6), "next_offering"),
		nextOrder:    collections.NewSequence(b, collections.NewPrefix(7), "next_order"),
		council:      collections.NewItem(b, collections.NewPrefix(8), "council", codec.CollValue[offeringv1.Council](cdc)),
		evaluations: collections.NewMap(b, collections.NewPrefix(9), "evaluations",
			collections.TripleKeyCodec(collections.StringKey, collections.StringKey, collections.StringKey), codec.CollValue[offeringv1.Evaluation](cdc)),
	}
	var err error
	if k.schema, err = b.Build(); err != nil {
		panic(err) // two prefixes alike: a mistake in the lines above
	}
	return k
}

// Offering returns one offering, or ErrNotFound.
func (k *Keeper) Offering(ctx context.Context, id uint64) (offeringv1.Offering, error) {
	o, err := k.offerings.Get(ctx, id)
	if errors.Is(err, collections.ErrNotFound) {
		return o, fmt.Errorf("%w: %d", ErrNotFound, id)
	}
	return o, err
}

// add stores an offering for the first time, with what finds it.
func (k *Keeper) add(ctx context.Context, o offeringv1.Offering) error {
	due := o.Terms.Deadline
	if o.Status != offeringv1.Status_STATUS_OPEN {
		due = o.Terms.Lapse
	}
	return errors.Join(
		k.offerings.Set(ctx, o.Id, o),
		k.byModel.Set(ctx, collections.Join(o.Terms.Model, o.Id)),
		k.due.Set(ctx, collections.Join(due, o.Id)))
}

func (k *Keeper) position(ctx context.Context, offering uint64, buyer string) (offeringv1.Position, error) {
	p, err := k.positions.Get(ctx, collections.Join(offering, buyer))
	if errors.Is(err, collections.ErrNotFound) {
		return offeringv1.Position{Offering: offering, Buyer: buyer}, nil
	}
	return p, err
}

// setPosition stores a position, or forgets one that is empty.
func (k *Keeper) setPosition(ctx context.Context, p offeringv1.Position) error {
	key := collections.Join(p.Offering, p.Buyer)
	if p.Shares == 0 && p.Raised == 0 {
		return k.positions.Remove(ctx, key)
	}
	return k.positions.Set(ctx, key, p)
}

// pay sends from the module's account; nothing, if there is nothing.
func (k *Keeper) pay(ctx context.Context, to string, amount sdk.Coins) error {
	if amount.IsZero() {
		return nil
	}
	address, err := k.addresses.StringToBytes(to)
	if err != nil {
		return err
	}
	return k.bank.SendCoinsFromModuleToAccount(ctx, ModuleName, address, amount)
}

// coins are of one denomination; none, for an amount of zero.
func coins(denom string, amount uint64) sdk.Coins {
	return sdk.NewCoins(sdk.NewCoin(denom, sdkmath.NewIntFromUint64(amount)))
}

// emit tells indexers what happened.
func emit(ctx context.Context, event proto.Message) error {
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(event)
}

// blockTime is Unix seconds.
func blockTime(ctx context.Context) int64 { return sdk.UnwrapSDKContext(ctx).BlockTime().Unix() }
