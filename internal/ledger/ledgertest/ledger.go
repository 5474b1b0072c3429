// Package ledgertest runs the real application for tests, block by block and
// without consensus. After every block it checks that the books balance.
package ledgertest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"math/rand"
	"slices"
	"time"

	"cosmossdk.io/log/v2"
	abci "github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	cmttypes "github.com/cometbft/cometbft/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/cosmos/gogoproto/proto"

	"github.com/cosmos/cosmos-sdk/baseapp"
	cryptoed25519 "github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sims "github.com/cosmos/cosmos-sdk/testutil/sims"
	sdk "github.com/cosmos/cosmos-sdk/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/refusal"
	"github.com/koinon/koinon/internal/ledger/x/escrow"
)

// ChainID is the test ledger's name.
const ChainID = "koinon-test"

// VotingPeriod is how long governance votes.
const VotingPeriod = 2 * time.Second

// What every account but the validator's begins with, in micro-units.
const (
	Koin   = 1_000_000_000
	Credit = 1_000_000_000
)

// TB is what the harness needs of *testing.T and *rapid.T.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Account is somebody who can sign.
type Account struct {
	Name     string
	Address  string
	GrantKey ed25519.PrivateKey // signs grants, and receipts if a provider's
	key      *secp256k1.PrivKey
}

// NewAccount makes the account of a name, always the same one.
func NewAccount(name string) Account {
	key := secp256k1.GenPrivKeyFromSecret([]byte(name))
	seed := sha256.Sum256([]byte("grant key of " + name))
	return Account{
		Name: name, Address: sdk.AccAddress(key.PubKey().Address()).String(),
		GrantKey: ed25519.NewKeyFromSeed(seed[:]), key: key,
	}
}

// Public is the public half of the account's grant key.
func (a Account) Public() []byte { return a.GrantKey.Public().(ed25519.PublicKey) }

// Sign signs bytes with the account's key.
func (a Account) Sign(data []byte) []byte {
	signature, err := a.key.Sign(data)
	if err != nil {
		panic(err) // a key in memory always signs
	}
	return signature
}

// GoString is the account's name, which is what a failing test should print.
func (a Account) GoString() string { return a.Name }

// Tx is a transaction to be signed. Gas is ten million if zero; the fee is what
// the gas costs, or none where buyers pay none, unless given.
type Tx struct {
	From Account
	Msgs []sdk.Msg
	Gas  uint64
	Fee  sdk.Coins
}

// Ledger is an application and the chain it has seen.
type Ledger struct {
	App    *app.App
	Issuer Account
	Height int64
	Time   time.Time
	// Hashes are those of the state and of the transactions' results, which
	// all nodes must have alike, joined, block by block.
	Hashes [][]byte
	// Events are those of the last block's end.
	Events []abci.Event

	tb        TB
	proposals uint64
	proposer  []byte
	rand      *rand.Rand // salts transactions' memos
}

// New begins a ledger that funds the accounts. Change, if not nil, adapts what
// its genesis is made of.
func New(tb TB, accounts []Account, change func(*app.GenesisConfig)) *Ledger {
	tb.Helper()
	issuer := NewAccount("issuer")
	validator := cryptoed25519.GenPrivKeyFromSecret([]byte("validator")).PubKey()
	config := app.GenesisConfig{
		Validators: []app.Validator{{Operator: issuer.Address, ConsensusKey: validator, Stake: Koin, Moniker: "validator"}},
		Issuer:     escrowv1.Issuer{Address: issuer.Address, Name: "issuer", Cap: math.MaxInt64},
		Escrow: &escrowv1.Params{
			WithdrawDelaySeconds: 60, ChallengeWindowSeconds: 100, RedeemGraceSeconds: 30, MaxTickets: 1 << 16,
			MaxGrantSeconds: 3600, FreeTxsPerWindow: 1000, FreeWindowBlocks: 10,
		},
		Provider: &providerv1.Params{MinBond: 1000, UnbondingSeconds: 200, MaxOffersPerProvider: 3},
		Challenge: &challengev1.Params{ // for no epoch, unless a test sets one
			CommitSeconds: 10, RevealSeconds: 20, VerdictSeconds: 20, Blocks: 2, Tokens: 8, Steps: 2, ExcuseEpochs: 3,
		},
		VotingPeriod: VotingPeriod,
	}
	for _, a := range append([]Account{issuer}, accounts...) {
		config.Accounts = append(config.Accounts, app.Account{Address: a.Address, Koin: Koin, Credit: Credit})
	}
	if change != nil {
		change(&config)
	}
	l := open(tb)
	l.Issuer, l.proposer = issuer, validator.Address()
	genesis, err := l.App.NewGenesis(config)
	if err != nil {
		tb.Fatalf("genesis: %v", err)
	}
	l.begin(genesis)
	return l
}

