// Package curation keeps signals and ratings on the ledger: KOIN staked on
// model versions, providers and apps, the fees that this earns, and what buyers
// think of them. Its rules are package mechanism/curation's.
//
// A redemption writes here only what its own payer has spent; fees reach a
// listing at the end of a block, when money moves anyway. So transactions that
// run in parallel do not wait for each other at a popular model's listing.
package curation

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

	curationv1 "github.com/koinon/koinon/api/koinon/curation/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/curation"
)

// ModuleName names the module, its store, its account and its errors.
const ModuleName = "curation"

// What signals are made of, and what they earn.
const (
	stakeDenom = "ukoin"
	feeDenom   = "ucredit"
)

// Bank moves stakes and fees.
type Bank interface {
	SendCoinsFromAccountToModule(ctx context.Context, from sdk.AccAddress, module string, amount sdk.Coins) error
	SendCoinsFromModuleToAccount(ctx context.Context, module string, to sdk.AccAddress, amount sdk.Coins) error
	SendCoinsFromModuleToModule(ctx context.Context, from, to string, amount sdk.Coins) error
	GetBalance(ctx context.Context, account sdk.AccAddress, denom string) sdk.Coin
}

// Pool is the treasury.
type Pool interface {
	FundCommunityPool(ctx context.Context, amount sdk.Coins, sender sdk.AccAddress) error
}

// Models knows the model versions.
type Models interface {
	Version(ctx context.Context, digest string) (modelv1.Version, error)
}

// Providers knows the providers.
type Providers interface {
	Provider(ctx context.Context, address string) (providerv1.Provider, error)
}

type (
	textsKey   = collections.Pair[string, string]
	leavingKey = collections.Triple[int64, string, string] // time, curator, listing
	standKey   = collections.Pair[uint64, string]          // stake, listing
	rankKey    = collections.Pair[string, standKey]        // of a kind
)

// Keeper stores the module's state.
type Keeper struct {
	authority string
	account   sdk.AccAddress
	addresses address.Codec
	bank      Bank
	pool      Pool
	models    Models
	providers Providers

	schema    collections.Schema
	params    collections.Item[curationv1.Params]
	listings  collections.Map[string, curationv1.Listing]
	ranks     collections.KeySet[rankKey]
	signals   collections.Map[textsKey, curationv1.Signal] // by curator and listing
	leavings  collections.Map[leavingKey, curationv1.Leaving]
	byCurator collections.KeySet[collections.Pair[string, leavingKey]] // leavings
	ratings   collections.Map[textsKey, curationv1.Rating]             // by payer and listing
	spent     collections.Map[textsKey, curationv1.Spent]              // by payer and listing
}

// NewKeeper makes the module's keeper; account is the module's own, authority
// may change parameters.
func NewKeeper(cdc codec.BinaryCodec, service store.KVStoreService, addresses address.Codec, account sdk.AccAddress,
	bank Bank, pool Pool, models Models, providers Providers, authority string,
) *Keeper {
	b := collections.NewSchemaBuilder(service)
	texts := collections.PairKeyCodec(collections.StringKey, collections.StringKey)
	leaving := collections.TripleKeyCodec(collections.Int64Key, collections.StringKey, collections.StringKey)
	k := &Keeper{
		authority: authority, account: account, addresses: addresses, bank: bank, pool: pool, models: models, providers: providers,
		params:   collections.NewItem(b, collections.NewPrefix(0), "params", codec.CollValue[curationv1.Params](cdc)),
		listings: collections.NewMap(b, collections.NewPrefix(1), "listings", collections.StringKey, codec.CollValue[curationv1.Listing](cdc)),
		ranks: collections.NewKeySet(b, collections.NewPrefix(2), "ranks", collections.PairKeyCodec(collections.StringKey,
			collections.PairKeyCodec(collections.Uint64Key, collections.StringKey))),
		signals:   collections.NewMap(b, collections.NewPrefix(3), "signals", texts, codec.CollValue[curationv1.Signal](cdc)),
		leavings:  collections.NewMap(b, collections.NewPrefix(4), "leavings", leaving, codec.CollValue[curationv1.Leaving](cdc)),
		byCurator: collections.NewKeySet(b, collections.NewPrefix(5), "leavings_by_curator", collections.PairKeyCodec(collections.StringKey, leaving)),
		ratings:   collections.NewMap(b, collections.NewPrefix(6), "ratings", texts, codec.CollValue[curationv1.Rating](cdc)),
		spent:     collections.NewMap(b, collections.NewPrefix(7), "spent", texts, codec.CollValue[curationv1.Spent](cdc)),
	}
	var err error
	if k.schema, err = b.Build(); err != nil {
		panic(err) // two prefixes alike: a mistake in the lines above
	}
	return k
}

