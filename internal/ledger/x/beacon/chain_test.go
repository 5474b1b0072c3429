package beacon_test

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"cosmossdk.io/log/v2"
	sdkmath "cosmossdk.io/math"
	abci "github.com/cometbft/cometbft/abci/types"
	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	cmttypes "github.com/cometbft/cometbft/types"
	dbm "github.com/cosmos/cosmos-db"

	"github.com/cosmos/cosmos-sdk/baseapp"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	sims "github.com/cosmos/cosmos-sdk/testutil/sims"
	sdk "github.com/cosmos/cosmos-sdk/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	beaconv1 "github.com/koinon/koinon/api/koinon/beacon/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
)

const (
	chainID    = "koinon-test"
	validators = 4
	stake      = 100_000_000
)

// chain plays consensus among four validators: each block is proposed, judged,
// voted on with extensions, executed and stored by two applications, which must
// agree on everything.
type chain struct {
	*testing.T
	apps   [2]*app.App
	keys   []cmted25519.PrivKey // in the order of the validators
	height int64
	time   time.Time
	votes  abci.ExtendedCommitInfo // for the last block
	hash   []byte
}

func newChain(t *testing.T, params *beaconv1.Params) *chain {
	t.Helper()
	c := &chain{T: t, time: time.Unix(1_800_000_000, 0).UTC()}
	operator := ledgertest.NewAccount("operator")
	config := app.GenesisConfig{
		Issuer: escrowv1.Issuer{Address: operator.Address, Name: "issuer", Cap: math.MaxInt64}, Beacon: params,
	}
	for i := range validators {
		c.keys = append(c.keys, cmted25519.GenPrivKeyFromSecret([]byte{byte(i)}))
	}
	slices.SortFunc(c.keys, func(a, b cmted25519.PrivKey) int { return bytes.Compare(a.PubKey().Address(), b.PubKey().Address()) })
	for i, key := range c.keys {
		account := ledgertest.NewAccount(string(rune('a' + i)))
		public, err := cryptocodec.FromCmtPubKeyInterface(key.PubKey())
		c.must(err)
		config.Accounts = append(config.Accounts, app.Account{Address: account.Address})
		config.Validators = append(config.Validators, app.Validator{Operator: account.Address, ConsensusKey: public, Stake: stake, Moniker: account.Name})
	}
	for i := range c.apps {
		a, err := app.New(log.NewNopLogger(), dbm.NewMemDB(), "", baseapp.SetChainID(chainID))
		c.must(err)
		genesis, err := a.NewGenesis(config)
		c.must(err)
		state, err := json.Marshal(genesis)
		c.must(err)
		consensus := *sims.DefaultConsensusParams
		consensus.Abci = &cmtproto.ABCIParams{VoteExtensionsEnableHeight: 1}
		_, err = a.InitChain(&abci.RequestInitChain{ChainId: chainID, Time: c.time, InitialHeight: 1, AppStateBytes: state, ConsensusParams: &consensus})
		c.must(err)
		c.apps[i] = a
	}
	return c
}

func (c *chain) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// propose returns what an honest proposer would put in the next block.
func (c *chain) propose(votes abci.ExtendedCommitInfo, txs ...[]byte) [][]byte {
	c.Helper()
	response, err := c.apps[0].PrepareProposal(&abci.RequestPrepareProposal{
		Height: c.height + 1, Time: c.time, Txs: txs, MaxTxBytes: 1 << 20, LocalLastCommit: votes})
	c.must(err)
	return response.Txs
}

// accepts says whether validators would vote for a proposal.
func (c *chain) accepts(votes abci.ExtendedCommitInfo, txs [][]byte) bool {
	c.Helper()
	response, err := c.apps[1].ProcessProposal(&abci.RequestProcessProposal{
		Height: c.height + 1, Time: c.time, Txs: txs, ProposedLastCommit: commitOf(votes)})
	c.must(err)
	return response.Status == abci.ResponseProcessProposal_ACCEPT
}

// commitOf is the commit in a block whose proposer saw some votes.
func commitOf(votes abci.ExtendedCommitInfo) abci.CommitInfo {
	info := abci.CommitInfo{Round: votes.Round}
	for _, v := range votes.Votes {
		info.Votes = append(info.Votes, abci.VoteInfo{Validator: v.Validator, BlockIdFlag: v.BlockIdFlag})
	}
	return info
}

