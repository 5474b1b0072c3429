package provider

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/bond"
	"github.com/koinon/koinon/internal/mechanism/registry"
	"github.com/koinon/koinon/internal/region"
)

// messages serves transactions.
type messages struct{ *Keeper }

// Bounds of what a provider may store on the ledger.
const (
	maxAddrs     = 16
	maxAddr      = 256
	maxMoniker   = 64
	maxSlots     = 1 << 16
	maxUnitPrice = 1 << 50 // ucredit for a million tokens: a thousand dollars a token
)

func checkContact(addrs []string, moniker, where string) error {
	if len(addrs) > maxAddrs {
		return fmt.Errorf("%w: at most %d addrs", ErrField, maxAddrs)
	}
	for _, a := range addrs {
		if a == "" || len(a) > maxAddr {
			return fmt.Errorf("%w: each of addrs must have 1 to %d bytes", ErrField, maxAddr)
		}
	}
	if len(moniker) > maxMoniker {
		return fmt.Errorf("%w: moniker must have at most %d bytes", ErrField, maxMoniker)
	}
	if where != "" && !region.Valid(where) {
		return fmt.Errorf("%w: region must be like DE or US-CA (ISO 3166), or empty", ErrField)
	}
	return nil
}

// Register implements providerv1.MsgServer.
func (m messages) Register(ctx context.Context, msg *providerv1.MsgRegister) (*providerv1.MsgRegisterResponse, error) {
	if err := checkContact(msg.Addrs, msg.Moniker, msg.Region); err != nil {
		return nil, err
	}
	if err := m.MayJoin(ctx, msg.Provider); err != nil {
		return nil, err
	}
	if len(msg.PublicKey) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: public_key must have %d bytes", ErrField, ed25519.PublicKeySize)
	}
	if taken, err := m.providers.Has(ctx, msg.Provider); err != nil || taken {
		return nil, errors.Join(err, when(taken, ErrRegistered))
	}
	if taken, err := m.keys.Has(ctx, msg.PublicKey); err != nil || taken {
		return nil, errors.Join(err, when(taken, ErrKeyTaken))
	}
	params, err := m.bondParams(ctx)
	if err != nil {
		return nil, err
	}
	if err := bond.Register(params, msg.Bond); err != nil {
		return nil, err
	}
	if err := m.lock(ctx, msg.Provider, msg.Bond); err != nil {
		return nil, err
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	p := providerv1.Provider{
		Address: msg.Provider, PublicKey: msg.PublicKey, Addrs: msg.Addrs, Moniker: msg.Moniker, Bond: msg.Bond,
		Status: providerv1.Status_STATUS_ACTIVE, RegisteredAt: sdkCtx.BlockTime().Unix(), Region: msg.Region,
	}
	if err := errors.Join(m.providers.Set(ctx, p.Address, p), m.keys.Set(ctx, p.PublicKey, p.Address)); err != nil {
		return nil, err
	}
	return &providerv1.MsgRegisterResponse{}, sdkCtx.EventManager().EmitTypedEvent(
		&providerv1.EventRegistered{Provider: p.Address, Moniker: p.Moniker, Bond: p.Bond})
}

func when(condition bool, err error) error {
	if condition {
		return err
	}
	return nil
}

// Update implements providerv1.MsgServer.
func (m messages) Update(ctx context.Context, msg *providerv1.MsgUpdate) (*providerv1.MsgUpdateResponse, error) {
	if err := checkContact(msg.Addrs, msg.Moniker, msg.Region); err != nil {
		return nil, err
	}
	p, err := m.Provider(ctx, msg.Provider)
	if err != nil {
		return nil, err
	}
	switch {
	case p.Status == providerv1.Status_STATUS_JAILED:
		return nil, ErrJailed
	case msg.Status != providerv1.Status_STATUS_ACTIVE && msg.Status != providerv1.Status_STATUS_DRAINING:
		return nil, fmt.Errorf("%w: status must be active or draining", ErrField)
	}
	p.Addrs, p.Moniker, p.Status, p.Region = msg.Addrs, msg.Moniker, msg.Status, msg.Region
	if err := m.providers.Set(ctx, p.Address, p); err != nil {
		return nil, err
	}
	return &providerv1.MsgUpdateResponse{}, sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(
		&providerv1.EventUpdated{Provider: p.Address, Status: p.Status})
}

