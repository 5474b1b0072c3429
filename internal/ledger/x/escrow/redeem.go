package escrow

import (
	"context"
	"fmt"

	errorsmod "cosmossdk.io/errors"

	sdk "github.com/cosmos/cosmos-sdk/types"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/refusal"
	"github.com/koinon/koinon/internal/mechanism/escrow"
	"github.com/koinon/koinon/internal/mechanism/split"
	"github.com/koinon/koinon/receipt"
)

// Redeem implements escrowv1.MsgServer.
func (m messages) Redeem(ctx context.Context, msg *escrowv1.MsgRedeem) (*escrowv1.MsgRedeemResponse, error) {
	claims, err := claimsOf(msg.Redemptions)
	if err != nil {
		return nil, err
	}
	params, err := m.loadParams(ctx)
	if err != nil {
		return nil, err
	}
	outcomes, err := escrow.RedeemBatch(params, book{ctx, m.Keeper}, claims, msg.Provider, Treasury, blockTime(ctx))
	if err != nil {
		return nil, err
	}
	response := &escrowv1.MsgRedeemResponse{}
	for i, o := range outcomes {
		result := escrowv1.RedemptionResult{Id: claims[i].ID, Amount: o.Amount}
		if o.Refusal != nil {
			result.Codespace, result.Code, result.Refusal = errorsmod.ABCIInfo(refusal.Coded(o.Refusal), false)
		}
		response.Results = append(response.Results, result)
		if err := tell(ctx, msg.Provider, claims[i].ID, o); err != nil {
			return nil, err
		}
	}
	return response, nil
}

// tell emits what came of one claim.
func tell(ctx context.Context, provider, id string, o escrow.Outcome) error {
	if o.Refusal != nil {
		return emit(ctx, &escrowv1.EventRedemptionRefused{Id: id, Provider: provider, Refusal: o.Refusal.Error()})
	}
	g := o.Grant
	event := &escrowv1.EventRedeemed{Id: id, Payer: g.Payer, Provider: g.Provider, ModelDigest: g.Model.String(),
		Index: g.Redeemed, Amount: o.Amount, ReceiptsRoot: g.ReceiptsRoot[:], Discount: o.Discount}
	for _, p := range o.Payouts {
		event.Payouts = append(event.Payouts, storedPayout(p))
	}
	if err := emit(ctx, event); err != nil || g.Status != escrow.Closed {
		return err
	}
	return emit(ctx, &escrowv1.EventGrantClosed{Id: id, Payer: g.Payer, Provider: g.Provider, Returned: o.Returned})
}

// book is the store as a batch of redemptions sees it.
type book struct {
	ctx context.Context
	*Keeper
}

// Load implements escrow.Book. The provider pays for the hashes that its claim
// makes every validator compute, whatever comes of it.
func (b book) Load(c escrow.Claim) (escrow.Account, escrow.Grant, split.Policy, error) {
	refuse := func(err error) (escrow.Account, escrow.Grant, split.Policy, error) {
		return escrow.Account{}, escrow.Grant{}, split.Policy{}, err
	}
	known, err := b.grants.Has(b.ctx, c.ID)
	if err != nil {
		return refuse(err)
	}
	if !known {
		return refuse(escrow.ErrUnknownGrant)
	}
	g, err := b.loadGrant(b.ctx, c.ID)
	if err != nil {
		return refuse(err)
	}
	if c.Index > g.Redeemed && c.Index <= g.Tickets {
		sdk.UnwrapSDKContext(b.ctx).GasMeter().ConsumeGas((c.Index-g.Redeemed)*gasPerHash, "ticket hashes")
	}
	policy, err := b.models.Policy(b.ctx, g.Model.String())
	if err != nil {
		return refuse(err)
	}
	a, err := b.loadAccount(b.ctx, g.Payer)
	return a, g, policy, err
}

// Store implements escrow.Book.
func (b book) Store(a escrow.Account, o escrow.Outcome) error {
	if err := b.storeAccount(b.ctx, a); err != nil {
		return err
	}
	if err := b.grants.Set(b.ctx, o.Grant.ID.Hex(), storedActive(o.Grant)); err != nil {
		return err
	}
	if err := b.expose(b.ctx, o.Grant.Provider, o.Amount+o.Returned, 0); err != nil {
		return err
	}
	if o.Grant.Status == escrow.Closed {
		if err := b.rights.Settle(b.ctx, o.Grant.Grant, o.Grant.Receipts); err != nil {
			return err
		}
	}
	var treasury uint64
	for _, p := range o.Payouts {
		if err := b.addPayout(b.ctx, p); err != nil {
			return err
		}
		if p.Role == split.Treasury {
			treasury = p.Amount
		}
	}
	parties := split.Parties{Provider: o.Grant.Provider, App: o.Grant.App, Model: o.Grant.Model.String()}
	return b.curators.Spent(b.ctx, o.Grant.Payer, parties.Listings(), treasury)
}

// claimsOf reads redemptions as messages carry them. One that is no redemption
// at all refuses the message: no honest provider sends it.
func claimsOf(list []escrowv1.Redemption) ([]escrow.Claim, error) {
	if len(list) > escrow.MaxBatch {
		return nil, fmt.Errorf("%w, not %d", escrow.ErrBatch, len(list))
	}
	claims := make([]escrow.Claim, len(list))
	for i, r := range list {
		claims[i] = escrow.Claim{ID: r.Id, Redemption: escrow.Redemption{Index: r.Index, Receipts: r.Receipts, Close: r.Close}}
		for _, field := range []struct {
			name string
			data []byte
			into *receipt.Digest
		}{{"ticket", r.Ticket, &claims[i].Ticket}, {"receipts_root", r.ReceiptsRoot, &claims[i].ReceiptsRoot}} {
			if len(field.data) == 0 {
				continue // closing an unused grant shows neither
			}
			d, err := digestOf(field.data)
			if err != nil {
				return nil, fmt.Errorf("redemptions[%d].%s: %w", i, field.name, err)
			}
			*field.into = d
		}
	}
	return claims, nil
}
