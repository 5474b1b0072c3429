// Package share keeps the ownership of models on the ledger: shares that any
// wallet holds and moves, the royalties that they earn, schedules by which they
// vest, locks, whose vote they are, and bids for all of a model's. Its rules are
// packages mechanism/share's and mechanism/buyout's.
//
// A share is a coin of the bank's, whose denomination follows from its model.
// Before the bank moves one, both sides' earnings are brought up to date, so
// that royalties follow shares however they move. Shares that vest or are locked
// are on the module's account, and earn and vote for whom they are kept.
package share

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
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
	"github.com/koinon/koinon/internal/mechanism/registry"
)

// ModuleName names the module, its store, its account and its errors.
const ModuleName = "share"

// royaltyDenom is what shares earn.
const royaltyDenom = "ucredit"

// Bank holds shares and royalties.
type Bank interface {
	GetBalance(ctx context.Context, account sdk.AccAddress, denom string) sdk.Coin
	GetSupply(ctx context.Context, denom string) sdk.Coin
	SetDenomMetaData(ctx context.Context, metadata banktypes.Metadata)
	MintCoins(ctx context.Context, module string, amount sdk.Coins) error
	SendCoins(ctx context.Context, from, to sdk.AccAddress, amount sdk.Coins) error
	SendCoinsFromModuleToModule(ctx context.Context, from, to string, amount sdk.Coins) error
	SendCoinsFromModuleToAccount(ctx context.Context, module string, to sdk.AccAddress, amount sdk.Coins) error
	BlockedAddr(account sdk.AccAddress) bool
}

// Models knows who owns a model.
type Models interface {
	Model(ctx context.Context, name string) (modelv1.Model, error)
	MarkShared(ctx context.Context, name string) error
}

type (
	textsKey   = collections.Pair[string, string]
	powerKey   = collections.Pair[textsKey, int64]          // model and voter, Unix seconds
	vestingKey = collections.Triple[string, string, uint64] // model, holder, id
	tenderKey  = collections.Pair[uint64, string]           // bid, holder
)

// Keeper stores the module's state.
type Keeper struct {
	account   sdk.AccAddress
	addresses address.Codec
	bank      Bank
	models    Models

	schema      collections.Schema
	issues      collections.Map[string, sharev1.Issue]     // by model
	holdings    collections.Map[textsKey, sharev1.Holding] // by model and holder
	vestings    collections.Map[vestingKey, sharev1.Vesting]
	powers      collections.Map[powerKey, uint64]
	nextVesting collections.Sequence
	swept       collections.Item[sharev1.Power] // where forgetting old votes goes on; without its shares

	bids     collections.Map[uint64, sharev1.Bid]
	tenders  collections.Map[tenderKey, sharev1.Tender]
	closing  collections.KeySet[collections.Pair[int64, uint64]] // bids, by their deadlines
	settling collections.KeySet[uint64]                          // bids whose tenders are to be bought or given back
	nextBid  collections.Sequence
}

// NewKeeper makes the module's keeper; account is the module's own. BeforeSend
// has to be among the bank's restrictions.
func NewKeeper(cdc codec.BinaryCodec, service store.KVStoreService, addresses address.Codec, account sdk.AccAddress, bank Bank, models Models) *Keeper {
	b := collections.NewSchemaBuilder(service)
	texts := collections.PairKeyCodec(collections.StringKey, collections.StringKey)
	k := &Keeper{
		account: account, addresses: addresses, bank: bank, models: models,
		issues:   collections.NewMap(b, collections.NewPrefix(0), "issues", collections.StringKey, codec.CollValue[sharev1.Issue](cdc)),
		holdings: collections.NewMap(b, collections.NewPrefix(1), "holdings", texts, codec.CollValue[sharev1.Holding](cdc)),
		vestings: collections.NewMap(b, collections.NewPrefix(2), "vestings",
			collections.TripleKeyCodec(collections.StringKey, collections.StringKey, collections.Uint64Key), codec.CollValue[sharev1.Vesting](cdc)),
		powers: collections.NewMap(b, collections.NewPrefix(3), "powers",
			collections.PairKeyCodec(texts, collections.Int64Key), collections.Uint64Value),
		nextVesting: collections.NewSequence(b, collections.NewPrefix(4), "next_vesting"),
		swept:       collections.NewItem(b, collections.NewPrefix(5), "swept", codec.CollValue[sharev1.Power](cdc)),
		bids:        collections.NewMap(b, collections.NewPrefix(6), "bids", collections.Uint64Key, codec.CollValue[sharev1.Bid](cdc)),
		tenders: collections.NewMap(b, collections.NewPrefix(7), "tenders",
			collections.PairKeyCodec(collections.Uint64Key, collections.StringKey), codec.CollValue[sharev1.Tender](cdc)),
		closing:  collections.NewKeySet(b, collections.NewPrefix(8), "closing", collections.PairKeyCodec(collections.Int64Key, collections.Uint64Key)),
		settling: collections.NewKeySet(b, collections.NewPrefix(9), "settling", collections.Uint64Key),
		nextBid:  collections.NewSequence(b, collections.NewPrefix(10), "next_bid"),
	}
	var err error
	if k.schema, err = b.Build(); err != nil {
		panic(err) // two prefixes alike: a mistake in the lines above
	}
	return k
}

// issue returns a model's shares, or ErrNoShares.
func (k *Keeper) issue(ctx context.Context, model string) (sharev1.Issue, error) {
	i, err := k.issues.Get(ctx, model)
	if errors.Is(err, collections.ErrNotFound) {
		return i, fmt.Errorf("%w: %s", ErrNoShares, model)
	}
	return i, err
}

// supply is how many shares of a model exist.
func (k *Keeper) supply(ctx context.Context, model string) uint64 {
	return k.bank.GetSupply(ctx, registry.Denom(model)).Amount.Uint64() // at most maxShares
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
