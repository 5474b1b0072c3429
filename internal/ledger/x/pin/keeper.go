// Package pin pays holders on the ledger for keeping weights. Its rules are package
// mechanism/possession's; what is here loads, calls them and stores.
//
// An owner locks what all copies will cost, a holder its bond. Each epoch the
// ledger draws pieces of the file for each holder; showing them pays for the epoch,
// silence costs the fee and a part of the bond.
package pin

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

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	pinv1 "github.com/koinon/koinon/api/koinon/pin/v1"
	"github.com/koinon/koinon/internal/mechanism/possession"
	"github.com/koinon/koinon/receipt"
)

// ModuleName names the module, its store, its account and its errors.
const ModuleName = "pin"

// What owners pay, and holders stake.
const (
	creditDenom = "ucredit"
	bondDenom   = "ukoin"
)

// Bank moves deposits and bonds.
type Bank interface {
	SendCoinsFromAccountToModule(ctx context.Context, from sdk.AccAddress, module string, amount sdk.Coins) error
	SendCoinsFromModuleToAccount(ctx context.Context, module string, to sdk.AccAddress, amount sdk.Coins) error
	GetBalance(ctx context.Context, account sdk.AccAddress, denom string) sdk.Coin
}

// Pool is the treasury, which has what holders lose: an owner who had it would gain
// by a pin that nobody can answer for.
type Pool interface {
	FundCommunityPool(ctx context.Context, amount sdk.Coins, sender sdk.AccAddress) error
}

// Beacon is where pieces are drawn from.
type Beacon interface {
	Latest(ctx context.Context) (height int64, r receipt.Digest, err error)
}

// Models knows which versions there are.
type Models interface {
	Version(ctx context.Context, digest string) (modelv1.Version, error)
}

type (
	holdKey = collections.Pair[uint64, string]          // pin, holder
	dutyKey = collections.Pair[string, uint64]          // holder, pin
	dueKey  = collections.Triple[int64, uint64, string] // time, pin, holder; no holder: untaken copies lapse
)

// Keeper stores pins and who holds them.
type Keeper struct {
	authority string
	account   sdk.AccAddress
	addresses address.Codec
	bank      Bank
	pool      Pool
	beacon    Beacon
	models    Models

	schema  collections.Schema
	params  collections.Item[pinv1.Params]
	pins    collections.Map[uint64, pinv1.Pin]
	holds   collections.Map[holdKey, pinv1.Hold]
	duties  collections.KeySet[dutyKey]
	due     collections.KeySet[dueKey]
	nextPin collections.Sequence
}

// NewKeeper makes the module's keeper; account is the module's own, authority may
// change parameters.
func NewKeeper(cdc codec.BinaryCodec, service store.KVStoreService, addresses address.Codec, account sdk.AccAddress,
	bank Bank, pool Pool, beacon Beacon, models Models, authority string,
) *Keeper {
	b := collections.NewSchemaBuilder(service)
	k := &Keeper{
		authority: authority, account: account, addresses: addresses, bank: bank, pool: pool, beacon: beacon, models: models,
		params: collections.NewItem(b, collections.NewPrefix(0), "params", codec.CollValue[pinv1.Params](cdc)),
		pins:   collections.NewMap(b, collections.NewPrefix(1), "pins", collections.Uint64Key, codec.CollValue[pinv1.Pin](cdc)),
		holds: collections.NewMap(b, collections.NewPrefix(2), "holds",
			collections.PairKeyCodec(collections.Uint64Key, collections.StringKey), codec.CollValue[pinv1.Hold](cdc)),
		duties: collections.NewKeySet(b, collections.NewPrefix(3), "duties", collections.PairKeyCodec(collections.StringKey, collections.Uint64Key)),
		due: collections.NewKeySet(b, collections.NewPrefix(4), "due",
			collections.TripleKeyCodec(collections.Int64Key, collections.Uint64Key, collections.StringKey)),
		nextPin: collections.NewSequence(b, collections.NewPrefix(5), "next_pin"),
	}
	var err error
	if k.schema, err = b.Build(); err != nil {
		panic(err) // two prefixes alike: a mistake in the lines above
	}
	return k
}

// pin returns one pin, or ErrNotFound.
func (k *Keeper) pin(ctx context.Context, id uint64) (pinv1.Pin, error) {
	p, err := k.pins.Get(ctx, id)
	if errors.Is(err, collections.ErrNotFound) {
		return p, fmt.Errorf("%w: %d", ErrNotFound, id)
	}
	return p, err
}

// load returns a pin and what a holder has to do for it, or ErrNotHeld.
func (k *Keeper) load(ctx context.Context, id uint64, holder string) (pinv1.Pin, pinv1.Hold, error) {
	p, err := k.pin(ctx, id)
	if err != nil {
		return p, pinv1.Hold{}, err
	}
	h, err := k.holds.Get(ctx, collections.Join(id, holder))
	if errors.Is(err, collections.ErrNotFound) {
		err = fmt.Errorf("%w: pin %d, %s", ErrNotHeld, id, holder)
	}
	return p, h, err
}

// addPin stores a pin for the first time, with what finds it.
func (k *Keeper) addPin(ctx context.Context, p pinv1.Pin) error {
	err := k.pins.Set(ctx, p.Id, p)
	if err != nil || p.Untaken == 0 {
		return err
	}
	return k.due.Set(ctx, lapse(p))
}

// lapse is when a pin's untaken copies go back.
func lapse(p pinv1.Pin) dueKey { return collections.Join3(p.Terms.Until, p.Id, "") }

// storePin stores a pin, or forgets one of which nothing is left.
func (k *Keeper) storePin(ctx context.Context, p pinv1.Pin) error {
	if p.Untaken == 0 && p.Holders == 0 {
		return k.pins.Remove(ctx, p.Id)
	}
	return k.pins.Set(ctx, p.Id, p)
}

// addHold stores a hold for the first time, with what finds it.
func (k *Keeper) addHold(ctx context.Context, h pinv1.Hold) error {
	return errors.Join(
		k.holds.Set(ctx, collections.Join(h.Pin, h.Holder), h),
		k.duties.Set(ctx, collections.Join(h.Holder, h.Pin)),
		k.due.Set(ctx, collections.Join3(h.Due, h.Pin, h.Holder)))
}

// step stores what a hold has become and pays what that gives out. was is what it
// was before.
func (k *Keeper) step(ctx context.Context, p pinv1.Pin, was pinv1.Hold, d possession.Duty, paid possession.Payment) error {
	if err := k.due.Remove(ctx, collections.Join3(was.Due, was.Pin, was.Holder)); err != nil {
		return err
	}
	var err error
	if d.Pin.Over() {
		p.Holders--
		err = errors.Join(k.storePin(ctx, p),
			k.holds.Remove(ctx, collections.Join(was.Pin, was.Holder)), k.duties.Remove(ctx, collections.Join(was.Holder, was.Pin)))
	} else {
		err = k.addHold(ctx, storedHold(was, d))
	}
	if err != nil {
		return err
	}
	if paid.Slashed > 0 {
		err = k.pool.FundCommunityPool(ctx, coins(bondDenom, paid.Slashed), k.account)
	}
	return errors.Join(err,
		k.pay(ctx, was.Holder, coins(creditDenom, paid.Fee).Add(coins(bondDenom, paid.Released)...)),
		k.pay(ctx, p.Owner, coins(creditDenom, paid.Refund)))
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
