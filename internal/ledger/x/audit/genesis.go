package audit

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/internal/mechanism/penalty"
)

// DefaultGenesis has the parameters of a public network and nobody in it.
func DefaultGenesis() *auditv1.GenesisState { return &auditv1.GenesisState{Params: DefaultParams()} }

// DefaultParams are those of a public network.
func DefaultParams() auditv1.Params {
	const day = 24 * 3600
	c, rules := court.Default(), penalty.Default()
	p := auditv1.Params{
		MinBond: 100_000_000, UnbondingSeconds: 14 * day,
		DisputeBond: c.DisputeBond, BaseFee: c.BaseFee, FeeBps: c.FeeBps, MaxFee: c.MaxFee, AccusedBps: c.AccusedBps,
		DrawSeconds: c.DrawFor, SealSeconds: c.SealFor, CommitSeconds: c.CommitFor, OpenSeconds: c.OpenFor,
		RevealSeconds: c.RevealFor, MoveSeconds: c.MoveFor, UnmaskSeconds: c.UnmaskFor,
		DisputeSeconds: c.DisputeFor, KeepSeconds: c.KeepFor,
		Exact: storedStages(c.Exact), Statistical: storedStages(c.Statistical), Positions: uint32(c.Positions),
		MaxSealedBytes: 64 << 10, VictimBps: rules.VictimBps, FinderBps: rules.FinderBps,
		EpochSeconds: day, AuditsPerEpoch: 20, EpochBudgetBps: 500, HalfClean: 10, LeastRate: court.Million / 50,
	}
	for _, r := range rules.Rules {
		p.Penalties = append(p.Penalties, auditv1.PenaltyRule{
			FirstBps: r.FirstBps, RepeatBps: r.RepeatBps, Floor: r.Floor, JailSeconds: r.Jail, Tombstone: r.Tombstone})
	}
	return p
}

// initGenesis stores a genesis and refuses one whose books do not balance.
func (k *Keeper) initGenesis(ctx context.Context, state auditv1.GenesisState) error {
	if err := k.checkParams(state.Params); err != nil {
		return err
	}
	err := errors.Join(k.params.Set(ctx, state.Params), k.nextCase.Set(ctx, state.NextCase))
	for _, a := range state.Auditors {
		err = errors.Join(err, k.auditors.Set(ctx, a.Address, a))
	}
	for _, u := range state.Unbondings {
		err = errors.Join(err, k.storeUnbonding(ctx, u))
	}
	for _, r := range state.Records {
		err = errors.Join(err, evidenceOf(r.Watch).Validate(), evidenceOf(r.Guilt).Validate(), k.records.Set(ctx, r.Address, r))
	}
	for _, p := range state.Profiles {
		err = errors.Join(err, profileOf(p).Validate(), k.profiles.Set(ctx, p.ModelDigest, p))
	}
	for _, v := range state.Convictions {
		err = errors.Join(err, k.verdicts.Set(ctx, v.Reference, v), k.byConvict.Set(ctx, collections.Join(v.Convict, v.Reference)))
	}
	for _, p := range state.Plants {
		err = errors.Join(err, k.plants.Set(ctx, p.Commitment, p))
	}
	for _, r := range state.Reports {
		err = errors.Join(err, k.reports.Set(ctx, collections.Join(r.Epoch, r.Auditor+"/"+r.Provider), r),
			k.reported.Set(ctx, collections.Join(r.Epoch, r.ReceiptHash)))
	}
	if state.Epoch.Number > 0 {
		err = errors.Join(err, k.epoch.Set(ctx, state.Epoch))
	}
	if err = errors.Join(err, k.initCases(ctx, state)); err != nil {
		return err
	}
	books, err := k.Invariants(ctx)
	if err == nil && !books.Holds {
		err = fmt.Errorf("%w: %+v", ErrBooks, books)
	}
	return err
}

