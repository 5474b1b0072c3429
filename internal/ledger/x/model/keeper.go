// Package model is the ledger's registry of model versions: who owns a name,
// which digest a version has, and how its earnings are split.
package model

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/address"
	"cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/mechanism/split"
)

// ModuleName names the module, its store and its errors.
const ModuleName = "model"

// Keeper stores model versions.
type Keeper struct {
	addresses address.Codec
	schema    collections.Schema
	versions  collections.Map[string, modelv1.Version]                  // by digest
	owners    collections.Map[string, string]                           // owner by name
	names     collections.Map[collections.Pair[string, string], string] // digest by name and version
}

// NewKeeper makes the module's keeper.
func NewKeeper(cdc codec.BinaryCodec, service store.KVStoreService, addresses address.Codec) *Keeper {
	b := collections.NewSchemaBuilder(service)
	k := &Keeper{
		addresses: addresses,
		versions:  collections.NewMap(b, collections.NewPrefix(0), "versions", collections.StringKey, codec.CollValue[modelv1.Version](cdc)),
		owners:    collections.NewMap(b, collections.NewPrefix(1), "owners", collections.StringKey, collections.StringValue),
		names: collections.NewMap(b, collections.NewPrefix(2), "names",
			collections.PairKeyCodec(collections.StringKey, collections.StringKey), collections.StringValue),
	}
	var err error
	if k.schema, err = b.Build(); err != nil {
		panic(err) // two prefixes alike: a mistake in the lines above
	}
	return k
}

// Version returns one version, or ErrNotFound.
func (k *Keeper) Version(ctx context.Context, digest string) (modelv1.Version, error) {
	v, err := k.versions.Get(ctx, digest)
	if errors.Is(err, collections.ErrNotFound) {
		return v, fmt.Errorf("%w: %s", ErrNotFound, digest)
	}
	return v, err
}

// Policy returns how a version's earnings are split, or ErrNotFound.
func (k *Keeper) Policy(ctx context.Context, digest string) (split.Policy, error) {
	v, err := k.Version(ctx, digest)
	if err != nil {
		return split.Policy{}, err
	}
	return PolicyOf(v.Policy), nil
}

// PolicyOf converts a policy as messages carry it.
func PolicyOf(p modelv1.Policy) split.Policy {
	shares := func(list []modelv1.Share) []split.Share {
		var out []split.Share
		for _, s := range list {
			out = append(out, split.Share{Recipient: s.Address, Bps: s.Bps})
		}
		return out
	}
	return split.Policy{
		ProviderBps: p.ProviderBps, AppBps: p.AppBps, TreasuryBps: p.TreasuryBps, CuratorsBps: p.CuratorsBps,
		Owners: shares(p.Owners), Data: shares(p.Data),
	}
}

// register stores a new, valid version. The first to use a name owns it.
func (k *Keeper) register(ctx context.Context, v modelv1.Version) error {
	if taken, err := k.versions.Has(ctx, v.Digest); err != nil || taken {
		return errors.Join(err, refuse(taken, ErrDigestTaken, v.Digest))
	}
	key := collections.Join(v.Name, v.Version)
	if taken, err := k.names.Has(ctx, key); err != nil || taken {
		return errors.Join(err, refuse(taken, ErrVersionTaken, v.Name+"@"+v.Version))
	}
	owner, err := k.owners.Get(ctx, v.Name)
	switch {
	case errors.Is(err, collections.ErrNotFound):
		if err := k.owners.Set(ctx, v.Name, v.Owner); err != nil {
			return err
		}
	case err != nil:
		return err
	case owner != v.Owner:
		return fmt.Errorf("%w: %s is %s's", ErrNameTaken, v.Name, owner)
	}
	return errors.Join(k.names.Set(ctx, key, v.Digest), k.versions.Set(ctx, v.Digest, v))
}

func refuse(condition bool, err error, what string) error {
	if !condition {
		return nil
	}
	return fmt.Errorf("%w: %s", err, what)
}

// now is the block's time, Unix seconds.
func now(ctx context.Context) int64 { return sdk.UnwrapSDKContext(ctx).BlockTime().Unix() }
