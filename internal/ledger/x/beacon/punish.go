package beacon

import (
	"context"
	"errors"
	"time"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"
	abci "github.com/cometbft/cometbft/abci/types"

	sdk "github.com/cosmos/cosmos-sdk/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	beaconv1 "github.com/koinon/koinon/api/koinon/beacon/v1"
	"github.com/koinon/koinon/internal/mechanism/beacon"
)

// count adds what each validator did, and punishes those who failed too often.
func (k *Keeper) count(ctx sdk.Context, votes []abci.ExtendedVoteInfo, conducts []beacon.Conduct) error {
	params, err := k.params.Get(ctx)
	if err != nil {
		return err
	}
	height := ctx.HeaderInfo().Height
	if height%params.Window == 0 { // those of the window before say nothing any more
		if err := k.standings.Clear(ctx, nil); err != nil {
			return err
		}
	}
	for i, conduct := range conducts {
		if conduct == beacon.Contributed {
			continue
		}
		address := sdk.ConsAddress(votes[i].Validator.Address)
		standing, err := k.standing(ctx, address)
		if err != nil {
			return err
		}
		next, punish := rules(params).Count(standing, height, conduct)
		err = k.standings.Set(ctx, address, beaconv1.Standing{
			Validator: address.String(), Window: next.Window, Withheld: next.Withheld, Silent: next.Silent})
		if err != nil {
			return err
		}
		if punish {
			if err := k.punish(ctx, params, votes[i].Validator, conduct); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *Keeper) standing(ctx context.Context, address sdk.ConsAddress) (beacon.Standing, error) {
	s, err := k.standings.Get(ctx, address)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return beacon.Standing{}, err
	}
	return beacon.Standing{Window: s.Window, Withheld: s.Withheld, Silent: s.Silent}, nil
}

// delay is how many blocks before this one the vote was that is punished, so
// that stake which left since then is reached; as in x/slashing.
const delay = sdk.ValidatorUpdateDelay + 1

// punish jails a validator, unless it is jailed or gone already, and slashes it
// if it withheld.
func (k *Keeper) punish(ctx sdk.Context, params beaconv1.Params, v abci.Validator, conduct beacon.Conduct) error {
	address := sdk.ConsAddress(v.Address)
	validator, err := k.validators.GetValidatorByConsAddr(ctx, address)
	if errors.Is(err, stakingtypes.ErrNoValidatorFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if validator.IsJailed() || validator.IsUnbonded() {
		return nil
	}
	event := &beaconv1.EventPunished{
		Validator: address.String(), Conduct: conduct.String(),
		JailedUntil: ctx.HeaderInfo().Time.Unix() + params.JailSeconds,
	}
	if conduct == beacon.Withheld {
		event.SlashBps = params.SlashBps
		fraction := sdkmath.LegacyNewDecWithPrec(int64(params.SlashBps), 4)
		if err := k.slashing.Slash(ctx, address, fraction, v.Power, ctx.HeaderInfo().Height-delay); err != nil {
			return err
		}
	}
	if err := k.slashing.Jail(ctx, address); err != nil {
		return err
	}
	if err := k.slashing.JailUntil(ctx, address, time.Unix(event.JailedUntil, 0).UTC()); err != nil {
		return err
	}
	return ctx.EventManager().EmitTypedEvent(event)
}

// rules are the part of the parameters that counts.
func rules(p beaconv1.Params) beacon.Params {
	return beacon.Params{Window: p.Window, MaxWithheld: p.MaxWithheld, MaxSilent: p.MaxSilent}
}
