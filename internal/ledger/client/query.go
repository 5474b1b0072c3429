package client

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	nodeservice "github.com/cosmos/cosmos-sdk/client/grpc/node"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	distributiontypes "github.com/cosmos/cosmos-sdk/x/distribution/types"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/credit"
)

// asked names the error of a query.
func asked(err error) error {
	if err == nil {
		return nil
	}
	if s, ok := status.FromError(err); ok && s.Code() == codes.NotFound {
		return fmt.Errorf("%w: %s", ErrNotFound, s.Message())
	}
	return fmt.Errorf("cannot ask the ledger: %w", err)
}

// all reads every page of a list.
func all[T any](read func(page *query.PageRequest) ([]T, *query.PageResponse, error)) ([]T, error) {
	const limit = 1000
	var list []T
	page := &query.PageRequest{Limit: limit}
	for {
		part, next, err := read(page)
		if err != nil {
			return nil, asked(err)
		}
		list = append(list, part...)
		if next == nil || len(next.NextKey) == 0 {
			return list, nil
		}
		page = &query.PageRequest{Key: next.NextKey, Limit: limit}
	}
}

// Version returns a model version by its digest, "sha256:…", or ErrNotFound.
func (c *Client) Version(ctx context.Context, digest string) (modelv1.Version, error) {
	r, err := modelv1.NewQueryClient(c.conn).Version(ctx, &modelv1.QueryVersionRequest{Digest: digest})
	if err != nil {
		return modelv1.Version{}, asked(err)
	}
	return r.Version, nil
}

// Versions returns the model versions of a name, or all for an empty one.
func (c *Client) Versions(ctx context.Context, name string) ([]modelv1.Version, error) {
	q := modelv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]modelv1.Version, *query.PageResponse, error) {
		r, err := q.Versions(ctx, &modelv1.QueryVersionsRequest{Name: name, Pagination: page})
		return r.GetVersions(), r.GetPagination(), err
	})
}

// Provider returns a provider by its address, or ErrNotFound.
func (c *Client) Provider(ctx context.Context, address string) (providerv1.Provider, error) {
	r, err := providerv1.NewQueryClient(c.conn).Provider(ctx, &providerv1.QueryProviderRequest{Address: address})
	if err != nil {
		return providerv1.Provider{}, asked(err)
	}
	return r.Provider, nil
}

// Providers returns all providers.
func (c *Client) Providers(ctx context.Context) ([]providerv1.Provider, error) {
	q := providerv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]providerv1.Provider, *query.PageResponse, error) {
		r, err := q.Providers(ctx, &providerv1.QueryProvidersRequest{Pagination: page})
		return r.GetProviders(), r.GetPagination(), err
	})
}

// Offers returns the offers for a model version, by a provider, or all.
func (c *Client) Offers(ctx context.Context, digest, provider string) ([]providerv1.Offer, error) {
	q := providerv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]providerv1.Offer, *query.PageResponse, error) {
		r, err := q.Offers(ctx, &providerv1.QueryOffersRequest{ModelDigest: digest, Provider: provider, Pagination: page})
		return r.GetOffers(), r.GetPagination(), err
	})
}

// Escrow returns a payer's escrow, or ErrNotFound.
func (c *Client) Escrow(ctx context.Context, payer string) (escrowv1.Escrow, error) {
	r, err := escrowv1.NewQueryClient(c.conn).Escrow(ctx, &escrowv1.QueryEscrowRequest{Payer: payer})
	if err != nil {
		return escrowv1.Escrow{}, asked(err)
	}
	return r.Escrow, nil
}

// Grant returns an activated grant by its id in hexadecimal digits, or ErrNotFound.
func (c *Client) Grant(ctx context.Context, id string) (escrowv1.ActiveGrant, error) {
	r, err := escrowv1.NewQueryClient(c.conn).Grant(ctx, &escrowv1.QueryGrantRequest{Id: id})
	if err != nil {
		return escrowv1.ActiveGrant{}, asked(err)
	}
	return r.Grant, nil
}

// Grants returns the activated grants of a payer, of a provider, or all.
func (c *Client) Grants(ctx context.Context, payer, provider string) ([]escrowv1.ActiveGrant, error) {
	q := escrowv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]escrowv1.ActiveGrant, *query.PageResponse, error) {
		r, err := q.Grants(ctx, &escrowv1.QueryGrantsRequest{Payer: payer, Provider: provider, Pagination: page})
		return r.GetGrants(), r.GetPagination(), err
	})
}

