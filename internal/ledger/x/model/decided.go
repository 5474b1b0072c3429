package model

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/mechanism/registry"
)

// Owner is who owns a model or a namespace, by its name.
func (k *Keeper) Owner(ctx context.Context, name string) (string, error) {
	if registry.CheckNamespace(name) != nil {
		m, err := k.Model(ctx, name)
		return m.Owner, err
	}
	n, err := k.namespaces.Get(ctx, name)
	if errors.Is(err, collections.ErrNotFound) {
		return "", fmt.Errorf("%w: %s", ErrNoNamespace, name)
	}
	return n.Owner, err
}

// Listed returns the model that a version is of; it refuses a version that is
// not listed.
func (k *Keeper) Listed(ctx context.Context, digest string) (model string, err error) {
	v, err := k.Version(ctx, digest)
	if err != nil {
		return "", err
	}
	if status := registry.Status(v.Status); status != registry.Listed {
		return "", fmt.Errorf("%w: %s@%s is %s, not listed", ErrNotFound, v.Name, v.Version, status)
	}
	return v.Name, nil
}

// Point moves a tag to one of the model's versions that is for sale. It is for
// the module in which shareholders decide; SetTag is the owner's, who no longer
// moves latest once they did.
func (k *Keeper) Point(ctx context.Context, model, tag, digest string) error {
	v, err := k.Version(ctx, digest)
	if err != nil {
		return err
	}
	if v.Name != model || !registry.Status(v.Status).Sold() {
		return fmt.Errorf("%w: %s is %s@%s, %s", ErrTag, digest, v.Name, v.Version, registry.Status(v.Status))
	}
	m, err := k.Model(ctx, model)
	if err != nil {
		return err
	}
	m.Voted = m.Voted || tag == registry.Latest
	return errors.Join(k.models.Set(ctx, model, m), k.point(ctx, model, tag, digest))
}

// makeLatest makes a version that is listed its model's latest, unless its
// shareholders decide that.
func (k *Keeper) makeLatest(ctx context.Context, v modelv1.Version) error {
	m, err := k.Model(ctx, v.Name)
	if err != nil || m.Voted {
		return err
	}
	return k.point(ctx, v.Name, registry.Latest, v.Digest)
}

// SetPolicy splits a version's earnings anew, from the next redemption on. It is
// for the module in which shareholders decide, and keeps the bounds.
func (k *Keeper) SetPolicy(ctx context.Context, digest string, policy modelv1.Policy) error {
	v, err := k.Version(ctx, digest)
	if err != nil {
		return err
	}
	v.Policy = policy
	if err := k.validate(v); err != nil {
		return err
	}
	return k.versions.Set(ctx, digest, v)
}
