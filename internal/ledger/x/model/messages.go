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

// messages serves transactions.
type messages struct{ *Keeper }

// RegisterNamespace implements modelv1.MsgServer.
func (m messages) RegisterNamespace(ctx context.Context, msg *modelv1.MsgRegisterNamespace) (*modelv1.MsgRegisterNamespaceResponse, error) {
	if _, err := account.Parse(m.addresses, msg.Owner); err != nil {
		return nil, err
	}
	if err := registry.CheckNamespace(msg.Name); err != nil {
		return nil, err
	}
	if taken, err := m.namespaces.Has(ctx, msg.Name); err != nil || taken {
		return nil, errors.Join(err, refuse(taken, ErrNamespaceTaken, msg.Name))
	}
	if err := m.namespaces.Set(ctx, msg.Name, modelv1.Namespace{Name: msg.Name, Owner: msg.Owner, CreatedAt: now(ctx)}); err != nil {
		return nil, err
	}
	return &modelv1.MsgRegisterNamespaceResponse{}, emit(ctx, &modelv1.EventNamespaceRegistered{Name: msg.Name, Owner: msg.Owner})
}

// RegisterVersion implements modelv1.MsgServer.
func (m messages) RegisterVersion(ctx context.Context, msg *modelv1.MsgRegisterVersion) (*modelv1.MsgRegisterVersionResponse, error) {
	v := modelv1.Version{
		Digest: msg.Digest, Name: msg.Name, Version: msg.Version, Owner: msg.Owner, Class: msg.Class, Policy: msg.Policy,
		License: msg.License, Architecture: msg.Architecture, Parameters: msg.Parameters, SizeBytes: msg.SizeBytes,
		ContextLength: msg.ContextLength, Quantization: msg.Quantization, CreatedAt: now(ctx), WeightsRoot: msg.WeightsRoot,
		Status: modelv1.Status_STATUS_LISTED, Parents: msg.Parents, DerivativeBps: msg.DerivativeBps, Card: msg.Card,
		Conduct: msg.Conduct,
	}
	if msg.Draft {
		v.Status = modelv1.Status_STATUS_DRAFT
	}
	if err := m.derive(ctx, &v); err != nil {
		return nil, err
	}
	if err := m.validate(v); err != nil {
		return nil, err
	}
	if err := m.register(ctx, v); err != nil {
		return nil, err
	}
	return &modelv1.MsgRegisterVersionResponse{Owes: v.Owes},
		emit(ctx, &modelv1.EventVersionRegistered{Digest: v.Digest, Name: v.Name, Version: v.Version, Owner: v.Owner})
}

// Transfer implements modelv1.MsgServer.
func (m messages) Transfer(ctx context.Context, msg *modelv1.MsgTransfer) (*modelv1.MsgTransferResponse, error) {
	if _, err := account.Parse(m.addresses, msg.To); err != nil {
		return nil, fmt.Errorf("to: %w", err)
	}
	n, err := m.namespaces.Get(ctx, msg.Name)
	switch {
	case err == nil:
		if err := mine(n.Name, n.Owner, msg.Owner); err != nil {
			return nil, err
		}
		n.Owner = msg.To
		err = m.namespaces.Set(ctx, n.Name, n)
	case errors.Is(err, collections.ErrNotFound):
		err = m.transferModel(ctx, msg)
	}
	if err != nil {
		return nil, err
	}
	return &modelv1.MsgTransferResponse{}, emit(ctx, &modelv1.EventTransferred{Name: msg.Name, From: msg.Owner, To: msg.To})
}

func (m messages) transferModel(ctx context.Context, msg *modelv1.MsgTransfer) error {
	model, err := m.owned(ctx, msg.Name, msg.Owner)
	if err != nil {
		return err
	}
	model.Owner = msg.To
	return m.models.Set(ctx, model.Name, model)
}

// owned returns a model that the sender owns.
func (m messages) owned(ctx context.Context, name, sender string) (modelv1.Model, error) {
	model, err := m.Model(ctx, name)
	if err != nil {
		return model, err
	}
	return model, mine(name, model.Owner, sender)
}

// SetStatus implements modelv1.MsgServer.
func (m messages) SetStatus(ctx context.Context, msg *modelv1.MsgSetStatus) (*modelv1.MsgSetStatusResponse, error) {
	v, err := m.Version(ctx, msg.Digest)
	if err != nil {
		return nil, err
	}
	actor := registry.Governance
	if msg.Sender != m.authority {
		actor = registry.Owner
		if _, err := m.owned(ctx, v.Name, msg.Sender); err != nil {
			return nil, err
		}
	}
	if err := registry.Move(registry.Status(v.Status), registry.Status(msg.Status), actor); err != nil {
		return nil, err
	}
	event := &modelv1.EventStatusChanged{Digest: v.Digest, Model: v.Name, Version: v.Version, From: v.Status, To: msg.Status, By: msg.Sender}
	v.Status = msg.Status
	if err := m.versions.Set(ctx, v.Digest, v); err != nil {
		return nil, err
	}
	if v.Status == modelv1.Status_STATUS_LISTED {
		if err := m.makeLatest(ctx, v); err != nil {
			return nil, err
		}
	}
	return &modelv1.MsgSetStatusResponse{}, emit(ctx, event)
}

// SetTag implements modelv1.MsgServer.
func (m messages) SetTag(ctx context.Context, msg *modelv1.MsgSetTag) (*modelv1.MsgSetTagResponse, error) {
	if err := registry.CheckTag(msg.Tag); err != nil {
		return nil, err
	}
	model, err := m.owned(ctx, msg.Model, msg.Owner)
	if err != nil {
		return nil, err
	}
	if model.Voted && msg.Tag == registry.Latest {
		return nil, fmt.Errorf("%w: propose it to the shareholders of %s", ErrVoted, msg.Model)
	}
	if msg.Digest != "" {
		v, err := m.Version(ctx, msg.Digest)
		if err != nil {
			return nil, err
		}
		if v.Name != msg.Model || !registry.Status(v.Status).Sold() {
			return nil, fmt.Errorf("%w: %s is %s@%s, %s", ErrTag, msg.Digest, v.Name, v.Version, registry.Status(v.Status))
		}
	}
	return &modelv1.MsgSetTagResponse{}, m.point(ctx, msg.Model, msg.Tag, msg.Digest)
}

// SetCard implements modelv1.MsgServer.
func (m messages) SetCard(ctx context.Context, msg *modelv1.MsgSetCard) (*modelv1.MsgSetCardResponse, error) {
	v, err := m.Version(ctx, msg.Digest)
	if err != nil {
		return nil, err
	}
	if _, err := m.owned(ctx, v.Name, msg.Owner); err != nil {
		return nil, err
	}
	if err := validateCard(msg.Card); err != nil {
		return nil, err
	}
	v.Card = msg.Card
	if err := m.versions.Set(ctx, v.Digest, v); err != nil {
		return nil, err
	}
	return &modelv1.MsgSetCardResponse{}, emit(ctx, &modelv1.EventCardChanged{Digest: v.Digest, CardDigest: v.Card.Digest})
}
