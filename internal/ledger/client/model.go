package client

import (
	"context"

	"github.com/cosmos/cosmos-sdk/types/query"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
)

// Resolve returns the version that NAME, NAME@VERSION, NAME@sha256:…, NAME:TAG
// or a digest stands for, or ErrNotFound.
func (c *Client) Resolve(ctx context.Context, reference string) (modelv1.Version, error) {
	r, err := modelv1.NewQueryClient(c.conn).Resolve(ctx, &modelv1.QueryResolveRequest{Reference: reference})
	if err != nil {
		return modelv1.Version{}, asked(err)
	}
	return r.Version, nil
}

// Model returns a model with its tags, or ErrNotFound.
func (c *Client) Model(ctx context.Context, name string) (*modelv1.QueryModelResponse, error) {
	r, err := modelv1.NewQueryClient(c.conn).Model(ctx, &modelv1.QueryModelRequest{Name: name})
	return r, asked(err)
}

// Tags returns the tags of all models.
func (c *Client) Tags(ctx context.Context) ([]modelv1.Tag, error) {
	q := modelv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]modelv1.Tag, *query.PageResponse, error) {
		r, err := q.Tags(ctx, &modelv1.QueryTagsRequest{Pagination: page})
		return r.GetTags(), r.GetPagination(), err
	})
}

// Namespace returns a namespace, or ErrNotFound.
func (c *Client) Namespace(ctx context.Context, name string) (modelv1.Namespace, error) {
	r, err := modelv1.NewQueryClient(c.conn).Namespace(ctx, &modelv1.QueryNamespaceRequest{Name: name})
	if err != nil {
		return modelv1.Namespace{}, asked(err)
	}
	return r.Namespace, nil
}
