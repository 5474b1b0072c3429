package model

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/registry"
)

// validateGenesis checks every version's policy; how versions relate is checked as
// they are stored.
func validateGenesis(s modelv1.GenesisState) error {
	for _, v := range s.Versions {
		if err := PolicyOf(v, false).Validate(); err != nil {
			return fmt.Errorf("%s@%s: %w", v.Name, v.Version, err)
		}
	}
	return nil
}

// initGenesis stores a genesis and refuses one that does not fit together.
func (k *Keeper) initGenesis(ctx context.Context, s modelv1.GenesisState) error {
	for _, n := range s.Namespaces {
		_, err := account.Parse(k.addresses, n.Owner)
		if err := errors.Join(err, registry.CheckNamespace(n.Name), k.namespaces.Set(ctx, n.Name, n)); err != nil {
			return err
		}
	}
	for _, m := range s.Models {
		_, err := account.Parse(k.addresses, m.Owner)
		_, _, nameErr := registry.ParseName(m.Name)
		if err := errors.Join(err, nameErr, k.models.Set(ctx, m.Name, m)); err != nil {
			return err
		}
	}
	for _, v := range s.Versions {
		_, err := k.Model(ctx, v.Name)
		if err := errors.Join(err, k.validate(v), k.names.Set(ctx, collections.Join(v.Name, v.Version), v.Digest), k.versions.Set(ctx, v.Digest, v)); err != nil {
			return fmt.Errorf("%s@%s: %w", v.Name, v.Version, err)
		}
	}
	for _, t := range s.Tags {
		v, err := k.Version(ctx, t.Digest)
		if err == nil && v.Name != t.Model {
			err = fmt.Errorf("%w: %s:%s", ErrTag, t.Model, t.Tag)
		}
		if err := errors.Join(err, registry.CheckTag(t.Tag), k.tags.Set(ctx, collections.Join(t.Model, t.Tag), t)); err != nil {
			return err
		}
	}
	return nil
}

// exportGenesis returns the whole state, in the order of its keys.
func (k *Keeper) exportGenesis(ctx context.Context) (*modelv1.GenesisState, error) {
	s := &modelv1.GenesisState{}
	return s, errors.Join(collect(ctx, k.versions, &s.Versions), collect(ctx, k.namespaces, &s.Namespaces),
		collect(ctx, k.models, &s.Models), collect(ctx, k.tags, &s.Tags))
}

// collect appends all values of a map, in the order of their keys.
func collect[K, V any](ctx context.Context, m collections.Map[K, V], into *[]V) error {
	return m.Walk(ctx, nil, func(_ K, v V) (bool, error) {
		*into = append(*into, v)
		return false, nil
	})
}
