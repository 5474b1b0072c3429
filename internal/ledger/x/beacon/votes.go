package beacon

import (
	"errors"
	"fmt"

	abci "github.com/cometbft/cometbft/abci/types"
	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519/extra/ecvrf"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/koinon/koinon/internal/mechanism/beacon"
)

// ExtendVote sends, with each vote for a block, the proof that a consensus key
// makes for the round. Without a key the node withholds, and its validator is
// punished for it.
func (k *Keeper) ExtendVote(key cmted25519.PrivKey) sdk.ExtendVoteHandler {
	return func(ctx sdk.Context, _ *abci.RequestExtendVote) (*abci.ResponseExtendVote, error) {
		if len(key) != ed25519.PrivateKeySize {
			return nil, errors.New("this node has no Ed25519 consensus key of its own, so that it cannot contribute to the beacon")
		}
		round, err := k.voting(ctx)
		if err != nil {
			return nil, err
		}
		return &abci.ResponseExtendVote{VoteExtension: ecvrf.Prove(ed25519.PrivateKey(key), round.Input())}, nil
	}
}

// VerifyVoteExtension refuses a vote whose extension is neither empty, which is
// counted, nor the validator's proof for this very round.
func (k *Keeper) VerifyVoteExtension(ctx sdk.Context, request *abci.RequestVerifyVoteExtension) (*abci.ResponseVerifyVoteExtension, error) {
	if len(request.VoteExtension) == 0 {
		return &abci.ResponseVerifyVoteExtension{Status: abci.ResponseVerifyVoteExtension_ACCEPT}, nil
	}
	round, err := k.voting(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := k.output(ctx, round, request.ValidatorAddress, request.VoteExtension); err != nil {
		return nil, err
	}
	return &abci.ResponseVerifyVoteExtension{Status: abci.ResponseVerifyVoteExtension_ACCEPT}, nil
}

// output checks a validator's proof for a round and returns what it yields.
func (k *Keeper) output(ctx sdk.Context, round beacon.Round, validator sdk.ConsAddress, proof []byte) (o beacon.Output, err error) {
	if len(proof) != ecvrf.ProofSize {
		return o, fmt.Errorf("%w: %d bytes from %s, a proof has %d", ErrProof, len(proof), validator, ecvrf.ProofSize)
	}
	key, err := k.validators.GetPubKeyByConsAddr(ctx, validator)
	if err != nil {
		return o, fmt.Errorf("%w: of %s: %w", ErrProof, validator, err)
	}
	public := key.GetEd25519()
	if len(public) != ed25519.PublicKeySize {
		return o, fmt.Errorf("%w: %s has no Ed25519 key", ErrProof, validator)
	}
	valid, output := ecvrf.Verify(public, proof, round.Input())
	if !valid {
		return o, fmt.Errorf("%w: of %s at height %d", ErrProof, validator, round.Height)
	}
	return beacon.Output(output), nil
}
