package audit

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cosmossdk.io/collections"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/bond"
)

// messages serves transactions.
type messages struct{ *Keeper }

// Bounds of what an auditor may store on the ledger.
const (
	maxTies      = 64
	maxRecipient = 128
)

// auditor returns one auditor, or ErrNotFound.
func (k *Keeper) auditor(ctx context.Context, address string) (auditv1.Auditor, error) {
	a, err := k.auditors.Get(ctx, address)
	if errors.Is(err, collections.ErrNotFound) {
		return a, fmt.Errorf("%w: %s is no auditor", ErrNotFound, address)
	}
	return a, err
}

func (m messages) checkKeys(recipient string, ties []string) error {
	if !strings.HasPrefix(recipient, "age1") || len(recipient) > maxRecipient {
		return fmt.Errorf("%w: age_recipient must be an X25519 recipient of age, beginning with age1", ErrField)
	}
	if len(ties) > maxTies {
		return fmt.Errorf("%w: at most %d ties", ErrField, maxTies)
	}
	for _, tie := range ties {
		if _, err := account.Parse(m.addresses, tie); err != nil {
			return fmt.Errorf("ties: %w", err)
		}
	}
	return nil
}

// RegisterAuditor implements auditv1.MsgServer.
func (m messages) RegisterAuditor(ctx context.Context, msg *auditv1.MsgRegisterAuditor) (*auditv1.MsgRegisterAuditorResponse, error) {
	if err := m.checkKeys(msg.AgeRecipient, msg.Ties); err != nil {
		return nil, err
	}
	if len(msg.VrfKey) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: vrf_key must have %d bytes", ErrField, ed25519.PublicKeySize)
	}
	if known, err := m.auditors.Has(ctx, msg.Auditor); err != nil || known {
		return nil, errors.Join(err, when(known, ErrRegistered))
	}
	params, err := m.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	if err := bond.Register(bond.Params{Min: params.MinBond}, msg.Bond); err != nil {
		return nil, err
	}
	a := auditv1.Auditor{Address: msg.Auditor, AgeRecipient: msg.AgeRecipient, VrfKey: msg.VrfKey, Ties: msg.Ties, RegisteredAt: blockTime(ctx)}
	return &auditv1.MsgRegisterAuditorResponse{}, m.bond(ctx, a, msg.Bond)
}

func when(condition bool, err error) error {
	if condition {
		return err
	}
	return nil
}

// bond adds to an auditor's and stores it.
func (k *Keeper) bond(ctx context.Context, a auditv1.Auditor, amount uint64) error {
	from, err := account.Parse(k.addresses, a.Address)
	if err != nil {
		return err
	}
	if a.Bond, err = bond.Add(a.Bond, amount); err != nil {
		return err
	}
	if err := k.bank.SendCoinsFromAccountToModule(ctx, from, ModuleName, coins(bondDenom, amount)); err != nil {
		return err
	}
	if err := k.auditors.Set(ctx, a.Address, a); err != nil {
		return err
	}
	return emit(ctx, &auditv1.EventAuditorBonded{Auditor: a.Address, Amount: amount, Bond: a.Bond})
}

// UpdateAuditor implements auditv1.MsgServer.
func (m messages) UpdateAuditor(ctx context.Context, msg *auditv1.MsgUpdateAuditor) (*auditv1.MsgUpdateAuditorResponse, error) {
	if err := m.checkKeys(msg.AgeRecipient, msg.Ties); err != nil {
		return nil, err
	}
	a, err := m.auditor(ctx, msg.Auditor)
	if err != nil {
		return nil, err
	}
	a.AgeRecipient, a.Ties = msg.AgeRecipient, msg.Ties
	return &auditv1.MsgUpdateAuditorResponse{}, m.auditors.Set(ctx, a.Address, a)
}

// Bond implements auditv1.MsgServer.
func (m messages) Bond(ctx context.Context, msg *auditv1.MsgBond) (*auditv1.MsgBondResponse, error) {
	a, err := m.auditor(ctx, msg.Auditor)
	if err != nil {
		return nil, err
	}
	return &auditv1.MsgBondResponse{}, m.bond(ctx, a, msg.Amount)
}

// Unbond implements auditv1.MsgServer.
func (m messages) Unbond(ctx context.Context, msg *auditv1.MsgUnbond) (*auditv1.MsgUnbondResponse, error) {
	a, err := m.auditor(ctx, msg.Auditor)
	if err != nil {
		return nil, err
	}
	if a.Jailed && !a.Tombstoned {
		return nil, ErrJailed
	}
	if open, err := m.openCases(ctx, msg.Auditor); err != nil || len(open) > 0 {
		return nil, errors.Join(err, when(len(open) > 0, ErrSeated))
	}
	params, err := m.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	rest, at, err := bond.Unbond(bond.Params{Unbonding: params.UnbondingSeconds}, a.Bond, msg.Amount, 0, blockTime(ctx))
	if err != nil {
		return nil, err
	}
	a.Bond = rest
	u, err := m.unbondings.Get(ctx, collections.Join(at, a.Address))
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return nil, err
	}
	u = auditv1.Unbonding{Auditor: a.Address, Amount: u.Amount + msg.Amount, ReleaseAt: at} // fits, as all KOIN does
	if err := errors.Join(m.storeUnbonding(ctx, u), m.auditors.Set(ctx, a.Address, a)); err != nil {
		return nil, err
	}
	return &auditv1.MsgUnbondResponse{ReleaseAt: at}, emit(ctx,
		&auditv1.EventAuditorUnbonding{Auditor: a.Address, Amount: msg.Amount, Bond: rest, ReleaseAt: at})
}

