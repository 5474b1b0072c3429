package provider

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
)

// ErrBonds is returned when the module's account does not hold what it owes.
var ErrBonds = errors.New("bonds and unbondings do not add up to the module's balance")

// CheckBonds adds up all bonds, and those on their way back, and compares them
// with what the module's account holds.
func (k *Keeper) CheckBonds(ctx context.Context) error {
	owed := sdkmath.ZeroInt()
	err := errors.Join(
		k.providers.Walk(ctx, nil, func(_ string, p providerv1.Provider) (bool, error) {
			owed = owed.Add(sdkmath.NewIntFromUint64(p.Bond))
			return false, nil
		}),
		k.unbondings.Walk(ctx, nil, func(_ collections.Pair[int64, string], u providerv1.Unbonding) (bool, error) {
			owed = owed.Add(sdkmath.NewIntFromUint64(u.Amount))
			return false, nil
		}))
	if err != nil {
		return err
	}
	if held := k.bank.GetBalance(ctx, k.account, BondDenom).Amount; !held.Equal(owed) {
		return fmt.Errorf("%w: %s ukoin are owed, %s held", ErrBonds, owed, held)
	}
	return nil
}