// Restart begins a new ledger from this one's exported state, which change, if
// not nil, adapts.
func (l *Ledger) Restart(change func(app.Genesis)) *Ledger {
	l.tb.Helper()
	next := open(l.tb)
	next.Issuer, next.proposer, next.Time = l.Issuer, l.proposer, l.Time
	state := l.Export()
	if change != nil {
		change(state)
	}
	next.begin(state)
	return next
}

// Edit changes one module's part of a genesis; state is an empty message of its
// type.
func Edit[S proto.Message](l *Ledger, genesis app.Genesis, module string, state S, change func(S)) {
	l.tb.Helper()
	if err := l.App.Codec.UnmarshalJSON(genesis[module], state); err != nil {
		l.tb.Fatalf("genesis of %s: %v", module, err)
	}
	change(state)
	data, err := l.App.Codec.MarshalJSON(state)
	if err != nil {
		l.tb.Fatalf("genesis of %s: %v", module, err)
	}
	genesis[module] = data
}

func open(tb TB) *Ledger {
	tb.Helper()
	a, err := app.New(log.NewNopLogger(), dbm.NewMemDB(), "", baseapp.SetChainID(ChainID))
	if err != nil {
		tb.Fatalf("application: %v", err)
	}
	return &Ledger{App: a, tb: tb, Time: time.Unix(1_800_000_000, 0).UTC(), rand: rand.New(rand.NewSource(1))}
}

func (l *Ledger) begin(genesis app.Genesis) {
	l.tb.Helper()
	state, err := json.Marshal(genesis)
	if err != nil {
		l.tb.Fatalf("genesis: %v", err)
	}
	_, err = l.App.InitChain(&abci.RequestInitChain{
		ChainId: ChainID, Time: l.Time, InitialHeight: 1, AppStateBytes: state, ConsensusParams: sims.DefaultConsensusParams,
	})
	if err != nil {
		l.tb.Fatalf("initial state: %v", err)
	}
	l.Block(time.Second)
}

// Export returns the whole state as a genesis.
func (l *Ledger) Export() app.Genesis {
	l.tb.Helper()
	genesis, err := l.App.Export()
	if err != nil {
		l.tb.Fatalf("export: %v", err)
	}
	return genesis
}

// Block makes a block some time after the last, and checks the books after it.
func (l *Ledger) Block(after time.Duration, txs ...Tx) []*abci.ExecTxResult {
	l.tb.Helper()
	l.Height++
	l.Time = l.Time.Add(after)
	request := &abci.RequestFinalizeBlock{Height: l.Height, Time: l.Time, ProposerAddress: l.proposer}
	sent := map[string]uint64{}
	for _, tx := range txs {
		request.Txs = append(request.Txs, l.sign(tx, sent[tx.From.Address]))
		sent[tx.From.Address]++
	}
	response, err := l.App.FinalizeBlock(request)
	if err != nil {
		l.tb.Fatalf("block %d: %v", l.Height, err)
	}
	if _, err := l.App.Commit(); err != nil {
		l.tb.Fatalf("block %d: commit: %v", l.Height, err)
	}
	l.Hashes = append(l.Hashes, slices.Concat(response.AppHash, cmttypes.NewResults(response.TxResults).Hash()))
	l.Events = response.Events
	l.Check()
	return response.TxResults
}

