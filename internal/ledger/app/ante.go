package app

import (
	"context"

	errorsmod "cosmossdk.io/errors"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/x/auth/ante"

	"github.com/koinon/koinon/internal/ledger/refusal"
	"github.com/koinon/koinon/internal/ledger/x/provider"
)

// gasPerUkoin is how much gas one ukoin buys: the least price, the same on
// every node, so that whether a transaction is paid for is part of consensus.
const gasPerUkoin = 1000

// GasPrice is the least price of a unit of gas, as clients write it.
const GasPrice = "0.001" + provider.BondDenom

// FeeDenom is what fees are paid in.
const FeeDenom = provider.BondDenom

// freeGas bounds the gas of a transaction that pays no fee.
const freeGas = 500_000

// Fee is the least fee for an amount of gas.
func Fee(gas uint64) sdk.Coins {
	return sdk.NewCoins(sdk.NewCoin(provider.BondDenom, sdkmath.NewIntFromUint64((gas+gasPerUkoin-1)/gasPerUkoin)))
}

// newAnteHandler is the SDK's chain of checks with koinon's fee.
func (app *App) newAnteHandler() (sdk.AnteHandler, error) {
	standard, err := ante.NewAnteHandler(ante.HandlerOptions{
		AccountKeeper:   app.Account,
		BankKeeper:      app.Bank,
		FeegrantKeeper:  app.FeeGrant,
		SignModeHandler: app.TxConfig.SignModeHandler(),
		SigGasConsumer:  ante.DefaultSigVerificationGasConsumer,
		TxFeeChecker:    checkFee,
	})
	if err != nil {
		return nil, err
	}
	return func(ctx sdk.Context, tx sdk.Tx, simulate bool) (sdk.Context, error) {
		if err := allowed(tx.GetMsgs()); err != nil {
			return ctx, err
		}
		ctx, err := standard(ctx, tx, simulate)
		if err != nil {
			return ctx, err
		}
		return ctx, limitFree(ctx, app.Escrow, tx, simulate)
	}, nil
}

// checkFee refuses a transaction that pays less than its gas costs. The
// priority is the price paid, in ukoin for a million gas.
func checkFee(ctx sdk.Context, tx sdk.Tx) (sdk.Coins, int64, error) {
	feeTx, ok := tx.(sdk.FeeTx)
	if !ok {
		return nil, 0, errorsmod.Wrap(sdkerrors.ErrTxDecode, "the transaction has no fee field")
	}
	fee, gas := feeTx.GetFee(), feeTx.GetGas()
	paid := fee.AmountOf(provider.BondDenom)
	if ctx.BlockHeight() == 0 || Free(tx.GetMsgs()) && fee.IsZero() {
		return fee, 0, nil
	}
	if least := Fee(gas); !fee.IsAllGTE(least) {
		return nil, 0, errorsmod.Wrapf(sdkerrors.ErrInsufficientFee, "%d gas costs %s, the transaction offers %q", gas, least, fee)
	}
	price := paid.MulRaw(1_000_000).Quo(sdkmath.NewIntFromUint64(max(1, gas)))
	if !price.IsInt64() {
		return fee, 1 << 62, nil
	}
	return fee, price.Int64(), nil
}

// freeCounter counts transactions without gas.
type freeCounter interface {
	UseFree(ctx context.Context, address string) error
}

// limitFree holds transactions without a fee to their number and size.
func limitFree(ctx sdk.Context, counter freeCounter, tx sdk.Tx, simulate bool) error {
	feeTx, ok := tx.(sdk.FeeTx)
	if !ok || ctx.BlockHeight() == 0 || !feeTx.GetFee().IsZero() || !Free(tx.GetMsgs()) {
		return nil
	}
	if gas := feeTx.GetGas(); gas > freeGas && !simulate {
		return errorsmod.Wrapf(sdkerrors.ErrInvalidGasLimit, "a transaction without a fee may use %d gas, not %d", freeGas, gas)
	}
	return refusal.Coded(counter.UseFree(ctx, sdk.AccAddress(feeTx.FeePayer()).String()))
}
