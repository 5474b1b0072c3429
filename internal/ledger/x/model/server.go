package model

import (
	"context"

	"cosmossdk.io/collections"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
)

// messages serves transactions.
type messages struct{ *Keeper }

// RegisterVersion implements modelv1.MsgServer.
func (m messages) RegisterVersion(ctx context.Context, msg *modelv1.MsgRegisterVersion) (*modelv1.MsgRegisterVersionResponse, error) {
	v := modelv1.Version{
		Digest: msg.Digest, Name: msg.Name, Version: msg.Version, Owner: msg.Owner, Class: msg.Class, Policy: msg.Policy,
		License: msg.License, Architecture: msg.Architecture, Parameters: msg.Parameters, SizeBytes: msg.SizeBytes,
		ContextLength: msg.ContextLength, Quantization: msg.Quantization, CreatedAt: now(ctx), WeightsRoot: msg.WeightsRoot,
	}
	if err := m.validate(v); err != nil {
		return nil, err
	}
	if err := m.register(ctx, v); err != nil {
		return nil, err
	}
	return &modelv1.MsgRegisterVersionResponse{}, sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(
		&modelv1.EventVersionRegistered{Digest: v.Digest, Name: v.Name, Version: v.Version, Owner: v.Owner})
}

// queries serves reads.
type queries struct{ *Keeper }

// Version implements modelv1.QueryServer.
func (q queries) Version(ctx context.Context, r *modelv1.QueryVersionRequest) (*modelv1.QueryVersionResponse, error) {
	v, err := q.Keeper.Version(ctx, r.Digest)
	if err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	return &modelv1.QueryVersionResponse{Version: v}, nil
}

// Versions implements modelv1.QueryServer.
func (q queries) Versions(ctx context.Context, r *modelv1.QueryVersionsRequest) (*modelv1.QueryVersionsResponse, error) {
	if r.Name == "" {
		list, page, err := query.CollectionPaginate(ctx, q.versions, r.Pagination,
			func(_ string, v modelv1.Version) (modelv1.Version, error) { return v, nil })
		return &modelv1.QueryVersionsResponse{Versions: list, Pagination: page}, err
	}
	list, page, err := query.CollectionPaginate(ctx, q.names, r.Pagination,
		func(_ collections.Pair[string, string], digest string) (modelv1.Version, error) {
			return q.versions.Get(ctx, digest)
		}, query.WithCollectionPaginationPairPrefix[string, string](r.Name))
	return &modelv1.QueryVersionsResponse{Versions: list, Pagination: page}, err
}