// Send makes a block of one transaction and returns its error, in the form in
// which a client learns of it.
func (l *Ledger) Send(from Account, msgs ...sdk.Msg) error {
	l.tb.Helper()
	return Error(l.Block(time.Second, Tx{From: from, Msgs: msgs})[0])
}

// Must is Send for what cannot be refused.
func (l *Ledger) Must(from Account, msgs ...sdk.Msg) {
	l.tb.Helper()
	if err := l.Send(from, msgs...); err != nil {
		l.tb.Fatalf("%T of %s: %v", msgs[0], from.Name, err)
	}
}

// Error is a result's error as a client learns of it, or nil.
func Error(result *abci.ExecTxResult) error {
	if result.IsOK() {
		return nil
	}
	return refusal.FromResult(result.Codespace, result.Code, result.Log)
}

// Handle gives a message straight to its module, past the checks that a
// transaction meets first, and forgets what it did.
func (l *Ledger) Handle(msg sdk.Msg) error {
	ctx, _ := l.Context().CacheContext()
	_, err := l.App.MsgServiceRouter().Handler(msg)(ctx, msg)
	return err
}

// Context reads the last block's state.
func (l *Ledger) Context() sdk.Context {
	return l.App.NewContextLegacy(true, cmtproto.Header{ChainID: ChainID, Height: l.Height, Time: l.Time})
}

// Conn serves queries against the last block's state.
func (l *Ledger) Conn() *baseapp.QueryServiceTestHelper {
	return &baseapp.QueryServiceTestHelper{GRPCQueryRouter: l.App.GRPCQueryRouter(), Ctx: l.Context()}
}

// Balance is an account's, in micro-units.
func (l *Ledger) Balance(address, denom string) uint64 {
	l.tb.Helper()
	raw, err := sdk.AccAddressFromBech32(address)
	if err != nil {
		l.tb.Fatalf("address %q: %v", address, err)
	}
	return l.App.Bank.GetBalance(l.Context(), raw, denom).Amount.Uint64()
}

// Check fails the test if the books do not balance.
func (l *Ledger) Check() {
	l.tb.Helper()
	ctx := l.Context()
	sums, err := l.App.Escrow.Invariants(ctx)
	if err != nil || !sums.Holds {
		l.tb.Fatalf("height %d: escrow's books: %+v, %v", l.Height, sums, err)
	}
	if err := l.App.Provider.CheckBonds(ctx); err != nil {
		l.tb.Fatalf("height %d: %v", l.Height, err)
	}
	if books, err := l.App.Audit.Invariants(ctx); err != nil || !books.Holds {
		l.tb.Fatalf("height %d: audit: %+v, %v", l.Height, books, err)
	}
	if err := l.App.Challenge.CheckBooks(ctx); err != nil {
		l.tb.Fatalf("height %d: %v", l.Height, err)
	}
	if err := l.App.Curation.CheckBooks(ctx); err != nil {
		l.tb.Fatalf("height %d: %v", l.Height, err)
	}
	if err := l.App.Share.CheckBooks(ctx); err != nil {
		l.tb.Fatalf("height %d: %v", l.Height, err)
	}
	for _, check := range []func(context.Context) error{l.App.Pool.CheckBooks, l.App.Offering.CheckBooks, l.App.Assembly.CheckBooks, l.App.Pin.CheckBooks} {
		if err := check(ctx); err != nil {
			l.tb.Fatalf("height %d: %v", l.Height, err)
		}
	}
	if err := l.App.Access.CheckBooks(ctx, l.App.Escrow); err != nil {
		l.tb.Fatalf("height %d: %v", l.Height, err)
	}
	issuers, err := escrowv1.NewQueryClient(l.Conn()).Issuers(context.Background(), &escrowv1.QueryIssuersRequest{})
	if err != nil {
		l.tb.Fatalf("height %d: %v", l.Height, err)
	}
	var outstanding uint64
	for _, i := range issuers.Issuers {
		outstanding += i.Outstanding
	}
	if supply := l.App.Bank.GetSupply(ctx, escrow.CreditDenom).Amount.Uint64(); supply != outstanding {
		l.tb.Fatalf("height %d: %d ucredit exist, issuers answer for %d", l.Height, supply, outstanding)
	}
}

