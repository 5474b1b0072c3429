package escrow

import (
	"context"
	"fmt"

	sdkmath "cosmossdk.io/math"

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

// Redeem implements escrowv1.MsgServer.
func (m messages) Redeem(ctx context.Context, msg *escrowv1.MsgRedeem) (*escrowv1.MsgRedeemResponse, error) {
	redemption, err := redemptionOf(msg)
	if err != nil {
		return nil, err
	}
	g, err := m.loadGrant(ctx, msg.Id)
	if err != nil {
		return nil, err
	}
	if msg.Index > g.Redeemed && msg.Index <= g.Tickets {
		sdk.UnwrapSDKContext(ctx).GasMeter().ConsumeGas((msg.Index-g.Redeemed)*gasPerHash, "ticket hashes")
	}
	params, err := m.loadParams(ctx)
	if err != nil {
		return nil, err
	}
	policy, err := m.models.Policy(ctx, g.Model.String())
	if err != nil {
		return nil, err
	}
	a, err := m.loadAccount(ctx, g.Payer)
	if err != nil {
		return nil, err
	}
	rest := g.Rest()
	a, g, payouts, amount, err := escrow.Redeem(params, a, g, policy, redemption, msg.Provider, Treasury, blockTime(ctx))
	if err != nil {
		return nil, err
	}
	if err := m.storeAccount(ctx, a); err != nil {
		return nil, err
	}
	if err := m.grants.Set(ctx, msg.Id, storedActive(g)); err != nil {
		return nil, err
	}
	event := &escrowv1.EventRedeemed{Id: msg.Id, Payer: g.Payer, Provider: g.Provider, ModelDigest: g.Model.String(),
		Index: g.Redeemed, Amount: amount, ReceiptsRoot: g.ReceiptsRoot[:]}
	for _, p := range payouts {
		if err := m.addPayout(ctx, p); err != nil {
			return nil, err
		}
		event.Payouts = append(event.Payouts, storedPayout(p))
	}
	if err := emit(ctx, event); err != nil {
		return nil, err
	}
	response := &escrowv1.MsgRedeemResponse{Amount: amount}
	if g.Status != escrow.Closed {
		return response, nil
	}
	return response, emit(ctx, &escrowv1.EventGrantClosed{Id: msg.Id, Payer: g.Payer, Provider: g.Provider, Returned: rest - amount})
}

func redemptionOf(msg *escrowv1.MsgRedeem) (escrow.Redemption, error) {
	r := escrow.Redemption{Index: msg.Index, Receipts: msg.Receipts, Close: msg.Close}
	for _, field := range []struct {
		name string
		data []byte
		into *receipt.Digest
	}{{"ticket", msg.Ticket, &r.Ticket}, {"receipts_root", msg.ReceiptsRoot, &r.ReceiptsRoot}} {
		if len(field.data) == 0 {
			continue // closing an unused grant shows neither
		}
		d, err := digestOf(field.data)
		if err != nil {
			return r, fmt.Errorf("%s: %w", field.name, err)
		}
		*field.into = d
	}
	return r, nil
}

// Mint implements escrowv1.MsgServer.
func (m messages) Mint(ctx context.Context, msg *escrowv1.MsgMint) (*escrowv1.MsgMintResponse, error) {
	recipient, err := account.Parse(m.addresses, msg.Recipient)
	if err != nil {
		return nil, err
	}
	if m.bank.BlockedAddr(recipient) {
		return nil, fmt.Errorf("%w: %s", ErrRecipient, msg.Recipient)
	}
	issuer, err := m.loadIssuer(ctx, msg.Issuer)
	if err != nil {
		return nil, err
	}
	if issuer, err = escrow.Mint(issuer, msg.Amount); err != nil {
		return nil, err
	}
	// All that exists fits in 64 bits, so that no sum of it can overflow.
	if supply := m.bank.GetSupply(ctx, CreditDenom).Amount; !supply.Add(sdkmath.NewIntFromUint64(msg.Amount)).IsUint64() {
		return nil, fmt.Errorf("%w: %s ucredit exist, %d more are asked for", escrow.ErrOverflow, supply, msg.Amount)
	}
	if err := m.bank.MintCoins(ctx, ModuleName, coins(msg.Amount)); err != nil {
		return nil, err
	}
	if err := m.bank.SendCoinsFromModuleToAccount(ctx, ModuleName, recipient, coins(msg.Amount)); err != nil {
		return nil, err
	}
	if err := m.issuers.Set(ctx, issuer.Address, storedIssuer(issuer)); err != nil {
		return nil, err
	}
	return &escrowv1.MsgMintResponse{}, emit(ctx, &escrowv1.EventMinted{
		Issuer: issuer.Address, Recipient: msg.Recipient, Amount: msg.Amount, Outstanding: issuer.Outstanding})
}

// Burn implements escrowv1.MsgServer.
func (m messages) Burn(ctx context.Context, msg *escrowv1.MsgBurn) (*escrowv1.MsgBurnResponse, error) {
	from, err := account.Parse(m.addresses, msg.Issuer)
	if err != nil {
		return nil, err
	}
	issuer, err := m.loadIssuer(ctx, msg.Issuer)
	if err != nil {
		return nil, err
	}
	if issuer, err = escrow.Burn(issuer, msg.Amount); err != nil {
		return nil, err
	}
	if err := m.bank.SendCoinsFromAccountToModule(ctx, from, ModuleName, coins(msg.Amount)); err != nil {
		return nil, err
	}
	if err := m.bank.BurnCoins(ctx, ModuleName, coins(msg.Amount)); err != nil {
		return nil, err
	}
	if err := m.issuers.Set(ctx, issuer.Address, storedIssuer(issuer)); err != nil {
		return nil, err
	}
	return &escrowv1.MsgBurnResponse{}, emit(ctx, &escrowv1.EventBurned{Issuer: issuer.Address, Amount: msg.Amount, Outstanding: issuer.Outstanding})
}

// SetIssuer implements escrowv1.MsgServer.
func (m messages) SetIssuer(ctx context.Context, msg *escrowv1.MsgSetIssuer) (*escrowv1.MsgSetIssuerResponse, error) {
	if msg.Authority != m.authority {
		return nil, fmt.Errorf("%w: %s", ErrAuthority, m.authority)
	}
	if _, err := account.Parse(m.addresses, msg.Address); err != nil {
		return nil, err
	}
	issuer := escrow.Issuer{Address: msg.Address, Name: msg.Name, Cap: msg.Cap}
	if known, err := m.issuers.Has(ctx, msg.Address); err != nil {
		return nil, err
	} else if known {
		old, err := m.issuers.Get(ctx, msg.Address)
		if err != nil {
			return nil, err
		}
		issuer.Outstanding = old.Outstanding
	}
	if err := issuer.Validate(); err != nil {
		return nil, err
	}
	if err := m.issuers.Set(ctx, issuer.Address, storedIssuer(issuer)); err != nil {
		return nil, err
	}
	return &escrowv1.MsgSetIssuerResponse{}, emit(ctx, &escrowv1.EventIssuerSet{Address: issuer.Address, Name: issuer.Name, Cap: issuer.Cap})
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

func (k *Keeper) loadIssuer(ctx context.Context, address string) (escrow.Issuer, error) {
	known, err := k.issuers.Has(ctx, address)
	if err != nil {
		return escrow.Issuer{}, err
	}
	if !known {
		return escrow.Issuer{}, fmt.Errorf("%w: %s is none", escrow.ErrNotIssuer, address)
	}
	i, err := k.issuers.Get(ctx, address)
	return issuerOf(i), err
}
