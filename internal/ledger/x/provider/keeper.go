// Package provider is the ledger's register of those who sell inference: their
// keys and addresses, bonds and offers.
package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/address"
	"cosmossdk.io/core/store"
	sdkmath "cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/bond"
)

// ModuleName names the module, its store, its account and its errors.
const ModuleName = "provider"

// BondDenom is what bonds are made of: millionths of a KOIN.
const BondDenom = "ukoin"

// Bank moves bonds between providers' accounts and the module's.
type Bank interface {
	SendCoinsFromAccountToModule(ctx context.Context, from sdk.AccAddress, module string, amount sdk.Coins) error
	SendCoinsFromModuleToAccount(ctx context.Context, module string, to sdk.AccAddress, amount sdk.Coins) error
	SendCoinsFromModuleToModule(ctx context.Context, from, to string, amount sdk.Coins) error
	GetBalance(ctx context.Context, account sdk.AccAddress, denom string) sdk.Coin
}

// Models knows the model versions that can be offered.
type Models interface {
	Version(ctx context.Context, digest string) (modelv1.Version, error)
}

// Ceilings are the highest prices that models' shareholders allow.
type Ceilings interface {
	// Allows refuses prices, in ucredit for a million tokens, above a version's
	// ceiling.
	Allows(ctx context.Context, digest string, input, output uint64) error
}

// Keeper stores providers, offers and bonds on their way back.
type Keeper struct {
	authority string
	account   sdk.AccAddress
	addresses address.Codec
	bank      Bank
	models    Models
	ceilings  Ceilings

	schema     collections.Schema
	params     collections.Item[providerv1.Params]
	providers  collections.Map[string, providerv1.Provider]
	keys       collections.Map[[]byte, string]                                        // provider by public key
	offers     collections.Map[collections.Pair[string, string], providerv1.Offer]    // by model digest and provider
	byProvider collections.KeySet[collections.Pair[string, string]]                   // provider and model digest of each offer
	unbondings collections.Map[collections.Pair[int64, string], providerv1.Unbonding] // by time and provider
	leaving    collections.KeySet[collections.Pair[string, int64]]                    // provider and time of each unbonding
}

// NewKeeper makes the module's keeper; account is the module's own, authority
// may change parameters.
func NewKeeper(cdc codec.BinaryCodec, service store.KVStoreService, addresses address.Codec, account sdk.AccAddress,
	bank Bank, models Models, ceilings Ceilings, authority string,
) *Keeper {
	b := collections.NewSchemaBuilder(service)
	texts := collections.PairKeyCodec(collections.StringKey, collections.StringKey)
	k := &Keeper{
		authority: authority, account: account, addresses: addresses, bank: bank, models: models, ceilings: ceilings,
		params:     collections.NewItem(b, collections.NewPrefix(0), "params", codec.CollValue[providerv1.Params](cdc)),
		providers:  collections.NewMap(b, collections.NewPrefix(1), "providers", collections.StringKey, codec.CollValue[providerv1.Provider](cdc)),
		keys:       collections.NewMap(b, collections.NewPrefix(2), "keys", collections.BytesKey, collections.StringValue),
		offers:     collections.NewMap(b, collections.NewPrefix(3), "offers", texts, codec.CollValue[providerv1.Offer](cdc)),
		byProvider: collections.NewKeySet(b, collections.NewPrefix(4), "offers_by_provider", texts),
		unbondings: collections.NewMap(b, collections.NewPrefix(5), "unbondings",
			collections.PairKeyCodec(collections.Int64Key, collections.StringKey), codec.CollValue[providerv1.Unbonding](cdc)),
		leaving: collections.NewKeySet(b, collections.NewPrefix(6), "unbondings_by_provider",
			collections.PairKeyCodec(collections.StringKey, collections.Int64Key)),
	}
	var err error
	if k.schema, err = b.Build(); err != nil {
		panic(err) // two prefixes alike: a mistake in the lines above
	}
	return k
}

