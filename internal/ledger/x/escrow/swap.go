package escrow

import (
	"context"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/address"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/escrow"
)

// backedBy is the address of the issuer whose dollars the ledger keeps: nobody
// has a key to it.
func (k *Keeper) backedBy(denom string) (string, error) {
	return k.addresses.BytesToString(address.Module(ModuleName, []byte("backing/"+denom)))
}

func dollars(denom string, amount uint64) sdk.Coins {
	return sdk.NewCoins(sdk.NewCoin(denom, sdkmath.NewIntFromUint64(amount)))
}

// SwapIn implements escrowv1.MsgServer.
func (m messages) SwapIn(ctx context.Context, msg *escrowv1.MsgSwapIn) (*escrowv1.MsgSwapInResponse, error) {
	holder, err := account.Parse(m.addresses, msg.Holder)
	if err != nil {
		return nil, err
	}
	issuer, err := m.loadIssuer(ctx, msg.Issuer)
	if err != nil {
		return nil, err
	}
	if issuer, err = escrow.SwapIn(issuer, msg.Amount); err != nil {
		return nil, err
	}
	if err := m.bank.SendCoinsFromAccountToModule(ctx, holder, ModuleName, dollars(issuer.Backing, msg.Amount)); err != nil {
		return nil, err
	}
	if err := m.create(ctx, holder, msg.Amount); err != nil {
		return nil, err
	}
	return &escrowv1.MsgSwapInResponse{}, m.swapped(ctx, msg.Holder, issuer, msg.Amount, false)
}

// SwapOut implements escrowv1.MsgServer.
func (m messages) SwapOut(ctx context.Context, msg *escrowv1.MsgSwapOut) (*escrowv1.MsgSwapOutResponse, error) {
	holder, err := account.Parse(m.addresses, msg.Holder)
	if err != nil {
		return nil, err
	}
	issuer, err := m.loadIssuer(ctx, msg.Issuer)
	if err != nil {
		return nil, err
	}
	if issuer, err = escrow.SwapOut(issuer, msg.Amount); err != nil {
		return nil, err
	}
	if err := m.destroy(ctx, holder, msg.Amount); err != nil {
		return nil, err
	}
	if err := m.bank.SendCoinsFromModuleToAccount(ctx, ModuleName, holder, dollars(issuer.Backing, msg.Amount)); err != nil {
		return nil, err
	}
	return &escrowv1.MsgSwapOutResponse{}, m.swapped(ctx, msg.Holder, issuer, msg.Amount, true)
}

func (m messages) swapped(ctx context.Context, holder string, i escrow.Issuer, amount uint64, out bool) error {
	if err := m.issuers.Set(ctx, i.Address, storedIssuer(i)); err != nil {
		return err
	}
	return emit(ctx, &escrowv1.EventSwapped{Holder: holder, Issuer: i.Address, Amount: amount, Out: out, Outstanding: i.Outstanding})
}

// backed says whether the ledger keeps a dollar for each that backed issuers
// have outstanding.
func (k *Keeper) backed(ctx context.Context) (bool, error) {
	whole := true
	err := k.issuers.Walk(ctx, nil, func(_ string, i escrowv1.Issuer) (bool, error) {
		if i.Backing != "" {
			kept := k.bank.GetBalance(ctx, k.account, i.Backing).Amount
			whole = whole && kept.GTE(sdkmath.NewIntFromUint64(i.Outstanding))
		}
		return false, nil
	})
	return whole, err
}