// extension is what a validator's own node sends with its vote for the next
// block.
func (c *chain) extension(i int) []byte {
	c.Helper()
	c.apps[0].Contribute(c.keys[i])
	response, err := c.apps[0].ExtendVote(c.Context(), &abci.RequestExtendVote{Height: c.height + 1})
	c.must(err)
	return response.VoteExtension
}

// verifies says whether the others take a vote for the next block.
func (c *chain) verifies(i int, extension []byte) bool {
	c.Helper()
	response, err := c.apps[1].VerifyVoteExtension(&abci.RequestVerifyVoteExtension{
		Height: c.height + 1, ValidatorAddress: c.keys[i].PubKey().Address(), VoteExtension: extension})
	c.must(err)
	return response.Status == abci.ResponseVerifyVoteExtension_ACCEPT
}

// vote signs a vote for the next block; a nil extension is one withheld.
func (c *chain) vote(i int, extension []byte) abci.ExtendedVoteInfo {
	c.Helper()
	bytes := cmttypes.VoteExtensionSignBytes(chainID, &cmtproto.Vote{Height: c.height + 1, Extension: extension})
	signature, err := c.keys[i].Sign(bytes)
	c.must(err)
	return abci.ExtendedVoteInfo{
		Validator:     abci.Validator{Address: c.keys[i].PubKey().Address(), Power: sdk.TokensToConsensusPower(sdkmath.NewInt(stake), sdk.DefaultPowerReduction)},
		VoteExtension: extension, ExtensionSignature: signature, BlockIdFlag: cmtproto.BlockIDFlagCommit,
	}
}

// absent is a vote that did not come.
func absent(v abci.ExtendedVoteInfo) abci.ExtendedVoteInfo {
	return abci.ExtendedVoteInfo{Validator: v.Validator, BlockIdFlag: cmtproto.BlockIDFlagAbsent}
}

// honest are the votes for the next block when all contribute.
func (c *chain) honest() abci.ExtendedCommitInfo {
	c.Helper()
	var votes abci.ExtendedCommitInfo
	for i := range c.keys {
		extension := c.extension(i)
		if !c.verifies(i, extension) {
			c.Fatalf("height %d: an honest vote of %d is refused", c.height+1, i)
		}
		votes.Votes = append(votes.Votes, c.vote(i, extension))
	}
	return votes
}

// block makes a block from the votes for the last, as its proposer saw them,
// then collects votes for it, which change, if not nil, adapts.
func (c *chain) block(change func(*abci.ExtendedCommitInfo), txs ...[]byte) []*abci.ExecTxResult {
	c.Helper()
	proposal := c.propose(c.votes, txs...)
	if !c.accepts(c.votes, proposal) {
		c.Fatalf("height %d: an honest proposal is refused", c.height+1)
	}
	return c.finalize(proposal, change)
}

// finalize executes a proposal that was agreed on.
func (c *chain) finalize(proposal [][]byte, change func(*abci.ExtendedCommitInfo)) []*abci.ExecTxResult {
	c.Helper()
	votes := c.honest()
	if change != nil {
		change(&votes)
	}
	var hashes [2][]byte
	var results []*abci.ExecTxResult
	for i, a := range c.apps {
		response, err := a.FinalizeBlock(&abci.RequestFinalizeBlock{Height: c.height + 1, Time: c.time, Txs: proposal, DecidedLastCommit: commitOf(c.votes)})
		c.must(err)
		_, err = a.Commit()
		c.must(err)
		hashes[i], results = response.AppHash, response.TxResults
	}
	if !bytes.Equal(hashes[0], hashes[1]) {
		c.Fatalf("height %d: two nodes have two states", c.height+1)
	}
	c.height++
	c.time = c.time.Add(time.Second)
	c.votes, c.hash = votes, hashes[0]
	return results
}

// context reads the last block's state.
func (c *chain) context() sdk.Context {
	return c.apps[0].NewContextLegacy(true, cmtproto.Header{ChainID: chainID, Height: c.height, Time: c.time})
}

func (c *chain) conn() *baseapp.QueryServiceTestHelper {
	return &baseapp.QueryServiceTestHelper{GRPCQueryRouter: c.apps[0].GRPCQueryRouter(), Ctx: c.context()}
}

func (c *chain) validator(i int) stakingtypes.Validator {
	c.Helper()
	v, err := c.apps[0].Staking.GetValidatorByConsAddr(c.context(), sdk.ConsAddress(c.keys[i].PubKey().Address()))
	c.must(err)
	return v
}