// Provider returns one provider, or ErrNotFound.
func (k *Keeper) Provider(ctx context.Context, address string) (providerv1.Provider, error) {
	p, err := k.providers.Get(ctx, address)
	if errors.Is(err, collections.ErrNotFound) {
		return p, fmt.Errorf("%w: %s", ErrNotFound, address)
	}
	return p, err
}

// MayServe refuses those who may not take new grants: strangers and the jailed.
func (k *Keeper) MayServe(ctx context.Context, address string) error {
	p, err := k.Provider(ctx, address)
	if err != nil {
		return err
	}
	if p.Status == providerv1.Status_STATUS_JAILED {
		return fmt.Errorf("%w: %s", ErrJailed, address)
	}
	return nil
}

// MayJoin refuses those whom a private network does not list. A network without
// a list admits everybody.
func (k *Keeper) MayJoin(ctx context.Context, address string) error {
	params, err := k.params.Get(ctx)
	if err != nil {
		return err
	}
	if len(params.Whitelist) > 0 && !slices.Contains(params.Whitelist, address) {
		return fmt.Errorf("%w: %s; its operators can add it", ErrStranger, address)
	}
	return nil
}

func (k *Keeper) bondParams(ctx context.Context) (bond.Params, error) {
	p, err := k.params.Get(ctx)
	return bond.Params{Min: p.MinBond, Unbonding: p.UnbondingSeconds}, err
}

// lock moves ukoin from a provider's account into the module's.
func (k *Keeper) lock(ctx context.Context, provider string, amount uint64) error {
	from, err := account.Parse(k.addresses, provider)
	if err != nil {
		return err
	}
	return k.bank.SendCoinsFromAccountToModule(ctx, from, ModuleName, coins(amount))
}

func coins(amount uint64) sdk.Coins {
	return sdk.NewCoins(sdk.NewCoin(BondDenom, sdkmath.NewIntFromUint64(amount)))
}

// countOffers counts a provider's offers.
func (k *Keeper) countOffers(ctx context.Context, provider string) (int, error) {
	n := 0
	err := k.byProvider.Walk(ctx, collections.NewPrefixedPairRange[string, string](provider),
		func(collections.Pair[string, string]) (bool, error) { n++; return false, nil })
	return n, err
}

func (k *Keeper) storeUnbonding(ctx context.Context, u providerv1.Unbonding) error {
	return errors.Join(
		k.unbondings.Set(ctx, collections.Join(u.ReleaseAt, u.Provider), u),
		k.leaving.Set(ctx, collections.Join(u.Provider, u.ReleaseAt)))
}

func (k *Keeper) removeUnbonding(ctx context.Context, u providerv1.Unbonding) error {
	return errors.Join(
		k.unbondings.Remove(ctx, collections.Join(u.ReleaseAt, u.Provider)),
		k.leaving.Remove(ctx, collections.Join(u.Provider, u.ReleaseAt)))
}

// payPerBlock bounds how many unbondings one block pays; the rest waits.
const payPerBlock = 1000

// payUnbondings pays bonds that are due, in order of their time.
func (k *Keeper) payUnbondings(ctx context.Context) error {
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	var due []providerv1.Unbonding
	until := new(collections.Range[collections.Pair[int64, string]]).
		EndExclusive(collections.Join(sdkCtx.BlockTime().Unix()+1, ""))
	err := k.unbondings.Walk(ctx, until, func(_ collections.Pair[int64, string], u providerv1.Unbonding) (bool, error) {
		due = append(due, u)
		return len(due) == payPerBlock, nil
	})
	if err != nil {
		return err
	}
	for _, u := range due {
		account, err := k.addresses.StringToBytes(u.Provider)
		if err != nil {
			return err
		}
		if err := k.bank.SendCoinsFromModuleToAccount(ctx, ModuleName, account, coins(u.Amount)); err != nil {
			return err
		}
		if err := k.removeUnbonding(ctx, u); err != nil {
			return err
		}
		if err := sdkCtx.EventManager().EmitTypedEvent(&providerv1.EventUnbonded{Provider: u.Provider, Amount: u.Amount}); err != nil {
			return err
		}
	}
	return nil
}
