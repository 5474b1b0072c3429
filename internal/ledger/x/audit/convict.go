package audit

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/mechanism/penalty"
)

// Convict punishes a proven offence: the convict's bond, signals on a provider,
// what it has earned and not been paid, and its liberty. What was punished under
// one reference is not punished again: then it does nothing. Whoever calls it has
// proof.
func (k *Keeper) Convict(ctx context.Context, c penalty.Conviction) error {
	if done, err := k.verdicts.Has(ctx, c.Reference); err != nil || done {
		return err
	}
	params, err := k.params.Get(ctx)
	if err != nil {
		return err
	}
	rules, err := penaltyParams(params)
	if err != nil {
		return err
	}
	record, err := k.record(ctx, c.Provider)
	if err != nil {
		return err
	}
	punish := k.punishProvider
	if c.Offence == penalty.FalseVote || c.Offence == penalty.AbsentAuditor {
		punish = k.punishAuditor
	}
	v := auditv1.Conviction{
		Reference: c.Reference, Convict: c.Provider, Offence: auditv1.Offence(c.Offence), Finder: c.Finder, Victim: c.Victim, At: blockTime(ctx),
		Done: c.Done,
	}
	before := penalty.Record{Frauds: record.Frauds, Absences: record.Absences, FraudAt: record.FraudAt, AbsenceAt: record.AbsenceAt}
	after, err := punish(ctx, rules, before, &v)
	if err != nil {
		return fmt.Errorf("punishing %s for %s: %w", c.Provider, c.Reference, err)
	}
	if err := k.rateBefore(ctx, &record); err != nil {
		return err
	}
	record.Frauds, record.Absences, record.FraudAt, record.AbsenceAt = after.Frauds, after.Absences, after.FraudAt, after.AbsenceAt
	if c.Offence.Fraud() {
		// It begins anew, all of its answers audited: what is proven is paid for.
		record.Clean, record.Watch, record.Guilt = 0, auditv1.Evidence{}, auditv1.Evidence{}
	}
	err = errors.Join(k.records.Set(ctx, c.Provider, record), k.verdicts.Set(ctx, c.Reference, v),
		k.byConvict.Set(ctx, collections.Join(c.Provider, c.Reference)))
	if err != nil {
		return err
	}
	if err := k.share(ctx, rules, c, v); err != nil {
		return err
	}
	return emit(ctx, &auditv1.EventConvicted{Conviction: v})
}

// chargeOf is what a sentence depends on.
func chargeOf(v *auditv1.Conviction) penalty.Conviction {
	return penalty.Conviction{Offence: penalty.Offence(v.Offence), Done: v.Done}
}

// punishProvider takes from a provider and those who vouched for it what the
// sentence says, into this module's account.
func (k *Keeper) punishProvider(ctx context.Context, p penalty.Params, before penalty.Record, v *auditv1.Conviction) (penalty.Record, error) {
	bonded, err := k.providers.Bonded(ctx, v.Convict)
	if err != nil {
		return before, err
	}
	s, after, err := penalty.Judge(p, chargeOf(v), v.At, before, bonded)
	if err != nil {
		return before, err
	}
	v.Fine, v.Tombstoned = s.Fine, s.Tombstone
	if err := k.providers.Slash(ctx, v.Convict, s.Fine, ModuleName); err != nil {
		return before, err
	}
	if s.Jail > 0 || s.Tombstone {
		v.JailedUntil = v.At + s.Jail
		if err := k.providers.Jail(ctx, v.Convict, v.JailedUntil, s.Tombstone); err != nil {
			return before, err
		}
	}
	if v.Signals, err = k.signals.Slash(ctx, v.Convict, s.Bps, ModuleName); err != nil {
		return before, err
	}
	if penalty.Offence(v.Offence).Fraud() {
		v.Forfeited, err = k.earnings.Forfeit(ctx, v.Convict)
	}
	return after, err
}

// punishAuditor takes from an auditor's bond, and then from what of it is on its
// way back.
func (k *Keeper) punishAuditor(ctx context.Context, p penalty.Params, before penalty.Record, v *auditv1.Conviction) (penalty.Record, error) {
	a, err := k.auditor(ctx, v.Convict)
	if err != nil {
		return before, err
	}
	leaving, err := k.leavingOf(ctx, v.Convict)
	if err != nil {
		return before, err
	}
	bonded := a.Bond
	for _, u := range leaving {
		bonded += u.Amount // fits, as all KOIN does
	}
	s, after, err := penalty.Judge(p, chargeOf(v), v.At, before, bonded)
	if err != nil {
		return before, err
	}
	rest := s.Fine - min(s.Fine, a.Bond)
	a.Bond -= s.Fine - rest
	for _, u := range leaving {
		taken := min(rest, u.Amount)
		if rest, u.Amount = rest-taken, u.Amount-taken; taken == 0 {
			break
		}
		change := k.storeUnbonding
		if u.Amount == 0 {
			change = k.removeUnbonding
		}
		if err := change(ctx, u); err != nil {
			return before, err
		}
	}
	v.Fine, v.Tombstoned = s.Fine, s.Tombstone
	if s.Jail > 0 || s.Tombstone {
		v.JailedUntil = max(a.JailedUntil, v.At+s.Jail)
		a.Jailed, a.JailedUntil, a.Tombstoned = true, v.JailedUntil, a.Tombstoned || s.Tombstone
	}
	return after, k.auditors.Set(ctx, a.Address, a)
}

// share divides what a convict lost, and those who had signalled on it: KOIN that
// nobody gets is burnt; credit that nobody gets stays in the fund, as somebody
// backs it.
func (k *Keeper) share(ctx context.Context, p penalty.Params, c penalty.Conviction, v auditv1.Conviction) error {
	fine, forfeited := penalty.Divide(p, c, v.Fine+v.Signals), penalty.Divide(p, c, v.Forfeited) // the sum fits, as all KOIN does
	err := errors.Join(
		k.pay(ctx, c.Victim, bondDenom, fine.Victim), k.pay(ctx, c.Finder, bondDenom, fine.Finder),
		k.pay(ctx, c.Victim, creditDenom, forfeited.Victim), k.pay(ctx, c.Finder, creditDenom, forfeited.Finder))
	if err != nil || fine.Rest == 0 {
		return err
	}
	return k.bank.BurnCoins(ctx, ModuleName, coins(bondDenom, fine.Rest))
}