func (k *Keeper) initCases(ctx context.Context, state auditv1.GenesisState) error {
	for _, c := range state.Cases {
		hearing, err := caseOf(c)
		if err != nil {
			return fmt.Errorf("case %d: %w", c.Id, err)
		}
		if c.Id >= state.NextCase {
			return fmt.Errorf("case %d is not below next_case %d", c.Id, state.NextCase)
		}
		if err := errors.Join(k.store(ctx, auditv1.Case{}, c), k.byReceipt.Set(ctx, hearing.Receipt[:], c.Id)); err != nil {
			return err
		}
	}
	for _, s := range state.Sealed {
		if err := k.sealed.Set(ctx, s.CaseId, s.Ciphertext); err != nil {
			return err
		}
	}
	return nil
}

// exportGenesis returns the whole state, in the order of its keys.
func (k *Keeper) exportGenesis(ctx context.Context) (*auditv1.GenesisState, error) {
	params, err := k.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	next, err := k.nextCase.Peek(ctx)
	if err != nil {
		return nil, err
	}
	epoch, err := k.epoch.Get(ctx)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return nil, err
	}
	s := &auditv1.GenesisState{Params: params, NextCase: next, Epoch: epoch}
	return s, errors.Join(
		collect(ctx, k.auditors, &s.Auditors), collect(ctx, k.unbondings, &s.Unbondings), collect(ctx, k.cases, &s.Cases),
		collect(ctx, k.records, &s.Records), collect(ctx, k.profiles, &s.Profiles), collect(ctx, k.verdicts, &s.Convictions),
		collect(ctx, k.plants, &s.Plants), collect(ctx, k.reports, &s.Reports),
		k.sealed.Walk(ctx, nil, func(id uint64, ciphertext []byte) (bool, error) {
			s.Sealed = append(s.Sealed, auditv1.Sealed{CaseId: id, Ciphertext: ciphertext})
			return false, nil
		}))
}

// collect appends all values of a map, in the order of their keys.
func collect[K, V any](ctx context.Context, m collections.Map[K, V], into *[]V) error {
	return m.Walk(ctx, nil, func(_ K, v V) (bool, error) {
		*into = append(*into, v)
		return false, nil
	})
}

// Invariants adds up what the module owes: bonds in KOIN, and in credit what open
// cases hold; and compares it with its balance.
func (k *Keeper) Invariants(ctx context.Context) (auditv1.Invariants, error) {
	owed, held := sdkmath.ZeroInt(), sdkmath.ZeroInt()
	err := errors.Join(
		k.auditors.Walk(ctx, nil, func(_ string, a auditv1.Auditor) (bool, error) {
			owed = owed.Add(sdkmath.NewIntFromUint64(a.Bond))
			return false, nil
		}),
		k.unbondings.Walk(ctx, nil, func(_ timedKey, u auditv1.Unbonding) (bool, error) {
			owed = owed.Add(sdkmath.NewIntFromUint64(u.Amount))
			return false, nil
		}),
		k.cases.Walk(ctx, nil, func(_ uint64, c auditv1.Case) (bool, error) {
			held = held.Add(sdkmath.NewIntFromUint64(c.Bond)).Add(sdkmath.NewIntFromUint64(c.Fees))
			return false, nil
		}))
	if err != nil {
		return auditv1.Invariants{}, err
	}
	koin := k.bank.GetBalance(ctx, k.account, bondDenom).Amount
	credit := k.bank.GetBalance(ctx, k.account, creditDenom).Amount
	sum, err := k.heldCredit(ctx)
	if err != nil {
		return auditv1.Invariants{}, err
	}
	for _, n := range []sdkmath.Int{owed, held, koin, credit} {
		if !n.IsUint64() {
			return auditv1.Invariants{}, fmt.Errorf("%w: %s does not fit", ErrBooks, n)
		}
	}
	i := auditv1.Invariants{Bonds: owed.Uint64(), KoinBalance: koin.Uint64(), Held: held.Uint64(), CreditBalance: credit.Uint64()}
	i.Holds = i.Bonds == i.KoinBalance && i.Held == sum && i.Held <= i.CreditBalance
	if i.Holds {
		i.Fund = i.CreditBalance - i.Held
	}
	return i, nil
}
