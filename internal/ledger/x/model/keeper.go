// Package model is the ledger's registry: which account owns a namespace and a
// model, which digest a version has, what it comes from and what became of it,
// and how its earnings are split. Its rules are those of packages
// mechanism/registry and mechanism/lineage.
package model

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/address"
	"cosmossdk.io/core/store"
	"github.com/cosmos/gogoproto/proto"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/mechanism/registry"
	"github.com/koinon/koinon/internal/mechanism/split"
)

// ModuleName names the module, its store and its errors.
const ModuleName = "model"

type textsKey = collections.Pair[string, string]

// Keeper stores namespaces, models, versions and tags.
type Keeper struct {
	authority  string
	addresses  address.Codec
	schema     collections.Schema
	versions   collections.Map[string, modelv1.Version] // by digest
	models     collections.Map[string, modelv1.Model]   // by name
	names      collections.Map[textsKey, string]        // digest by name and version
	namespaces collections.Map[string, modelv1.Namespace]
	tags       collections.Map[textsKey, modelv1.Tag] // by model and tag
}

// NewKeeper makes the module's keeper; authority may withdraw versions.
func NewKeeper(cdc codec.BinaryCodec, service store.KVStoreService, addresses address.Codec, authority string) *Keeper {
	b := collections.NewSchemaBuilder(service)
	texts := collections.PairKeyCodec(collections.StringKey, collections.StringKey)
	k := &Keeper{
		authority:  authority,
		addresses:  addresses,
		versions:   collections.NewMap(b, collections.NewPrefix(0), "versions", collections.StringKey, codec.CollValue[modelv1.Version](cdc)),
		models:     collections.NewMap(b, collections.NewPrefix(1), "models", collections.StringKey, codec.CollValue[modelv1.Model](cdc)),
		names:      collections.NewMap(b, collections.NewPrefix(2), "names", texts, collections.StringValue),
		namespaces: collections.NewMap(b, collections.NewPrefix(3), "namespaces", collections.StringKey, codec.CollValue[modelv1.Namespace](cdc)),
		tags:       collections.NewMap(b, collections.NewPrefix(4), "tags", texts, codec.CollValue[modelv1.Tag](cdc)),
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

// Model returns one model by its name, or ErrNoModel.
func (k *Keeper) Model(ctx context.Context, name string) (modelv1.Model, error) {
	m, err := k.models.Get(ctx, name)
	if errors.Is(err, collections.ErrNotFound) {
		return m, fmt.Errorf("%w: %s", ErrNoModel, name)
	}
	return m, err
}

// MarkShared makes a model's owners' part its shareholders', from now on. It is
// for the module that issues shares.
func (k *Keeper) MarkShared(ctx context.Context, name string) error {
	m, err := k.Model(ctx, name)
	if err != nil {
		return err
	}
	m.Shared = true
	return k.models.Set(ctx, name, m)
}

// Policy returns how a version's earnings are split now, or ErrNotFound.
func (k *Keeper) Policy(ctx context.Context, digest string) (split.Policy, error) {
	v, err := k.Version(ctx, digest)
	if err != nil {
		return split.Policy{}, err
	}
	m, err := k.Model(ctx, v.Name)
	if err != nil {
		return split.Policy{}, err
	}
	return PolicyOf(v, m.Shared), nil
}

// Resolve returns the version that a reference stands for: a digest, or what
// registry.ParseReference reads. A bare name is its latest.
func (k *Keeper) Resolve(ctx context.Context, reference string) (modelv1.Version, error) {
	if v, err := k.versions.Get(ctx, reference); err == nil || !errors.Is(err, collections.ErrNotFound) {
		return v, err
	}
	r := registry.ParseReference(reference)
	var digest string
	var err error
	if r.Pin != "" {
		if digest, err = k.names.Get(ctx, collections.Join(r.Name, r.Pin)); errors.Is(err, collections.ErrNotFound) {
			v, err := k.Version(ctx, r.Pin)
			if err == nil && v.Name != r.Name {
				err = fmt.Errorf("%w: %s is a version of %s", ErrNotFound, r.Pin, v.Name)
			}
			return v, err
		}
	} else {
		if r.Tag == "" {
			r.Tag = registry.Latest
		}
		var t modelv1.Tag
		t, err = k.tags.Get(ctx, collections.Join(r.Name, r.Tag))
		digest = t.Digest
	}
	if errors.Is(err, collections.ErrNotFound) {
		return modelv1.Version{}, fmt.Errorf("%w: %s", ErrNotFound, reference)
	}
	if err != nil {
		return modelv1.Version{}, err
	}
	return k.Version(ctx, digest)
}

// emit tells indexers what happened.
func emit(ctx context.Context, event proto.Message) error {
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(event)
}

// now is the block's time, Unix seconds.
func now(ctx context.Context) int64 { return sdk.UnwrapSDKContext(ctx).BlockTime().Unix() }
