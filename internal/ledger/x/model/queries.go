package model

import (
	"context"

	"cosmossdk.io/collections"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/types/query"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
)

// queries serves reads.
type queries struct{ *Keeper }

func notFound(err error) error { return status.Error(codes.NotFound, err.Error()) }

// Version implements modelv1.QueryServer.
func (q queries) Version(ctx context.Context, r *modelv1.QueryVersionRequest) (*modelv1.QueryVersionResponse, error) {
	v, err := q.Keeper.Version(ctx, r.Digest)
	if err != nil {
		return nil, notFound(err)
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
		func(_ textsKey, digest string) (modelv1.Version, error) {
			return q.versions.Get(ctx, digest)
		}, query.WithCollectionPaginationPairPrefix[string, string](r.Name))
	return &modelv1.QueryVersionsResponse{Versions: list, Pagination: page}, err
}

// Resolve implements modelv1.QueryServer.
func (q queries) Resolve(ctx context.Context, r *modelv1.QueryResolveRequest) (*modelv1.QueryResolveResponse, error) {
	v, err := q.Keeper.Resolve(ctx, r.Reference)
	if err != nil {
		return nil, notFound(err)
	}
	return &modelv1.QueryResolveResponse{Version: v}, nil
}

// Model implements modelv1.QueryServer.
func (q queries) Model(ctx context.Context, r *modelv1.QueryModelRequest) (*modelv1.QueryModelResponse, error) {
	m, err := q.Keeper.Model(ctx, r.Name)
	if err != nil {
		return nil, notFound(err)
	}
	out := &modelv1.QueryModelResponse{Model: m}
	err = q.tags.Walk(ctx, collections.NewPrefixedPairRange[string, string](r.Name), func(_ textsKey, t modelv1.Tag) (bool, error) {
		out.Tags = append(out.Tags, t)
		return false, nil
	})
	return out, err
}

// Models implements modelv1.QueryServer.
func (q queries) Models(ctx context.Context, r *modelv1.QueryModelsRequest) (*modelv1.QueryModelsResponse, error) {
	list, page, err := query.CollectionPaginate(ctx, q.models, r.Pagination,
		func(_ string, m modelv1.Model) (modelv1.Model, error) { return m, nil })
	return &modelv1.QueryModelsResponse{Models: list, Pagination: page}, err
}

// Tags implements modelv1.QueryServer.
func (q queries) Tags(ctx context.Context, r *modelv1.QueryTagsRequest) (*modelv1.QueryTagsResponse, error) {
	list, page, err := query.CollectionPaginate(ctx, q.tags, r.Pagination,
		func(_ textsKey, t modelv1.Tag) (modelv1.Tag, error) { return t, nil })
	return &modelv1.QueryTagsResponse{Tags: list, Pagination: page}, err
}

// Namespace implements modelv1.QueryServer.
func (q queries) Namespace(ctx context.Context, r *modelv1.QueryNamespaceRequest) (*modelv1.QueryNamespaceResponse, error) {
	n, err := q.namespaces.Get(ctx, r.Name)
	if err != nil {
		return nil, notFound(err)
	}
	return &modelv1.QueryNamespaceResponse{Namespace: n}, nil
}