// Bond implements providerv1.MsgServer.
func (m messages) Bond(ctx context.Context, msg *providerv1.MsgBond) (*providerv1.MsgBondResponse, error) {
	p, err := m.Provider(ctx, msg.Provider)
	if err != nil {
		return nil, err
	}
	if p.Bond, err = bond.Add(p.Bond, msg.Amount); err != nil {
		return nil, err
	}
	if err := m.lock(ctx, msg.Provider, msg.Amount); err != nil {
		return nil, err
	}
	if err := m.providers.Set(ctx, p.Address, p); err != nil {
		return nil, err
	}
	return &providerv1.MsgBondResponse{}, sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(
		&providerv1.EventBonded{Provider: p.Address, Amount: msg.Amount, Bond: p.Bond})
}

// Unbond implements providerv1.MsgServer.
func (m messages) Unbond(ctx context.Context, msg *providerv1.MsgUnbond) (*providerv1.MsgUnbondResponse, error) {
	p, err := m.Provider(ctx, msg.Provider)
	if err != nil {
		return nil, err
	}
	if p.Status == providerv1.Status_STATUS_JAILED && !p.Tombstoned {
		return nil, ErrJailed // who is out for good may take what is left
	}
	params, err := m.bondParams(ctx)
	if err != nil {
		return nil, err
	}
	offers, err := m.countOffers(ctx, msg.Provider)
	if err != nil {
		return nil, err
	}
	if p.Tombstoned {
		offers = 0 // they are nobody's to take
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	rest, releaseAt, err := bond.Unbond(params, p.Bond, msg.Amount, offers, sdkCtx.BlockTime().Unix())
	if err != nil {
		return nil, err
	}
	p.Bond = rest
	// Two in one second come back together.
	key := collections.Join(releaseAt, p.Address)
	u, err := m.unbondings.Get(ctx, key)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return nil, err
	}
	u = providerv1.Unbonding{Provider: p.Address, Amount: u.Amount + msg.Amount, ReleaseAt: releaseAt}
	if err := errors.Join(m.storeUnbonding(ctx, u), m.providers.Set(ctx, p.Address, p)); err != nil {
		return nil, err
	}
	return &providerv1.MsgUnbondResponse{ReleaseAt: releaseAt}, sdkCtx.EventManager().EmitTypedEvent(
		&providerv1.EventUnbonding{Provider: p.Address, Amount: msg.Amount, Bond: rest, ReleaseAt: releaseAt})
}

