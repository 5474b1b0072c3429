package share

import (
	"context"
	"errors"

	"cosmossdk.io/collections"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/types/query"

	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/share"
)

// queries serves reads.
type queries struct{ *Keeper }

// known returns a model's shares, or an error that says that there are none.
func (q queries) known(ctx context.Context, model string) (sharev1.Issue, error) {
	i, err := q.issue(ctx, model)
	if errors.Is(err, ErrNoShares) {
		return i, status.Error(codes.NotFound, err.Error())
	}
	return i, err
}

// Issue implements sharev1.QueryServer.
func (q queries) Issue(ctx context.Context, r *sharev1.QueryIssueRequest) (*sharev1.QueryIssueResponse, error) {
	i, err := q.known(ctx, r.Model)
	return &sharev1.QueryIssueResponse{Issue: i, Supply: q.supply(ctx, r.Model)}, err
}

// held is a holding as it is now.
func (q queries) held(ctx context.Context, i sharev1.Issue, holder string) (sharev1.Held, error) {
	h, shares, err := q.holding(ctx, i.Model, holder)
	return sharev1.Held{Holding: h, Shares: shares, Royalties: share.Pending(poolOf(i), positionOf(h), shares).Whole}, err
}

// Holders implements sharev1.QueryServer.
func (q queries) Holders(ctx context.Context, r *sharev1.QueryHoldersRequest) (*sharev1.QueryHoldersResponse, error) {
	i, err := q.known(ctx, r.Model)
	if err != nil {
		return nil, err
	}
	list, page, err := query.CollectionPaginate(ctx, q.holdings, r.Pagination,
		func(_ textsKey, h sharev1.Holding) (sharev1.Held, error) { return q.held(ctx, i, h.Holder) },
		query.WithCollectionPaginationPairPrefix[string, string](r.Model))
	return &sharev1.QueryHoldersResponse{Holders: list, Pagination: page}, err
}

// Holder implements sharev1.QueryServer.
func (q queries) Holder(ctx context.Context, r *sharev1.QueryHolderRequest) (*sharev1.QueryHolderResponse, error) {
	if _, err := account.Parse(q.addresses, r.Holder); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	i, err := q.known(ctx, r.Model)
	if err != nil {
		return nil, err
	}
	h, err := q.held(ctx, i, r.Holder)
	return &sharev1.QueryHolderResponse{Held: h}, err
}

// Vestings implements sharev1.QueryServer.
func (q queries) Vestings(ctx context.Context, r *sharev1.QueryVestingsRequest) (*sharev1.QueryVestingsResponse, error) {
	now := blockTime(ctx)
	prefix := collections.TripleSuperPrefix[string, string, uint64](r.Model, r.Holder)
	list, page, err := query.CollectionPaginate(ctx, q.vestings, r.Pagination,
		func(_ vestingKey, v sharev1.Vesting) (sharev1.Schedule, error) {
			return sharev1.Schedule{Vesting: v, Free: vestingOf(v).Free(now)}, nil
		},
		func(o *query.CollectionsPaginateOptions[vestingKey]) { o.Prefix = &prefix })
	return &sharev1.QueryVestingsResponse{Schedules: list, Pagination: page}, err
}

// Power implements sharev1.QueryServer.
func (q queries) Power(ctx context.Context, r *sharev1.QueryPowerRequest) (*sharev1.QueryPowerResponse, error) {
	at := r.At
	if at == 0 {
		at = blockTime(ctx)
	}
	n, err := q.Keeper.Power(ctx, r.Model, r.Voter, at)
	return &sharev1.QueryPowerResponse{Shares: n}, err
}

// Bid implements sharev1.QueryServer.
func (q queries) Bid(ctx context.Context, r *sharev1.QueryBidRequest) (*sharev1.QueryBidResponse, error) {
	b, err := q.bid(ctx, r.Id)
	if err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	return &sharev1.QueryBidResponse{Bid: b}, nil
}

// Bids implements sharev1.QueryServer.
func (q queries) Bids(ctx context.Context, r *sharev1.QueryBidsRequest) (*sharev1.QueryBidsResponse, error) {
	list, page, err := query.CollectionPaginate(ctx, q.bids, r.Pagination,
		func(_ uint64, b sharev1.Bid) (sharev1.Bid, error) { return b, nil })
	return &sharev1.QueryBidsResponse{Bids: list, Pagination: page}, err
}

// Tenders implements sharev1.QueryServer.
func (q queries) Tenders(ctx context.Context, r *sharev1.QueryTendersRequest) (*sharev1.QueryTendersResponse, error) {
	list, page, err := query.CollectionPaginate(ctx, q.tenders, r.Pagination,
		func(_ tenderKey, t sharev1.Tender) (sharev1.Tender, error) { return t, nil },
		query.WithCollectionPaginationPairPrefix[uint64, string](r.Bid))
	return &sharev1.QueryTendersResponse{Tenders: list, Pagination: page}, err
}
