package beacon

import (
	"bytes"
	"fmt"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"

	"github.com/cosmos/cosmos-sdk/baseapp"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/koinon/koinon/internal/mechanism/beacon"
	"github.com/koinon/koinon/receipt"
)

// recordPrefix begins the record of votes, which stands where a block's first
// transaction would. Its first byte begins no protobuf message, so that it can
// never be taken for a transaction: whoever sends it as one is refused, and a
// block's own is counted as a transaction that cannot be read and does nothing.
var recordPrefix = []byte("\x00koinon/beacon-record/v1\x00")

// maxExtension is the longest extension that is recorded, in bytes: more than a
// proof has. CometBFT asks nobody about votes that come after the block has its
// two thirds, and takes up to 1 MiB with each; so that their senders cannot
// fill the next block, its proposer strikes what is longer.
const maxExtension = 256

// expected says whether blocks of a context begin with a record.
func expected(ctx sdk.Context) bool {
	params := ctx.ConsensusParams()
	return params.Abci != nil && params.Abci.VoteExtensionsEnableHeight != 0 &&
		ctx.HeaderInfo().Height > params.Abci.VoteExtensionsEnableHeight
}

// encodeRecord writes a commit with its extensions, but for those too long.
func encodeRecord(commit abci.ExtendedCommitInfo) ([]byte, error) {
	votes := make([]abci.ExtendedVoteInfo, len(commit.Votes))
	for i, vote := range commit.Votes {
		if len(vote.VoteExtension) > maxExtension {
			vote.BlockIdFlag, vote.VoteExtension, vote.ExtensionSignature = cmtproto.BlockIDFlagAbsent, nil, nil
		}
		votes[i] = vote
	}
	commit.Votes = votes
	data, err := commit.Marshal()
	return append(bytes.Clone(recordPrefix), data...), err
}

// decodeRecord reads the record at the beginning of a block.
func decodeRecord(txs [][]byte) (commit abci.ExtendedCommitInfo, err error) {
	if len(txs) == 0 {
		return commit, fmt.Errorf("%w: it is empty", ErrRecord)
	}
	data, ok := bytes.CutPrefix(txs[0], recordPrefix)
	if !ok {
		return commit, fmt.Errorf("%w: it begins otherwise", ErrRecord)
	}
	if err := commit.Unmarshal(data); err != nil {
		return commit, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	for _, vote := range commit.Votes {
		voted := vote.BlockIdFlag == cmtproto.BlockIDFlagCommit
		if len(vote.VoteExtension) > maxExtension || !voted && len(vote.VoteExtension)+len(vote.ExtensionSignature) > 0 {
			return commit, fmt.Errorf("%w: an extension of %d bytes of %s, or one without its vote", ErrRecord, len(vote.VoteExtension), sdk.ConsAddress(vote.Validator.Address))
		}
	}
	return commit, nil
}

// PrepareProposal puts the record of votes before the transactions that an
// inner handler chooses in the room that is left.
func (k *Keeper) PrepareProposal(inner sdk.PrepareProposalHandler) sdk.PrepareProposalHandler {
	return func(ctx sdk.Context, request *abci.RequestPrepareProposal) (*abci.ResponsePrepareProposal, error) {
		if !expected(ctx) {
			return inner(ctx, request)
		}
		record, err := encodeRecord(request.LocalLastCommit)
		if err != nil {
			return nil, err
		}
		// A transaction costs up to eleven bytes more than its length.
		rest := *request
		rest.MaxTxBytes -= int64(len(record)) + 11
		if rest.MaxTxBytes < 0 {
			return nil, fmt.Errorf("the record of %d votes has %d bytes, the block room for %d: governance must raise the block's max_bytes",
				len(request.LocalLastCommit.Votes), len(record), request.MaxTxBytes)
		}
		response, err := inner(ctx, &rest)
		if err != nil {
			return nil, err
		}
		response.Txs = append([][]byte{record}, response.Txs...)
		return response, nil
	}
}

// ProcessProposal refuses a block whose record is missing, or has extensions
// that their validators did not sign, or those of two thirds or less.
func (k *Keeper) ProcessProposal(inner sdk.ProcessProposalHandler) sdk.ProcessProposalHandler {
	return func(ctx sdk.Context, request *abci.RequestProcessProposal) (*abci.ResponseProcessProposal, error) {
		if !expected(ctx) {
			return inner(ctx, request)
		}
		commit, err := decodeRecord(request.Txs)
		if err != nil {
			return nil, err
		}
		info := ctx.HeaderInfo()
		if err := baseapp.ValidateVoteExtensions(ctx, k.validators, info.Height, info.ChainID, commit); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRecord, err)
		}
		rest := *request
		rest.Txs = request.Txs[1:]
		return inner(ctx, &rest)
	}
}

// PreBlock stores a block's randomness and counts who did not contribute. The
// record was checked by the validators that voted for the block; whether an
// extension is a proof is judged here, as late votes are recorded unasked.
func (k *Keeper) PreBlock(ctx sdk.Context, txs [][]byte) error {
	head, err := k.head.Get(ctx)
	if err != nil {
		return err
	}
	info := ctx.HeaderInfo()
	round := beacon.Round{Chain: info.ChainID, Height: info.Height - 1, Previous: receipt.Digest(head.Previous)}
	if !expected(ctx) {
		return k.advance(ctx, info.Height, round.Join(receipt.Digest(head.Randomness), nil))
	}
	commit, err := decodeRecord(txs)
	if err != nil {
		return err
	}
	var contributions []beacon.Contribution
	conducts := make([]beacon.Conduct, len(commit.Votes))
	for i, vote := range commit.Votes {
		conducts[i] = beacon.Silent
		if vote.BlockIdFlag != cmtproto.BlockIDFlagCommit {
			continue
		}
		output, err := k.output(ctx, round, vote.Validator.Address, vote.VoteExtension)
		if err != nil {
			conducts[i] = beacon.Withheld
			continue
		}
		conducts[i] = beacon.Contributed
		contributions = append(contributions, beacon.Contribution{Power: uint64(vote.Validator.Power), Output: output})
	}
	if err := k.advance(ctx, info.Height, round.Join(receipt.Digest(head.Randomness), contributions)); err != nil {
		return err
	}
	return k.count(ctx, commit.Votes, conducts)
}