// Payouts returns money on its way to a recipient, or all.
func (c *Client) Payouts(ctx context.Context, recipient string) ([]escrowv1.Payout, error) {
	q := escrowv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]escrowv1.Payout, *query.PageResponse, error) {
		r, err := q.Payouts(ctx, &escrowv1.QueryPayoutsRequest{Recipient: recipient, Pagination: page})
		return r.GetPayouts(), r.GetPagination(), err
	})
}

// Entry returns what an issuer did under a reference, or ErrNotFound.
func (c *Client) Entry(ctx context.Context, issuer, reference string) (escrowv1.Entry, error) {
	r, err := escrowv1.NewQueryClient(c.conn).Entry(ctx, &escrowv1.QueryEntryRequest{Issuer: issuer, Reference: reference})
	if err != nil {
		return escrowv1.Entry{}, asked(err)
	}
	return r.Entry, nil
}

// CashOuts returns what an issuer owes outside of the ledger, oldest first.
func (c *Client) CashOuts(ctx context.Context, issuer string) ([]escrowv1.CashOut, error) {
	q := escrowv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]escrowv1.CashOut, *query.PageResponse, error) {
		r, err := q.CashOuts(ctx, &escrowv1.QueryCashOutsRequest{Issuer: issuer, Pagination: page})
		return r.GetCashOuts(), r.GetPagination(), err
	})
}

// EscrowParams returns x/escrow's parameters.
func (c *Client) EscrowParams(ctx context.Context) (escrowv1.Params, error) {
	r, err := escrowv1.NewQueryClient(c.conn).Params(ctx, &escrowv1.QueryParamsRequest{})
	if err != nil {
		return escrowv1.Params{}, asked(err)
	}
	return r.Params, nil
}

// ProviderParams returns x/provider's parameters.
func (c *Client) ProviderParams(ctx context.Context) (providerv1.Params, error) {
	r, err := providerv1.NewQueryClient(c.conn).Params(ctx, &providerv1.QueryParamsRequest{})
	if err != nil {
		return providerv1.Params{}, asked(err)
	}
	return r.Params, nil
}

// Invariants returns x/escrow's books.
func (c *Client) Invariants(ctx context.Context) (escrowv1.Invariants, error) {
	r, err := escrowv1.NewQueryClient(c.conn).Invariants(ctx, &escrowv1.QueryInvariantsRequest{})
	if err != nil {
		return escrowv1.Invariants{}, asked(err)
	}
	return r.Invariants, nil
}

// Balance returns what an account holds of a denomination, in micro-units.
func (c *Client) Balance(ctx context.Context, address, denom string) (uint64, error) {
	r, err := banktypes.NewQueryClient(c.conn).Balance(ctx, &banktypes.QueryBalanceRequest{Address: address, Denom: denom})
	if err != nil {
		return 0, asked(err)
	}
	if !r.Balance.Amount.IsUint64() {
		return 0, fmt.Errorf("balance of %s does not fit in 64 bits", address)
	}
	return r.Balance.Amount.Uint64(), nil
}

// Holds is what an account holds, in ucredit and ukoin.
func (c *Client) Holds(ctx context.Context, address string) (ucredit, ukoin uint64, err error) {
	if ucredit, err = c.Balance(ctx, address, credit.Denom); err == nil {
		ukoin, err = c.Balance(ctx, address, credit.KoinDenom)
	}
	return ucredit, ukoin, err
}

// Balances returns all that an account holds.
func (c *Client) Balances(ctx context.Context, address string) (sdk.Coins, error) {
	q := banktypes.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]sdk.Coin, *query.PageResponse, error) {
		r, err := q.AllBalances(ctx, &banktypes.QueryAllBalancesRequest{Address: address, Pagination: page})
		return r.GetBalances(), r.GetPagination(), err
	})
}

// Treasury returns what the community pool holds of a denomination, in whole
// micro-units.
func (c *Client) Treasury(ctx context.Context, denom string) (uint64, error) {
	r, err := distributiontypes.NewQueryClient(c.conn).CommunityPool(ctx, &distributiontypes.QueryCommunityPoolRequest{})
	if err != nil {
		return 0, asked(err)
	}
	return r.Pool.AmountOf(denom).TruncateInt().Uint64(), nil
}

// Height returns the number of the latest block whose state can be asked for:
// one that is decided may not be executed yet.
func (c *Client) Height(ctx context.Context) (int64, error) {
	r, err := nodeservice.NewServiceClient(c.conn).Status(ctx, &nodeservice.StatusRequest{})
	if err != nil {
		return 0, asked(err)
	}
	return int64(r.Height), nil
}