// Kinds of listings.
const (
	kindModel    = "model"
	kindProvider = "provider"
	kindApp      = "app"
)

// check refuses what cannot be listed: a version or provider that the ledger
// does not know, or an app that is no account.
func (k *Keeper) check(ctx context.Context, id string) error {
	kind, name, _ := strings.Cut(id, "/")
	switch kind {
	case kindModel:
		_, err := k.models.Version(ctx, name)
		return err
	case kindProvider:
		_, err := k.providers.Provider(ctx, name)
		return err
	case kindApp:
		_, err := account.Parse(k.addresses, name)
		return err
	}
	return fmt.Errorf("%w: %q", ErrListing, id)
}

// listing returns a listing, empty if nobody has signalled on it or rated it.
func (k *Keeper) listing(ctx context.Context, id string) (curation.Listing, error) {
	l, err := k.listings.Get(ctx, id)
	if errors.Is(err, collections.ErrNotFound) {
		return curation.Listing{}, nil
	}
	return listingOf(l), err
}

// setListing stores a listing and its rank.
func (k *Keeper) setListing(ctx context.Context, id string, l curation.Listing) error {
	kind, _, _ := strings.Cut(id, "/")
	before, err := k.listing(ctx, id)
	if err != nil {
		return err
	}
	return errors.Join(
		k.ranks.Remove(ctx, collections.Join(kind, collections.Join(before.Staked, id))),
		k.ranks.Set(ctx, collections.Join(kind, collections.Join(l.Staked, id))),
		k.listings.Set(ctx, id, storedListing(id, l)))
}

func (k *Keeper) position(ctx context.Context, curator, id string) (curation.Position, error) {
	s, err := k.signals.Get(ctx, collections.Join(curator, id))
	if errors.Is(err, collections.ErrNotFound) {
		return curation.Position{}, nil
	}
	return positionOf(s), err
}

// setPosition stores a position, or forgets one that is empty.
func (k *Keeper) setPosition(ctx context.Context, curator, id string, p curation.Position) error {
	key := collections.Join(curator, id)
	if p.Units == 0 {
		return k.signals.Remove(ctx, key)
	}
	return k.signals.Set(ctx, key, storedPosition(curator, id, p))
}

func (k *Keeper) loadParams(ctx context.Context) (curation.Params, error) {
	p, err := k.params.Get(ctx)
	return paramsOf(p), err
}

// payFees pays a curator what a signal has earned.
func (k *Keeper) payFees(ctx context.Context, curator, id string, fees uint64) error {
	if fees == 0 {
		return nil
	}
	to, err := k.addresses.StringToBytes(curator)
	if err != nil {
		return err
	}
	if err := k.bank.SendCoinsFromModuleToAccount(ctx, ModuleName, to, coins(feeDenom, fees)); err != nil {
		return err
	}
	return emit(ctx, &curationv1.EventFees{Curator: curator, Listing: id, Amount: fees})
}

// toTreasury gives the community pool what is nobody's.
func (k *Keeper) toTreasury(ctx context.Context, denom string, amount uint64) error {
	if amount == 0 {
		return nil
	}
	return k.pool.FundCommunityPool(ctx, coins(denom, amount), k.account)
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
