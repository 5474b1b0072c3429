package escrow

import (
	"context"
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/receipt"
)

// messages serves transactions.
type messages struct{ *Keeper }

// What a provider pays for the work that its messages make every validator do,
// at the price that the SDK puts on its own.
const (
	gasPerHash      = 10  // of a redemption's chain
	gasPerSignature = 590 // Ed25519, of a grant
)

// Deposit implements escrowv1.MsgServer.
func (m messages) Deposit(ctx context.Context, msg *escrowv1.MsgDeposit) (*escrowv1.MsgDepositResponse, error) {
	payer, err := account.Parse(m.addresses, msg.Payer)
	if err != nil {
		return nil, err
	}
	if err := m.providers.MayJoin(ctx, msg.Payer); err != nil {
		return nil, err
	}
	a, err := m.loadAccount(ctx, msg.Payer)
	if err != nil {
		return nil, err
	}
	if a, err = escrow.Deposit(a, msg.Amount, msg.GrantKey); err != nil {
		return nil, err
	}
	if err := m.bank.SendCoinsFromAccountToModule(ctx, payer, ModuleName, coins(msg.Amount)); err != nil {
		return nil, err
	}
	if err := m.storeAccount(ctx, a); err != nil {
		return nil, err
	}
	return &escrowv1.MsgDepositResponse{}, emit(ctx, &escrowv1.EventDeposited{Payer: a.Payer, Amount: msg.Amount, Available: a.Available})
}

// Withdraw implements escrowv1.MsgServer.
func (m messages) Withdraw(ctx context.Context, msg *escrowv1.MsgWithdraw) (*escrowv1.MsgWithdrawResponse, error) {
	params, err := m.loadParams(ctx)
	if err != nil {
		return nil, err
	}
	a, err := m.loadAccount(ctx, msg.Payer)
	if err != nil {
		return nil, err
	}
	a, payout, err := escrow.Withdraw(params, a, msg.Amount, blockTime(ctx), sdk.UnwrapSDKContext(ctx).BlockHeight())
	if err != nil {
		return nil, err
	}
	if err := m.storeAccount(ctx, a); err != nil {
		return nil, err
	}
	if err := m.addPayout(ctx, payout); err != nil {
		return nil, err
	}
	return &escrowv1.MsgWithdrawResponse{DueAt: payout.DueAt}, emit(ctx,
		&escrowv1.EventWithdrawalRequested{Payer: a.Payer, Amount: msg.Amount, DueAt: payout.DueAt})
}

// Activate implements escrowv1.MsgServer.
func (m messages) Activate(ctx context.Context, msg *escrowv1.MsgActivate) (*escrowv1.MsgActivateResponse, error) {
	grant, err := GrantOf(msg.Grant)
	if err != nil {
		return nil, err
	}
	if err := m.providers.MayServe(ctx, msg.Provider); err != nil {
		return nil, err
	}
	if _, err := m.models.Policy(ctx, msg.Grant.ModelDigest); err != nil {
		return nil, err
	}
	if err := m.providers.MaySell(ctx, msg.Grant.ModelDigest, msg.Provider); err != nil {
		return nil, err
	}
	if grant.App != "" {
		if _, err := account.Parse(m.addresses, grant.App); err != nil {
			return nil, fmt.Errorf("the grant's app: %w", err)
		}
	}
	sdk.UnwrapSDKContext(ctx).GasMeter().ConsumeGas(gasPerSignature, "grant signature")
	params, err := m.loadParams(ctx)
	if err != nil {
		return nil, err
	}
	known, err := m.grants.Has(ctx, grant.ID().Hex())
	if err != nil {
		return nil, err
	}
	a, err := m.loadAccount(ctx, grant.Payer)
	if err != nil {
		return nil, err
	}
	signed := receipt.SignedGrant{Grant: grant, Signature: msg.Signature}
	a, active, err := escrow.Activate(params, a, known, signed, msg.Provider, sdk.UnwrapSDKContext(ctx).ChainID(), blockTime(ctx))
	if err != nil {
		return nil, err
	}
	if err := m.mayExpose(ctx, active); err != nil {
		return nil, err
	}
	if err := m.rights.Admit(ctx, grant); err != nil {
		return nil, err
	}
	if active.DiscountBps, err = m.discount(ctx, params, grant); err != nil {
		return nil, err
	}
	if err := m.storeAccount(ctx, a); err != nil {
		return nil, err
	}
	if err := m.addGrant(ctx, active); err != nil {
		return nil, err
	}
	id := active.ID.Hex()
	return &escrowv1.MsgActivateResponse{Id: id}, emit(ctx, &escrowv1.EventGrantActivated{
		Id: id, Payer: grant.Payer, Provider: grant.Provider, ModelDigest: grant.Model.String(), Cap: active.Rest(), Expiry: grant.Expiry})
}

// discount is what of the treasury's part a payer has back, by what it has now.
func (k *Keeper) discount(ctx context.Context, p escrow.Params, g receipt.Grant) (uint32, error) {
	if len(p.Discounts.Stake)+len(p.Discounts.Held) == 0 {
		return 0, nil
	}
	payer, err := k.addresses.StringToBytes(g.Payer)
	if err != nil {
		return 0, err
	}
	staked, err := k.stakes.GetDelegatorBonded(ctx, payer)
	if err != nil {
		return 0, err
	}
	v, err := k.models.Version(ctx, g.Model.String())
	if err != nil {
		return 0, err
	}
	shares, all, err := k.royalties.Held(ctx, v.Name, g.Payer)
	if err != nil || !staked.IsUint64() {
		return 0, err
	}
	return p.Discounts.Bps(staked.Uint64(), shares, all), nil
}

// UpdateParams implements escrowv1.MsgServer.
func (m messages) UpdateParams(ctx context.Context, msg *escrowv1.MsgUpdateParams) (*escrowv1.MsgUpdateParamsResponse, error) {
	if msg.Authority != m.authority {
		return nil, fmt.Errorf("%w: %s", ErrAuthority, m.authority)
	}
	if err := paramsOf(msg.Params).Validate(); err != nil {
		return nil, err
	}
	return &escrowv1.MsgUpdateParamsResponse{}, m.params.Set(ctx, msg.Params)
}