// sign signs a transaction that comes after `before` others of its sender in
// the same block.
func (l *Ledger) sign(tx Tx, before uint64) []byte {
	l.tb.Helper()
	if tx.Gas == 0 {
		tx.Gas = 10_000_000
		if app.Free(tx.Msgs) {
			tx.Gas = 500_000
		}
	}
	if tx.Fee == nil && !app.Free(tx.Msgs) {
		tx.Fee = app.Fee(tx.Gas)
	}
	address := sdk.AccAddress(tx.From.key.PubKey().Address())
	account := l.App.Account.GetAccount(l.Context(), address)
	if account == nil {
		l.tb.Fatalf("%s has no account", tx.From.Name)
	}
	signed, err := sims.GenSignedMockTx(l.rand, l.App.TxConfig, tx.Msgs, tx.Fee, tx.Gas, ChainID,
		[]uint64{account.GetAccountNumber()}, []uint64{account.GetSequence() + before}, tx.From.key)
	if err != nil {
		l.tb.Fatalf("signing: %v", err)
	}
	data, err := l.App.TxConfig.TxEncoder()(signed)
	if err != nil {
		l.tb.Fatalf("encoding: %v", err)
	}
	return data
}

// Version is a model version of a name that its owner registers, split in
// provider 70 %, owner 15 %, data 5 %, app 5 %, treasury 5 %.
func Version(owner Account, name string, data ...Account) *modelv1.MsgRegisterVersion {
	policy := modelv1.Policy{
		ProviderBps: 7000, AppBps: 500, TreasuryBps: 1000, Owners: []modelv1.Share{{Address: owner.Address, Bps: 1500}},
	}
	if len(data) > 0 {
		policy.TreasuryBps = 500
		policy.Data = []modelv1.Share{{Address: data[0].Address, Bps: 500}}
	}
	return &modelv1.MsgRegisterVersion{
		Owner: owner.Address, Digest: Digest(name), Name: name, Version: "1.0",
		Class: modelv1.VerificationClass_VERIFICATION_CLASS_EXACT, Policy: policy, License: "Apache-2.0",
		Architecture: "llama", Parameters: 4_000_000, SizeBytes: 4_500_000, ContextLength: 512, Quantization: "Q8_0", WeightsRoot: Digest("weights of " + name),
	}
}

// Digest is the digest of the version that Version makes for a name.
func Digest(name string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(name))) }

// Registration registers an account as a provider with the least bond.
func Registration(a Account) *providerv1.MsgRegister {
	return &providerv1.MsgRegister{
		Provider: a.Address, PublicKey: a.Public(), Addrs: []string{"/ip4/127.0.0.1/tcp/4001"}, Moniker: a.Name, Bond: 1000,
	}
}

// Authority is the account that governance acts as.
func (l *Ledger) Authority() string { return app.Authority() }

// Govern passes a proposal of one message, with the validator's vote.
func (l *Ledger) Govern(msg sdk.Msg) {
	l.tb.Helper()
	proposal, err := govv1.NewMsgSubmitProposal([]sdk.Msg{msg}, app.Fee(10_000_000_000), l.Issuer.Address, "", "A change", "For a test.", false)
	if err != nil {
		l.tb.Fatalf("proposal: %v", err)
	}
	l.Must(l.Issuer, proposal)
	l.proposals++
	voter, err := sdk.AccAddressFromBech32(l.Issuer.Address)
	if err != nil {
		l.tb.Fatalf("voter: %v", err)
	}
	l.Must(l.Issuer, govv1.NewMsgVote(voter, l.proposals, govv1.OptionYes, ""))
	l.Block(VotingPeriod)
	result, err := l.App.Gov.Proposals.Get(l.Context(), l.proposals)
	if err != nil || result.Status != govv1.StatusPassed {
		l.tb.Fatalf("proposal of %T: %v %v", msg, result, err)
	}
}
