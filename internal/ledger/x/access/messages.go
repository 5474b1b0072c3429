package access

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	accessv1 "github.com/koinon/koinon/api/koinon/access/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/access"
	"github.com/koinon/koinon/internal/mechanism/split"
)

// gasPerSignature is what checking a credential's costs, as the SDK charges for a
// transaction's.
const gasPerSignature = 1000

// maxPrice bounds a plan's, in ucredit: the largest integer that every JSON reader
// keeps.
const maxPrice = 1 << 53

// messages serves transactions.
type messages struct{ *Keeper }

// SetPolicy implements accessv1.MsgServer.
func (m messages) SetPolicy(ctx context.Context, msg *accessv1.MsgSetPolicy) (*accessv1.MsgSetPolicyResponse, error) {
	if _, err := m.ownVersion(ctx, msg.Policy.Digest, msg.Owner); err != nil {
		return nil, err
	}
	if err := m.checkPolicy(msg.Policy); err != nil {
		return nil, err
	}
	return &accessv1.MsgSetPolicyResponse{}, errors.Join(m.policies.Set(ctx, msg.Policy.Digest, msg.Policy),
		emit(ctx, &accessv1.EventPolicySet{Digest: msg.Policy.Digest, Gated: msg.Policy.Gated}))
}

// checkPolicy refuses a list that is none.
func (k *Keeper) checkPolicy(p accessv1.Policy) error {
	for _, a := range p.Accounts {
		if _, err := account.Parse(k.addresses, a); err != nil {
			return fmt.Errorf("policy.accounts: %w", err)
		}
	}
	return access.Policy{Gated: p.Gated, Accounts: p.Accounts}.Validate()
}

// ownVersion returns the model of a version that the sender owns.
func (m messages) ownVersion(ctx context.Context, digest, sender string) (model string, err error) {
	v, err := m.models.Version(ctx, digest)
	if err != nil {
		return "", err
	}
	return v.Name, m.own(ctx, v.Name, sender)
}

// own refuses a model or a namespace of somebody else's.
func (m messages) own(ctx context.Context, scope, sender string) error {
	owner, err := m.models.Owner(ctx, scope)
	if err == nil && owner != sender {
		err = fmt.Errorf("%w: %s is %s's", ErrOwner, scope, owner)
	}
	return err
}

// OpenPlan implements accessv1.MsgServer.
func (m messages) OpenPlan(ctx context.Context, msg *accessv1.MsgOpenPlan) (*accessv1.MsgOpenPlanResponse, error) {
	model, err := m.ownVersion(ctx, msg.Digest, msg.Owner)
	if err != nil {
		return nil, err
	}
	if msg.Price == 0 || msg.Price > maxPrice {
		return nil, fmt.Errorf("%w: price is %d ucredit, a plan's is 1 to %d: give tokens away with MsgGrant", ErrField, msg.Price, uint64(maxPrice))
	}
	if err := termsOf(msg.Calls, msg.Seconds, msg.Transferable).Validate(); err != nil {
		return nil, err
	}
	id, err := m.nextPlan.Next(ctx)
	if err != nil {
		return nil, err
	}
	return &accessv1.MsgOpenPlanResponse{Plan: id}, errors.Join(
		m.setPlan(ctx, accessv1.Plan{
			Id: id, Model: model, Digest: msg.Digest, Owner: msg.Owner, Calls: msg.Calls, Seconds: msg.Seconds,
			Price: msg.Price, Transferable: msg.Transferable,
		}),
		emit(ctx, &accessv1.EventPlanOpened{Plan: id, Model: model, Price: msg.Price, Calls: msg.Calls, Seconds: msg.Seconds}))
}

func termsOf(calls uint64, seconds int64, transferable bool) access.Terms {
	return access.Terms{Calls: calls, Seconds: seconds, Transferable: transferable}
}

// ClosePlan implements accessv1.MsgServer.
func (m messages) ClosePlan(ctx context.Context, msg *accessv1.MsgClosePlan) (*accessv1.MsgClosePlanResponse, error) {
	p, err := m.plan(ctx, msg.Plan)
	if err != nil {
		return nil, err
	}
	if err := m.own(ctx, p.Model, msg.Owner); err != nil {
		return nil, err
	}
	p.Closed = true
	return &accessv1.MsgClosePlanResponse{}, errors.Join(m.plans.Set(ctx, p.Id, p),
		emit(ctx, &accessv1.EventPlanClosed{Plan: p.Id, Model: p.Model}))
}

