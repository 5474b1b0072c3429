package beacon

import (
	"context"
	"errors"
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"

	beaconv1 "github.com/koinon/koinon/api/koinon/beacon/v1"
	"github.com/koinon/koinon/internal/mechanism/beacon"
	"github.com/koinon/koinon/receipt"
)

// DefaultGenesis bears two missing proofs in 10,000 blocks, as an honest node
// withholds none, and silence as x/slashing does.
func DefaultGenesis() *beaconv1.GenesisState {
	return &beaconv1.GenesisState{Params: beaconv1.Params{
		Window: 10_000, MaxWithheld: 2, MaxSilent: 5_000, SlashBps: 100, JailSeconds: 3600,
	}}
}

// maxJail is the longest jail, in seconds.
const maxJail = 366 * 24 * 3600

func validateParams(p beaconv1.Params) error {
	switch {
	case p.SlashBps > 10_000:
		return fmt.Errorf("%w: slash_bps of %d, the whole is 10,000", beacon.ErrParams, p.SlashBps)
	case p.JailSeconds < 0 || p.JailSeconds > maxJail:
		return fmt.Errorf("%w: jail_seconds of %d, it is 0 to %d", beacon.ErrParams, p.JailSeconds, maxJail)
	}
	return rules(p).Validate()
}

func validateGenesis(state beaconv1.GenesisState) error {
	if n := len(state.Randomness); n != 0 && n != len(receipt.Digest{}) {
		return fmt.Errorf("randomness has %d bytes, not %d or none", n, len(receipt.Digest{}))
	}
	return validateParams(state.Params)
}

func (k *Keeper) initGenesis(ctx context.Context, state beaconv1.GenesisState) error {
	if err := validateGenesis(state); err != nil {
		return err
	}
	r := state.Randomness
	if len(r) == 0 {
		first := beacon.Round{Chain: sdk.UnwrapSDKContext(ctx).ChainID()}.Join(receipt.Digest{}, nil)
		r = first[:]
	}
	return errors.Join(k.params.Set(ctx, state.Params), k.head.Set(ctx, beaconv1.Head{Randomness: r, Previous: r}))
}

func (k *Keeper) exportGenesis(ctx context.Context) (*beaconv1.GenesisState, error) {
	params, err := k.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	head, err := k.head.Get(ctx)
	return &beaconv1.GenesisState{Params: params, Randomness: head.Randomness}, err
}
