package model

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/mechanism/lineage"
	"github.com/koinon/koinon/internal/mechanism/registry"
	"github.com/koinon/koinon/internal/mechanism/split"
)

// derive computes what a version owes for its parents.
func (k *Keeper) derive(ctx context.Context, v *modelv1.Version) error {
	var parents []lineage.Version
	for i, digest := range v.Parents {
		for _, other := range v.Parents[:i] {
			if other == digest {
				return fmt.Errorf("%w: parents: %s is named twice", ErrField, digest)
			}
		}
		p, err := k.Version(ctx, digest)
		if err != nil {
			return fmt.Errorf("parents: %w", err)
		}
		if status := registry.Status(p.Status); !status.Sold() {
			return fmt.Errorf("%w: %s is %s", ErrParent, digest, status)
		}
		parents = append(parents, lineage.Version{Model: p.Name, AsksBps: p.DerivativeBps, Depth: p.Depth, Owes: debtsOf(p.Owes)})
	}
	owes, depth, err := lineage.Derive(v.Name, parents)
	if err != nil {
		return err
	}
	v.Depth, v.Owes = depth, nil
	for _, d := range owes {
		v.Owes = append(v.Owes, modelv1.Debt{Model: d.Model, Bps: d.Bps})
	}
	return nil
}

// register stores a new, valid version, and lists it unless it is a draft.
func (k *Keeper) register(ctx context.Context, v modelv1.Version) error {
	if taken, err := k.versions.Has(ctx, v.Digest); err != nil || taken {
		return errors.Join(err, refuse(taken, ErrDigestTaken, v.Digest))
	}
	key := collections.Join(v.Name, v.Version)
	if taken, err := k.names.Has(ctx, key); err != nil || taken {
		return errors.Join(err, refuse(taken, ErrVersionTaken, v.Name+"@"+v.Version))
	}
	if err := k.own(ctx, v); err != nil {
		return err
	}
	if err := errors.Join(k.names.Set(ctx, key, v.Digest), k.versions.Set(ctx, v.Digest, v)); err != nil {
		return err
	}
	if v.Status != modelv1.Status_STATUS_LISTED {
		return nil
	}
	return k.makeLatest(ctx, v)
}

// own refuses a version by anybody but the model's owner, and makes the model if
// there is none: a plain name is the first's to use it, a name in a namespace
// its owner's.
func (k *Keeper) own(ctx context.Context, v modelv1.Version) error {
	m, err := k.models.Get(ctx, v.Name)
	if err == nil {
		return mine(v.Name, m.Owner, v.Owner)
	}
	if !errors.Is(err, collections.ErrNotFound) {
		return err
	}
	if space, _, _ := registry.ParseName(v.Name); space != "" {
		n, err := k.namespaces.Get(ctx, space)
		if errors.Is(err, collections.ErrNotFound) {
			return fmt.Errorf("%w: %s: register it first", ErrNoNamespace, space)
		}
		if err != nil {
			return err
		}
		if err := mine(space, n.Owner, v.Owner); err != nil {
			return err
		}
	}
	return k.models.Set(ctx, v.Name, modelv1.Model{Name: v.Name, Owner: v.Owner, CreatedAt: v.CreatedAt})
}

// mine refuses who does not own what it wants to change.
func mine(what, owner, sender string) error {
	if owner != sender {
		return fmt.Errorf("%w: %s is %s's", ErrNameTaken, what, owner)
	}
	return nil
}

// point moves a tag to a version, or removes it if the digest is empty.
func (k *Keeper) point(ctx context.Context, model, tag, digest string) error {
	key := collections.Join(model, tag)
	before, err := k.tags.Get(ctx, key)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return err
	}
	if digest == "" {
		err = k.tags.Remove(ctx, key)
	} else {
		err = k.tags.Set(ctx, key, modelv1.Tag{Model: model, Tag: tag, Digest: digest, MovedAt: now(ctx)})
	}
	return errors.Join(err, emit(ctx, &modelv1.EventTagMoved{Model: model, Tag: tag, Digest: digest, Before: before.Digest}))
}

func refuse(condition bool, err error, what string) error {
	if !condition {
		return nil
	}
	return fmt.Errorf("%w: %s", err, what)
}

func debtsOf(list []modelv1.Debt) []lineage.Debt {
	var out []lineage.Debt
	for _, d := range list {
		out = append(out, lineage.Debt{Model: d.Model, Bps: d.Bps})
	}
	return out
}

// PolicyOf is how a version's earnings are split. What the policy leaves to
// owners is the model's, once it has shares.
func PolicyOf(v modelv1.Version, shared bool) split.Policy {
	shares := func(list []modelv1.Share) []split.Share {
		var out []split.Share
		for _, s := range list {
			out = append(out, split.Share{Recipient: s.Address, Bps: s.Bps})
		}
		return out
	}
	p := split.Policy{
		ProviderBps: v.Policy.ProviderBps, AppBps: v.Policy.AppBps, TreasuryBps: v.Policy.TreasuryBps, CuratorsBps: v.Policy.CuratorsBps,
		Owners: shares(v.Policy.Owners), Data: shares(v.Policy.Data),
	}
	if shared {
		var all uint32 // at most the whole, as the policy is valid
		for _, o := range p.Owners {
			all += o.Bps
		}
		if p.Owners = nil; all > 0 {
			p.Royalties = append(p.Royalties, split.Share{Recipient: v.Name, Bps: all})
		}
	}
	for _, d := range v.Owes {
		p.Royalties = append(p.Royalties, split.Share{Recipient: d.Model, Bps: d.Bps})
	}
	return p
}