// Buy implements accessv1.MsgServer.
func (m messages) Buy(ctx context.Context, msg *accessv1.MsgBuy) (*accessv1.MsgBuyResponse, error) {
	buyer, err := account.Parse(m.addresses, msg.Buyer)
	if err != nil {
		return nil, err
	}
	p, err := m.plan(ctx, msg.Plan)
	if err != nil {
		return nil, err
	}
	if p.Closed {
		return nil, fmt.Errorf("%w: %d", ErrClosed, p.Id)
	}
	holder := msg.Holder
	if holder == "" {
		holder = msg.Buyer
	}
	if err := m.bank.SendCoinsFromAccountToModule(ctx, buyer, ModuleName, coins(p.Price)); err != nil {
		return nil, err
	}
	if err := m.divide(ctx, p); err != nil {
		return nil, err
	}
	p.Sold++
	if err := m.plans.Set(ctx, p.Id, p); err != nil {
		return nil, err
	}
	t, err := m.make(ctx, accessv1.Token{Origin: accessv1.Origin_ORIGIN_BOUGHT, Plan: p.Id},
		access.New(p.Model, holder, termsOf(p.Calls, p.Seconds, p.Transferable), blockTime(ctx)), p.Price)
	return &accessv1.MsgBuyResponse{Token: t.Id, Until: t.Until}, err
}

// divide pays a token's price to whom its version's policy says.
func (m messages) divide(ctx context.Context, p accessv1.Plan) error {
	policy, err := m.models.Policy(ctx, p.Digest)
	if err != nil {
		return err
	}
	parts, err := split.Split(p.Price, access.Sale(policy, p.Model), split.Parties{Treasury: string(split.Treasury), Model: p.Digest})
	if err != nil {
		return err
	}
	for _, part := range parts {
		rest := part.Amount // what nobody else can have is the treasury's
		switch part.Role {
		case split.Royalty:
			if rest, err = m.royalties.Pay(ctx, ModuleName, part.Recipient, part.Amount); err != nil {
				return err
			}
		case split.Owner, split.Data:
			to, err := m.addresses.StringToBytes(part.Recipient)
			if err != nil || m.bank.BlockedAddr(to) {
				break
			}
			if err := m.bank.SendCoinsFromModuleToAccount(ctx, ModuleName, to, coins(part.Amount)); err != nil {
				return err
			}
			rest = 0
		}
		if rest > 0 {
			if err := m.treasury.FundCommunityPool(ctx, coins(rest), m.account); err != nil {
				return err
			}
		}
	}
	return nil
}

// make gives a new token to its holder.
func (m messages) make(ctx context.Context, stored accessv1.Token, t access.Token, price uint64) (accessv1.Token, error) {
	if _, err := account.Parse(m.addresses, t.Holder); err != nil {
		return stored, fmt.Errorf("holder: %w", err)
	}
	stored = storedToken(stored, t)
	var err error
	if stored.Id, err = m.nextToken.Next(ctx); err != nil {
		return stored, err
	}
	stored.CreatedAt = blockTime(ctx)
	return stored, errors.Join(m.setToken(ctx, stored), emit(ctx, &accessv1.EventTokenMade{
		Token: stored.Id, Scope: stored.Scope, Holder: stored.Holder, Origin: stored.Origin, Price: price}))
}

// Grant implements accessv1.MsgServer.
func (m messages) Grant(ctx context.Context, msg *accessv1.MsgGrant) (*accessv1.MsgGrantResponse, error) {
	if err := m.own(ctx, msg.Scope, msg.Owner); err != nil {
		return nil, err
	}
	terms := termsOf(msg.Calls, msg.Seconds, msg.Transferable)
	if err := terms.Validate(); err != nil {
		return nil, err
	}
	t, err := m.make(ctx, accessv1.Token{Origin: accessv1.Origin_ORIGIN_GRANTED}, access.New(msg.Scope, msg.Holder, terms, blockTime(ctx)), 0)
	return &accessv1.MsgGrantResponse{Token: t.Id, Until: t.Until}, err
}

// Transfer implements accessv1.MsgServer.
func (m messages) Transfer(ctx context.Context, msg *accessv1.MsgTransfer) (*accessv1.MsgTransferResponse, error) {
	if _, err := account.Parse(m.addresses, msg.To); err != nil {
		return nil, fmt.Errorf("to: %w", err)
	}
	stored, err := m.token(ctx, msg.Token)
	if err != nil {
		return nil, err
	}
	t, err := access.Transfer(tokenOf(stored), msg.Holder, msg.To, blockTime(ctx))
	if err != nil {
		return nil, err
	}
	return &accessv1.MsgTransferResponse{}, errors.Join(
		m.byHolder.Remove(ctx, collections.Join(msg.Holder, stored.Id)), m.setToken(ctx, storedToken(stored, t)),
		emit(ctx, &accessv1.EventTokenMoved{Token: stored.Id, From: msg.Holder, To: msg.To}))
}

