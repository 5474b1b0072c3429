// Package beacon is the ledger's randomness. Validators prove (RFC 9381) about
// each round with their consensus keys and send the proofs with their votes; the
// next block's proposer records the votes at the block's beginning, and one of
// the proofs, which nobody can foresee, makes that block's randomness. A key has
// one proof for a round: its holder can only send it or not. The protocol, and what it does not
// prevent, are in spec/beacon.md.
package beacon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/store"
	sdkmath "cosmossdk.io/math"
	cmtprotocrypto "github.com/cometbft/cometbft/proto/tendermint/crypto"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	beaconv1 "github.com/koinon/koinon/api/koinon/beacon/v1"
	"github.com/koinon/koinon/internal/mechanism/beacon"
	"github.com/koinon/koinon/receipt"
)

// ModuleName names the module, its store and its errors.
const ModuleName = "beacon"

// Kept is for how many heights randomness can be asked for.
const Kept = 1 << 16

// Validators knows the holders of consensus keys.
type Validators interface {
	GetPubKeyByConsAddr(ctx context.Context, address sdk.ConsAddress) (cmtprotocrypto.PublicKey, error)
	GetValidatorByConsAddr(ctx context.Context, address sdk.ConsAddress) (stakingtypes.Validator, error)
}

// Slashing punishes validators.
type Slashing interface {
	Slash(ctx context.Context, address sdk.ConsAddress, fraction sdkmath.LegacyDec, power, height int64) error
	Jail(ctx context.Context, address sdk.ConsAddress) error
	JailUntil(ctx context.Context, address sdk.ConsAddress, until time.Time) error
}

// Keeper stores recent randomness and who failed to contribute.
type Keeper struct {
	authority  string
	validators Validators
	slashing   Slashing

	schema    collections.Schema
	params    collections.Item[beaconv1.Params]
	head      collections.Item[beaconv1.Head]
	rounds    collections.Map[int64, []byte]             // randomness by height
	standings collections.Map[[]byte, beaconv1.Standing] // by consensus address, of the window that runs
}

// NewKeeper makes the module's keeper; authority may change parameters.
func NewKeeper(cdc codec.BinaryCodec, service store.KVStoreService, validators Validators, slashing Slashing, authority string) *Keeper {
	b := collections.NewSchemaBuilder(service)
	k := &Keeper{
		authority: authority, validators: validators, slashing: slashing,
		params:    collections.NewItem(b, collections.NewPrefix(0), "params", codec.CollValue[beaconv1.Params](cdc)),
		head:      collections.NewItem(b, collections.NewPrefix(1), "head", codec.CollValue[beaconv1.Head](cdc)),
		rounds:    collections.NewMap(b, collections.NewPrefix(2), "rounds", collections.Int64Key, collections.BytesValue),
		standings: collections.NewMap(b, collections.NewPrefix(3), "standings", collections.BytesKey, codec.CollValue[beaconv1.Standing](cdc)),
	}
	var err error
	if k.schema, err = b.Build(); err != nil {
		panic(err) // two prefixes alike: a mistake in the lines above
	}
	return k
}

// Latest returns the newest randomness and its height. In a block, this is the
// block's own, which its proposer knew when it chose the block's transactions:
// judge with it only what was fixed before.
func (k *Keeper) Latest(ctx context.Context) (height int64, r receipt.Digest, err error) {
	head, err := k.head.Get(ctx)
	if err != nil {
		return 0, r, err
	}
	return head.Height, receipt.Digest(head.Randomness), nil
}

// Randomness returns that of one of the last Kept heights, or ErrHeight.
func (k *Keeper) Randomness(ctx context.Context, height int64) (receipt.Digest, error) {
	r, err := k.rounds.Get(ctx, height)
	if errors.Is(err, collections.ErrNotFound) {
		return receipt.Digest{}, fmt.Errorf("%w: %d; the last %d are", ErrHeight, height, Kept)
	}
	if err != nil {
		return receipt.Digest{}, err
	}
	return receipt.Digest(r), nil
}

// voting is the round that votes for the block of a context prove about.
func (k *Keeper) voting(ctx sdk.Context) (beacon.Round, error) {
	head, err := k.head.Get(ctx)
	if err != nil {
		return beacon.Round{}, err
	}
	info := ctx.HeaderInfo()
	return beacon.Round{Chain: info.ChainID, Height: info.Height, Previous: receipt.Digest(head.Randomness)}, nil
}

// advance stores the randomness of a block.
func (k *Keeper) advance(ctx sdk.Context, height int64, randomness receipt.Digest) error {
	head, err := k.head.Get(ctx)
	if err != nil {
		return err
	}
	if height > Kept {
		if err := k.rounds.Remove(ctx, height-Kept); err != nil {
			return err
		}
	}
	head = beaconv1.Head{Height: height, Randomness: randomness[:], Previous: head.Randomness}
	return errors.Join(k.rounds.Set(ctx, height, randomness[:]), k.head.Set(ctx, head))
}
