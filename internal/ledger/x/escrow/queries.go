package escrow

import (
	"context"
	"errors"
	"math/bits"

	"cosmossdk.io/collections"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/types/query"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/mechanism/escrow"
)

// queries serves reads.
type queries struct{ *Keeper }

// Escrow implements escrowv1.QueryServer.
func (q queries) Escrow(ctx context.Context, r *escrowv1.QueryEscrowRequest) (*escrowv1.QueryEscrowResponse, error) {
	e, err := q.escrows.Get(ctx, r.Payer)
	if errors.Is(err, collections.ErrNotFound) {
		return nil, status.Errorf(codes.NotFound, "%s has no escrow", r.Payer)
	}
	return &escrowv1.QueryEscrowResponse{Escrow: e}, err
}

// Escrows implements escrowv1.QueryServer.
func (q queries) Escrows(ctx context.Context, r *escrowv1.QueryEscrowsRequest) (*escrowv1.QueryEscrowsResponse, error) {
	list, page, err := query.CollectionPaginate(ctx, q.escrows, r.Pagination,
		func(_ string, e escrowv1.Escrow) (escrowv1.Escrow, error) { return e, nil })
	return &escrowv1.QueryEscrowsResponse{Escrows: list, Pagination: page}, err
}

// Grant implements escrowv1.QueryServer.
func (q queries) Grant(ctx context.Context, r *escrowv1.QueryGrantRequest) (*escrowv1.QueryGrantResponse, error) {
	g, err := q.grants.Get(ctx, r.Id)
	if errors.Is(err, collections.ErrNotFound) {
		return nil, status.Errorf(codes.NotFound, "grant %s is not on the ledger: not activated, or lapsed and forgotten", r.Id)
	}
	return &escrowv1.QueryGrantResponse{Grant: g}, err
}

// Grants implements escrowv1.QueryServer.
func (q queries) Grants(ctx context.Context, r *escrowv1.QueryGrantsRequest) (*escrowv1.QueryGrantsResponse, error) {
	index, owner := q.byPayer, r.Payer
	switch {
	case r.Payer != "" && r.Provider != "":
		return nil, status.Error(codes.InvalidArgument, "filter by payer or by provider, not both")
	case r.Provider != "":
		index, owner = q.byProvider, r.Provider
	case r.Payer == "":
		list, page, err := query.CollectionPaginate(ctx, q.grants, r.Pagination,
			func(_ string, g escrowv1.ActiveGrant) (escrowv1.ActiveGrant, error) { return g, nil })
		return &escrowv1.QueryGrantsResponse{Grants: list, Pagination: page}, err
	}
	list, page, err := query.CollectionPaginate(ctx, index, r.Pagination,
		func(key textsKey, _ collections.NoValue) (escrowv1.ActiveGrant, error) {
			return q.grants.Get(ctx, key.K2())
		},
		query.WithCollectionPaginationPairPrefix[string, string](owner))
	return &escrowv1.QueryGrantsResponse{Grants: list, Pagination: page}, err
}

// Payouts implements escrowv1.QueryServer.
func (q queries) Payouts(ctx context.Context, r *escrowv1.QueryPayoutsRequest) (*escrowv1.QueryPayoutsResponse, error) {
	if r.Recipient == "" {
		list, page, err := query.CollectionPaginate(ctx, q.payouts, r.Pagination,
			func(_ payoutKey, p escrowv1.Payout) (escrowv1.Payout, error) { return p, nil })
		return &escrowv1.QueryPayoutsResponse{Payouts: list, Pagination: page}, err
	}
	list, page, err := query.CollectionPaginate(ctx, q.byReceiver, r.Pagination,
		func(key collections.Pair[string, payoutKey], _ collections.NoValue) (escrowv1.Payout, error) {
			return q.payouts.Get(ctx, key.K2())
		},
		query.WithCollectionPaginationPairPrefix[string, payoutKey](r.Recipient))
	return &escrowv1.QueryPayoutsResponse{Payouts: list, Pagination: page}, err
}