// Present implements accessv1.MsgServer.
func (m messages) Present(ctx context.Context, msg *accessv1.MsgPresent) (*accessv1.MsgPresentResponse, error) {
	c := msg.Credential
	switch {
	case c.Holder != msg.Holder:
		return nil, fmt.Errorf("%w: it is %s's", ErrCredential, c.Holder)
	case c.Until <= blockTime(ctx):
		return nil, fmt.Errorf("%w: it ended at %d", ErrCredential, c.Until)
	case c.Until > blockTime(ctx)+access.MaxSeconds:
		return nil, fmt.Errorf("%w: it ends too far ahead", ErrCredential)
	}
	if err := m.verify(ctx, c); err != nil {
		return nil, err
	}
	err := m.presented(ctx, c.Scope, c.Holder, func(t accessv1.Token) error {
		if t.Until >= c.Until {
			return fmt.Errorf("%w: token %d", ErrPresented, t.Id)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	t, err := m.make(ctx, accessv1.Token{Origin: accessv1.Origin_ORIGIN_CREDENTIAL}, access.Token{Scope: c.Scope, Holder: c.Holder, Until: c.Until}, 0)
	return &accessv1.MsgPresentResponse{Token: t.Id}, err
}

// presented walks over the tokens that a holder has for credentials for a scope.
func (m messages) presented(ctx context.Context, scope, holder string, each func(accessv1.Token) error) error {
	return m.byHolder.Walk(ctx, collections.NewPrefixedPairRange[string, uint64](holder), func(key tokensKey) (bool, error) {
		t, err := m.tokens.Get(ctx, key.K2())
		if err != nil || t.Origin != accessv1.Origin_ORIGIN_CREDENTIAL || t.Scope != scope {
			return err != nil, err
		}
		err = each(t)
		return err != nil, err
	})
}

// Revoke implements accessv1.MsgServer. Grants that are active run out as they were.
func (m messages) Revoke(ctx context.Context, msg *accessv1.MsgRevoke) (*accessv1.MsgRevokeResponse, error) {
	if err := m.own(ctx, msg.Scope, msg.Owner); err != nil {
		return nil, err
	}
	if _, err := account.Parse(m.addresses, msg.Holder); err != nil {
		return nil, fmt.Errorf("holder: %w", err)
	}
	now := blockTime(ctx)
	var ended []accessv1.Token
	err := m.presented(ctx, msg.Scope, msg.Holder, func(t accessv1.Token) error {
		if t.Until > now {
			t.Until = now
			ended = append(ended, t)
		}
		return nil
	})
	for _, t := range ended { // not while the store is walked over
		err = errors.Join(err, m.tokens.Set(ctx, t.Id, t))
	}
	r := accessv1.Revocation{Scope: msg.Scope, Holder: msg.Holder, At: now}
	return &accessv1.MsgRevokeResponse{Tokens: uint64(len(ended))}, errors.Join(err, m.setRevocation(ctx, r),
		emit(ctx, &accessv1.EventRevoked{Scope: msg.Scope, Holder: msg.Holder, Tokens: uint64(len(ended))}))
}

// verify checks that the owner of a credential's scope signed it, and has not taken it back.
func (m messages) verify(ctx context.Context, c accessv1.Credential) error {
	owner, err := m.models.Owner(ctx, c.Scope)
	if err != nil {
		return err
	}
	raw, err := m.addresses.StringToBytes(owner)
	if err != nil {
		return err
	}
	known := m.accounts.GetAccount(ctx, raw)
	if known == nil || known.GetPubKey() == nil {
		return fmt.Errorf("%w: the ledger does not know the key of %s, who owns %s", ErrCredential, owner, c.Scope)
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	sdkCtx.GasMeter().ConsumeGas(gasPerSignature, "credential")
	signed := access.Credential{ChainID: sdkCtx.ChainID(), Scope: c.Scope, Holder: c.Holder, Until: c.Until, Issued: c.Issued}
	if !known.GetPubKey().VerifySignature(signed.Bytes(), c.Signature) {
		return fmt.Errorf("%w: its signature is not %s's, who owns %s", ErrCredential, owner, c.Scope)
	}
	revoked, err := m.revocation(ctx, c.Scope, c.Holder)
	if err == nil && revoked.At > 0 && signed.Revoked(revoked.At) {
		err = fmt.Errorf("%w: issued at %d, taken back at %d; only its issuer can give another", ErrRevoked, c.Issued, revoked.At)
	}
	return err
}

func coins(ucredit uint64) sdk.Coins {
	return sdk.NewCoins(sdk.NewCoin(creditDenom, sdkmath.NewIntFromUint64(ucredit)))
}
