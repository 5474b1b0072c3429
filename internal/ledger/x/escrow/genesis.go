package escrow

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
)

// DefaultGenesis has the parameters of a public network and no money.
func DefaultGenesis() *escrowv1.GenesisState {
	const hour = 3600
	return &escrowv1.GenesisState{Params: escrowv1.Params{
		WithdrawDelaySeconds: hour, ChallengeWindowSeconds: 24 * hour, RedeemGraceSeconds: 2 * hour,
		MaxTickets: 1 << 17, MaxGrantSeconds: 7 * 24 * hour, FreeTxsPerWindow: 20, FreeWindowBlocks: 600,
		AuditBps: 2_000,
	}}
}

// initGenesis stores a genesis and refuses one whose money does not add up.
func (k *Keeper) initGenesis(ctx context.Context, state escrowv1.GenesisState) error {
	params := paramsOf(state.Params)
	if err := params.Validate(); err != nil {
		return err
	}
	if err := k.params.Set(ctx, state.Params); err != nil {
		return err
	}
	for _, e := range state.Escrows {
		if err := k.escrows.Set(ctx, e.Payer, e); err != nil {
			return err
		}
	}
	for _, stored := range state.Grants {
		g, err := activeOf(stored)
		if err != nil {
			return err
		}
		if err := k.addGrant(ctx, g); err != nil {
			return err
		}
	}
	for _, p := range state.Payouts {
		if err := k.storePayout(ctx, p); err != nil {
			return err
		}
	}
	for _, i := range state.Issuers {
		if err := errors.Join(issuerOf(i).Validate(), k.issuers.Set(ctx, i.Address, i)); err != nil {
			return err
		}
	}
	for _, u := range state.FreeUses {
		if err := k.freeUses.Set(ctx, u.Address, u); err != nil {
			return err
		}
	}
	for _, provider := range state.Withheld {
		if err := k.withheld.Set(ctx, provider); err != nil {
			return err
		}
	}
	for _, d := range state.Disputed {
		if err := k.Dispute(ctx, d.Provider, d.CaseId, true); err != nil {
			return err
		}
	}
	if err := k.initIssued(ctx, state); err != nil {
		return err
	}
	sums, err := k.Invariants(ctx)
	if err == nil && !sums.Holds {
		err = errors.New("escrows, locked grants and payouts do not add up to the module's balance")
	}
	return err
}

// initIssued stores what issuers did and owe.
func (k *Keeper) initIssued(ctx context.Context, state escrowv1.GenesisState) error {
	for _, e := range state.Entries {
		if err := k.entries.Set(ctx, collections.Join(e.Issuer, e.Reference), e); err != nil {
			return err
		}
	}
	for _, c := range state.CashOuts {
		if c.Id >= state.NextCashOut {
			return fmt.Errorf("cash-out %d is not below next_cash_out %d", c.Id, state.NextCashOut)
		}
		if err := k.cashOuts.Set(ctx, collections.Join(c.Issuer, c.Id), c); err != nil {
			return err
		}
	}
	return k.nextCashOut.Set(ctx, state.NextCashOut)
}

// exportGenesis returns the whole state, in the order of its keys.
func (k *Keeper) exportGenesis(ctx context.Context) (*escrowv1.GenesisState, error) {
	params, err := k.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	next, err := k.nextCashOut.Peek(ctx)
	if err != nil {
		return nil, err
	}
	s := &escrowv1.GenesisState{Params: params, NextCashOut: next}
	return s, errors.Join(
		collect(ctx, k.escrows, &s.Escrows), collect(ctx, k.grants, &s.Grants), collect(ctx, k.payouts, &s.Payouts),
		collect(ctx, k.issuers, &s.Issuers), collect(ctx, k.freeUses, &s.FreeUses),
		collect(ctx, k.entries, &s.Entries), collect(ctx, k.cashOuts, &s.CashOuts),
		k.withheld.Walk(ctx, nil, func(provider string) (bool, error) {
			s.Withheld = append(s.Withheld, provider)
			return false, nil
		}),
		k.disputed.Walk(ctx, nil, func(key collections.Pair[string, uint64]) (bool, error) {
			s.Disputed = append(s.Disputed, escrowv1.Disputed{Provider: key.K1(), CaseId: key.K2()})
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
