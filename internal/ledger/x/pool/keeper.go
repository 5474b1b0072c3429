// Package pool keeps pools of credit and another asset, KOIN or a model's
// shares, on the ledger. Its rules are package mechanism/pool's; what is here
// loads, calls them and stores.
package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/address"
	"cosmossdk.io/core/store"
	sdkmath "cosmossdk.io/math"
	"github.com/cosmos/gogoproto/proto"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	poolv1 "github.com/koinon/koinon/api/koinon/pool/v1"
	"github.com/koinon/koinon/internal/mechanism/pool"
	"github.com/koinon/koinon/internal/mechanism/registry"
	"github.com/koinon/koinon/internal/mechanism/share"
)

// ModuleName names the module, its store, its account and its errors.
const ModuleName = "pool"

// What is pooled: credit, with KOIN or with shares, whose denominations begin
// alike.
const (
	creditDenom = "ucredit"
	koinDenom   = "ukoin"
	sharePrefix = "share/"
)

// Bank moves what is pooled.
type Bank interface {
	SendCoinsFromAccountToModule(ctx context.Context, from sdk.AccAddress, module string, amount sdk.Coins) error
	SendCoinsFromModuleToAccount(ctx context.Context, module string, to sdk.AccAddress, amount sdk.Coins) error
	GetBalance(ctx context.Context, account sdk.AccAddress, denom string) sdk.Coin
}

// Shares pay royalties.
type Shares interface {
	// Claim pays a holder what its shares of a model have earned, in ucredit, or
	// refuses with share.ErrNothing.
	Claim(ctx context.Context, model string, holder sdk.AccAddress) (uint64, error)
}

// stakeKey is an owner and a denomination.
type stakeKey = collections.Pair[string, string]

// Keeper stores pools and who owns them.
type Keeper struct {
	authority string
	account   sdk.AccAddress
	addresses address.Codec
	bank      Bank
	shares    Shares
	treasury  func(model string) sdk.AccAddress

	schema collections.Schema
	params collections.Item[poolv1.Params]
	pools  collections.Map[string, poolv1.Pool] // by denomination
	stakes collections.Map[stakeKey, poolv1.Stake]
}

// NewKeeper makes the module's keeper; account is the module's own, treasury that
// of a model, authority may change parameters.
func NewKeeper(cdc codec.BinaryCodec, service store.KVStoreService, addresses address.Codec, account sdk.AccAddress,
	bank Bank, shares Shares, treasury func(model string) sdk.AccAddress, authority string,
) *Keeper {
	b := collections.NewSchemaBuilder(service)
	k := &Keeper{
		authority: authority, account: account, addresses: addresses, bank: bank, shares: shares, treasury: treasury,
		params: collections.NewItem(b, collections.NewPrefix(0), "params", codec.CollValue[poolv1.Params](cdc)),
		pools:  collections.NewMap(b, collections.NewPrefix(1), "pools", collections.StringKey, codec.CollValue[poolv1.Pool](cdc)),
		stakes: collections.NewMap(b, collections.NewPrefix(2), "stakes",
			collections.PairKeyCodec(collections.StringKey, collections.StringKey), codec.CollValue[poolv1.Stake](cdc)),
	}
	var err error
	if k.schema, err = b.Build(); err != nil {
		panic(err) // two prefixes alike: a mistake in the lines above
	}
	return k
}

// Average is what an asset is worth, in ucredit for pool.Scale micro-units of
// it, averaged over the seconds that it returns: at least a window for an old
// pool, less for a young one, 0 if there is no price. It is for other modules:
// they say how young a price they take.
func (k *Keeper) Average(ctx context.Context, denom string) (ucredit uint64, seconds int64, err error) {
	p, err := k.load(ctx, denom)
	if errors.Is(err, ErrNoPool) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	params, err := k.loadParams(ctx)
	if err != nil {
		return 0, 0, err
	}
	ucredit, seconds = pool.Average(params, p, blockTime(ctx))
	return ucredit, seconds, nil
}

func (k *Keeper) loadParams(ctx context.Context) (pool.Params, error) {
	p, err := k.params.Get(ctx)
	return paramsOf(p), err
}

func (k *Keeper) load(ctx context.Context, denom string) (pool.Pool, error) {
	p, err := k.pools.Get(ctx, denom)
	if errors.Is(err, collections.ErrNotFound) {
		return pool.Pool{}, fmt.Errorf("%w: of %s", ErrNoPool, denom)
	}
	return poolOf(p), err
}

// begin loads a pool for a change, empty if there is none yet.
func (k *Keeper) begin(ctx context.Context, denom string) (pool.Params, pool.Pool, error) {
	if denom != koinDenom && !strings.HasPrefix(denom, sharePrefix) {
		return pool.Params{}, pool.Pool{}, fmt.Errorf("%w: %q", ErrDenom, denom)
	}
	params, err := k.loadParams(ctx)
	if err != nil {
		return params, pool.Pool{}, err
	}
	p, err := k.load(ctx, denom)
	if err != nil && !errors.Is(err, ErrNoPool) {
		return params, p, err
	}
	if err := k.passRoyalties(ctx, denom); err != nil {
		return params, p, err
	}
	return params, pool.Begin(params, p, sdk.UnwrapSDKContext(ctx).BlockHeight(), blockTime(ctx)), nil
}

// passRoyalties gives a model's treasury what its pooled shares earned: the pool's
// own would move its price.
func (k *Keeper) passRoyalties(ctx context.Context, denom string) error {
	model, err := registry.ModelOf(denom)
	if err != nil { // KOIN earns none
		return nil
	}
	paid, err := k.shares.Claim(ctx, model, k.account)
	if errors.Is(err, share.ErrNothing) {
		return nil
	}
	if err != nil {
		return err
	}
	return k.bank.SendCoinsFromModuleToAccount(ctx, ModuleName, k.treasury(model), coins(creditDenom, paid))
}

func (k *Keeper) store(ctx context.Context, denom string, p pool.Pool) error {
	return k.pools.Set(ctx, denom, storedPool(denom, p))
}

// owned is how many parts of a pool somebody has.
func (k *Keeper) owned(ctx context.Context, owner, denom string) (uint64, error) {
	s, err := k.stakes.Get(ctx, collections.Join(owner, denom))
	if errors.Is(err, collections.ErrNotFound) {
		return 0, nil
	}
	return s.Parts, err
}

// setOwned stores somebody's parts, or forgets one who has none.
func (k *Keeper) setOwned(ctx context.Context, owner, denom string, parts uint64) error {
	key := collections.Join(owner, denom)
	if parts == 0 {
		return k.stakes.Remove(ctx, key)
	}
	return k.stakes.Set(ctx, key, poolv1.Stake{Owner: owner, Denom: denom, Parts: parts})
}

func coins(denom string, amount uint64) sdk.Coins {
	return sdk.NewCoins(sdk.NewCoin(denom, sdkmath.NewIntFromUint64(amount)))
}

// emit tells indexers what happened.
func emit(ctx context.Context, event proto.Message) error {
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(event)
}

// blockTime is Unix seconds.
func blockTime(ctx context.Context) int64 { return sdk.UnwrapSDKContext(ctx).BlockTime().Unix() }
