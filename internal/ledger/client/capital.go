package client

import (
	"context"

	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	distributiontypes "github.com/cosmos/cosmos-sdk/x/distribution/types"
	minttypes "github.com/cosmos/cosmos-sdk/x/mint/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	sdkmath "cosmossdk.io/math"

	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/credit"
)

// Capital is what KOIN is at stake, and what it brings. Amounts are in ukoin.
type Capital struct {
	// PerKoin is what a KOIN of bond lets a provider have in active grants, in
	// ucredit; 0 for no bound.
	PerKoin uint64
	Supply  uint64
	Staked  uint64 // with validators
	// Yield is what stake brings in a year, in basis points: what is minted in as many
	// blocks as the parameters count for a year, less the community's part.
	Yield uint32
}

// Capital asks for it.
func (c *Client) Capital(ctx context.Context) (found Capital, err error) {
	bonds, err := providerv1.NewQueryClient(c.conn).Params(ctx, &providerv1.QueryParamsRequest{})
	if err != nil {
		return found, asked(err)
	}
	supply, err := banktypes.NewQueryClient(c.conn).SupplyOf(ctx, &banktypes.QuerySupplyOfRequest{Denom: credit.KoinDenom})
	if err != nil {
		return found, asked(err)
	}
	staked, err := stakingtypes.NewQueryClient(c.conn).Pool(ctx, &stakingtypes.QueryPoolRequest{})
	if err != nil {
		return found, asked(err)
	}
	minted, err := minttypes.NewQueryClient(c.conn).AnnualProvisions(ctx, &minttypes.QueryAnnualProvisionsRequest{})
	if err != nil {
		return found, asked(err)
	}
	shared, err := distributiontypes.NewQueryClient(c.conn).Params(ctx, &distributiontypes.QueryParamsRequest{})
	if err != nil {
		return found, asked(err)
	}
	found.PerKoin = bonds.Params.ExposurePerKoin
	if supply.Amount.Amount.IsUint64() {
		found.Supply = supply.Amount.Amount.Uint64()
	}
	if pool := staked.Pool.BondedTokens; pool.IsUint64() && pool.IsPositive() {
		found.Staked = pool.Uint64()
		yield := minted.AnnualProvisions.Mul(sdkmath.LegacyOneDec().Sub(shared.Params.CommunityTax)).MulInt64(10_000).QuoInt(pool)
		found.Yield = uint32(min(yield.TruncateInt().Uint64(), 1<<32-1))
	}
	return found, nil
}