func (k *Keeper) storeUnbonding(ctx context.Context, u auditv1.Unbonding) error {
	return errors.Join(k.unbondings.Set(ctx, collections.Join(u.ReleaseAt, u.Auditor), u), k.leaving.Set(ctx, collections.Join(u.Auditor, u.ReleaseAt)))
}

func (k *Keeper) removeUnbonding(ctx context.Context, u auditv1.Unbonding) error {
	return errors.Join(k.unbondings.Remove(ctx, collections.Join(u.ReleaseAt, u.Auditor)), k.leaving.Remove(ctx, collections.Join(u.Auditor, u.ReleaseAt)))
}

// leavingOf lists an auditor's unbondings, the next to be paid first.
func (k *Keeper) leavingOf(ctx context.Context, auditor string) ([]auditv1.Unbonding, error) {
	var list []auditv1.Unbonding
	err := k.leaving.Walk(ctx, collections.NewPrefixedPairRange[string, int64](auditor), func(key collections.Pair[string, int64]) (bool, error) {
		u, err := k.unbondings.Get(ctx, collections.Join(key.K2(), key.K1()))
		list = append(list, u)
		return false, err
	})
	return list, err
}

// Unjail implements auditv1.MsgServer.
func (m messages) Unjail(ctx context.Context, msg *auditv1.MsgUnjail) (*auditv1.MsgUnjailResponse, error) {
	a, err := m.auditor(ctx, msg.Auditor)
	if err != nil {
		return nil, err
	}
	params, err := m.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	switch now := blockTime(ctx); {
	case a.Tombstoned:
		return nil, ErrTombstoned
	case !a.Jailed:
		return nil, ErrNotJailed
	case now < a.JailedUntil:
		return nil, fmt.Errorf("%w: until %d, it is %d", ErrStillIn, a.JailedUntil, now)
	case a.Bond < params.MinBond:
		return nil, fmt.Errorf("%w: %d of %d ukoin; add to it first", bond.ErrTooLittle, a.Bond, params.MinBond)
	}
	a.Jailed, a.JailedUntil = false, 0
	return &auditv1.MsgUnjailResponse{}, m.auditors.Set(ctx, a.Address, a)
}

// Fund implements auditv1.MsgServer.
func (m messages) Fund(ctx context.Context, msg *auditv1.MsgFund) (*auditv1.MsgFundResponse, error) {
	from, err := account.Parse(m.addresses, msg.Sender)
	if err != nil {
		return nil, err
	}
	if msg.Amount == 0 {
		return nil, bond.ErrZeroAmount
	}
	if err := m.bank.SendCoinsFromAccountToModule(ctx, from, ModuleName, coins(creditDenom, msg.Amount)); err != nil {
		return nil, err
	}
	return &auditv1.MsgFundResponse{}, emit(ctx, &auditv1.EventFunded{Sender: msg.Sender, Amount: msg.Amount})
}

// mayAct says whether an auditor may sit, report and plant now.
func mayAct(a auditv1.Auditor, params auditv1.Params) error {
	switch {
	case a.Tombstoned:
		return ErrTombstoned
	case a.Jailed:
		return ErrJailed
	case a.Bond < params.MinBond || a.Bond == 0:
		return fmt.Errorf("%w: %d of %d ukoin", bond.ErrTooLittle, a.Bond, params.MinBond)
	}
	return nil
}

// SetProfile implements auditv1.MsgServer.
func (m messages) SetProfile(ctx context.Context, msg *auditv1.MsgSetProfile) (*auditv1.MsgSetProfileResponse, error) {
	if msg.Authority != m.authority {
		return nil, fmt.Errorf("%w: %s", ErrAuthority, m.authority)
	}
	if err := profileOf(msg.Profile).Validate(); err != nil {
		return nil, err
	}
	if _, err := m.models.Version(ctx, msg.Profile.ModelDigest); err != nil {
		return nil, err
	}
	return &auditv1.MsgSetProfileResponse{}, m.profiles.Set(ctx, msg.Profile.ModelDigest, msg.Profile)
}

// UpdateParams implements auditv1.MsgServer.
func (m messages) UpdateParams(ctx context.Context, msg *auditv1.MsgUpdateParams) (*auditv1.MsgUpdateParamsResponse, error) {
	if msg.Authority != m.authority {
		return nil, fmt.Errorf("%w: %s", ErrAuthority, m.authority)
	}
	if err := m.checkParams(msg.Params); err != nil {
		return nil, err
	}
	return &auditv1.MsgUpdateParamsResponse{}, m.params.Set(ctx, msg.Params)
}

func (k *Keeper) checkParams(p auditv1.Params) error {
	for i, planter := range p.Planters {
		if _, err := account.Parse(k.addresses, planter); err != nil || slices.Contains(p.Planters[:i], planter) {
			return fmt.Errorf("%w: planters[%d]: %q is no account's address, or there twice", ErrField, i, planter)
		}
	}
	return validateParams(p)
}