// Issuers implements escrowv1.QueryServer.
func (q queries) Issuers(ctx context.Context, r *escrowv1.QueryIssuersRequest) (*escrowv1.QueryIssuersResponse, error) {
	list, page, err := query.CollectionPaginate(ctx, q.issuers, r.Pagination,
		func(_ string, i escrowv1.Issuer) (escrowv1.Issuer, error) { return i, nil })
	return &escrowv1.QueryIssuersResponse{Issuers: list, Pagination: page}, err
}

// Entry implements escrowv1.QueryServer.
func (q queries) Entry(ctx context.Context, r *escrowv1.QueryEntryRequest) (*escrowv1.QueryEntryResponse, error) {
	e, err := q.entries.Get(ctx, collections.Join(r.Issuer, r.Reference))
	if errors.Is(err, collections.ErrNotFound) {
		return nil, status.Errorf(codes.NotFound, "%s has not used the reference %q", r.Issuer, r.Reference)
	}
	return &escrowv1.QueryEntryResponse{Entry: e}, err
}

// CashOuts implements escrowv1.QueryServer.
func (q queries) CashOuts(ctx context.Context, r *escrowv1.QueryCashOutsRequest) (*escrowv1.QueryCashOutsResponse, error) {
	list, page, err := query.CollectionPaginate(ctx, q.cashOuts, r.Pagination,
		func(_ collections.Pair[string, uint64], c escrowv1.CashOut) (escrowv1.CashOut, error) { return c, nil },
		query.WithCollectionPaginationPairPrefix[string, uint64](r.Issuer))
	return &escrowv1.QueryCashOutsResponse{CashOuts: list, Pagination: page}, err
}

// Invariants implements escrowv1.QueryServer.
func (q queries) Invariants(ctx context.Context, _ *escrowv1.QueryInvariantsRequest) (*escrowv1.QueryInvariantsResponse, error) {
	i, err := q.Keeper.Invariants(ctx)
	return &escrowv1.QueryInvariantsResponse{Invariants: i}, err
}

// Params implements escrowv1.QueryServer.
func (q queries) Params(ctx context.Context, _ *escrowv1.QueryParamsRequest) (*escrowv1.QueryParamsResponse, error) {
	p, err := q.params.Get(ctx)
	return &escrowv1.QueryParamsResponse{Params: p}, err
}

// Invariants adds up all that the module owes and compares it with what its
// account holds, each escrow's locked credit with its grants', and each
// provider's exposure likewise.
func (k *Keeper) Invariants(ctx context.Context) (escrowv1.Invariants, error) {
	var sums escrowv1.Invariants
	wrapped := uint64(0)
	add := func(sum *uint64, amount uint64) {
		var carry uint64
		*sum, carry = bits.Add64(*sum, amount, 0)
		wrapped |= carry
	}
	locked, exposed := map[string]uint64{}, map[string]uint64{}
	mismatched := false
	err := errors.Join(
		k.grants.Walk(ctx, nil, func(_ string, stored escrowv1.ActiveGrant) (bool, error) {
			g, err := activeOf(stored)
			locked[g.Payer] += g.Rest()
			exposed[g.Provider] += g.Rest()
			return false, err
		}),
		k.exposures.Walk(ctx, nil, func(provider string, sum uint64) (bool, error) {
			mismatched = mismatched || sum != exposed[provider]
			return false, nil
		}),
		k.escrows.Walk(ctx, nil, func(_ string, e escrowv1.Escrow) (bool, error) {
			add(&sums.Available, e.Available)
			add(&sums.Locked, e.Locked)
			mismatched = mismatched || e.Locked != locked[e.Payer]
			return false, nil
		}),
		k.payouts.Walk(ctx, nil, func(_ payoutKey, p escrowv1.Payout) (bool, error) {
			add(&sums.Payouts, p.Amount)
			return false, nil
		}))
	if err != nil {
		return sums, err
	}
	backed, err := k.backed(ctx)
	if err != nil {
		return sums, err
	}
	balance := k.bank.GetBalance(ctx, k.account, CreditDenom).Amount
	if !balance.IsUint64() {
		return sums, escrow.ErrOverflow
	}
	sums.ModuleBalance = balance.Uint64()
	total := sums.Available
	add(&total, sums.Locked)
	add(&total, sums.Payouts)
	sums.Holds = backed && wrapped == 0 && !mismatched && total == sums.ModuleBalance
	return sums, nil
}