// SetOffer implements providerv1.MsgServer.
func (m messages) SetOffer(ctx context.Context, msg *providerv1.MsgSetOffer) (*providerv1.MsgSetOfferResponse, error) {
	p, err := m.Provider(ctx, msg.Provider)
	if err != nil {
		return nil, err
	}
	version, err := m.models.Version(ctx, msg.ModelDigest)
	if err != nil {
		return nil, err
	}
	params, err := m.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	switch status := registry.Status(version.Status); {
	case !status.Sold():
		return nil, fmt.Errorf("%w: %s@%s is %s", ErrNotSold, version.Name, version.Version, status)
	case p.Status == providerv1.Status_STATUS_JAILED:
		return nil, ErrJailed
	case p.Bond < params.MinBond:
		return nil, fmt.Errorf("%w: %d of %d ukoin", ErrTooLittle, p.Bond, params.MinBond)
	case msg.MaxContext == 0 || msg.MaxContext > version.ContextLength || msg.Slots == 0 || msg.Slots > maxSlots:
		return nil, fmt.Errorf("%w: max_context must be 1 to %d, slots 1 to %d", ErrField, version.ContextLength, maxSlots)
	case msg.InputPrice > maxUnitPrice || msg.OutputPrice > maxUnitPrice:
		return nil, fmt.Errorf("%w: prices must be at most %d ucredit for a million tokens", ErrField, uint64(maxUnitPrice))
	case msg.CachedInputPrice > msg.InputPrice:
		return nil, fmt.Errorf("%w: cached_input_price is %d, above input_price, %d", ErrField, msg.CachedInputPrice, msg.InputPrice)
	}
	if err := m.ceilings.Allows(ctx, msg.ModelDigest, msg.InputPrice, msg.OutputPrice); err != nil {
		return nil, err
	}
	cached := msg.CachedInputPrice
	if cached == 0 {
		cached = msg.InputPrice
	}
	key := collections.Join(msg.ModelDigest, msg.Provider)
	if known, err := m.offers.Has(ctx, key); err != nil {
		return nil, err
	} else if !known {
		n, err := m.countOffers(ctx, msg.Provider)
		if err != nil {
			return nil, err
		}
		if n >= int(params.MaxOffersPerProvider) {
			return nil, fmt.Errorf("%w: %d are allowed", ErrTooMany, params.MaxOffersPerProvider)
		}
	}
	offer := providerv1.Offer{
		Provider: msg.Provider, ModelDigest: msg.ModelDigest, InputPrice: msg.InputPrice, OutputPrice: msg.OutputPrice,
		MaxContext: msg.MaxContext, Slots: msg.Slots, CachedInputPrice: cached,
	}
	if err := m.storeOffer(ctx, offer); err != nil {
		return nil, err
	}
	return &providerv1.MsgSetOfferResponse{}, sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(&providerv1.EventOfferSet{
		Provider: offer.Provider, ModelDigest: offer.ModelDigest, InputPrice: offer.InputPrice,
		OutputPrice: offer.OutputPrice, CachedInputPrice: offer.CachedInputPrice})
}

func (k *Keeper) storeOffer(ctx context.Context, o providerv1.Offer) error {
	return errors.Join(
		k.offers.Set(ctx, collections.Join(o.ModelDigest, o.Provider), o),
		k.byProvider.Set(ctx, collections.Join(o.Provider, o.ModelDigest)))
}

// RemoveOffer implements providerv1.MsgServer.
func (m messages) RemoveOffer(ctx context.Context, msg *providerv1.MsgRemoveOffer) (*providerv1.MsgRemoveOfferResponse, error) {
	key := collections.Join(msg.ModelDigest, msg.Provider)
	if known, err := m.offers.Has(ctx, key); err != nil || !known {
		return nil, errors.Join(err, when(!known, ErrNoOffer))
	}
	if err := errors.Join(m.offers.Remove(ctx, key), m.byProvider.Remove(ctx, collections.Join(msg.Provider, msg.ModelDigest))); err != nil {
		return nil, err
	}
	return &providerv1.MsgRemoveOfferResponse{}, sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(
		&providerv1.EventOfferRemoved{Provider: msg.Provider, ModelDigest: msg.ModelDigest})
}

// UpdateParams implements providerv1.MsgServer.
func (m messages) UpdateParams(ctx context.Context, msg *providerv1.MsgUpdateParams) (*providerv1.MsgUpdateParamsResponse, error) {
	if msg.Authority != m.authority {
		return nil, fmt.Errorf("%w: %s", ErrAuthority, m.authority)
	}
	if err := validateParams(msg.Params); err != nil {
		return nil, err
	}
	return &providerv1.MsgUpdateParamsResponse{}, m.params.Set(ctx, msg.Params)
}

func validateParams(p providerv1.Params) error {
	for i, member := range p.Whitelist {
		if address, err := sdk.AccAddressFromBech32(member); err != nil || address.String() != member {
			return fmt.Errorf("%w: whitelist[%d]: %w: %q", ErrParams, i, account.ErrAddress, member)
		}
	}
	if p.MaxOffersPerProvider == 0 {
		return fmt.Errorf("%w: max_offers_per_provider must be more than zero", ErrParams)
	}
	return bond.Params{Min: p.MinBond, Unbonding: p.UnbondingSeconds}.Validate()
}
