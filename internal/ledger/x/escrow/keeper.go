// Package escrow keeps the money of paid inference on the ledger: payers'
// escrows, the grants that providers activate, payouts on their way, and the
// issuers of credit. Its rules are package mechanism/escrow's; what is here
// loads, calls them and stores.
//
// A redemption touches its own grant, its payer's escrow and its own payouts
// alone; money moves between accounts at the end of the block. So independent
// payers and providers do not wait for each other when transactions run in
// parallel.
package escrow

import (
	"context"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/address"
	"cosmossdk.io/core/store"
	sdkmath "cosmossdk.io/math"
	"github.com/cosmos/gogoproto/proto"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/mechanism/split"
	"github.com/koinon/koinon/receipt"
)

// ModuleName names the module, its store, its account and its errors.
const ModuleName = "escrow"

// CreditDenom is millionths of a credit, which is a US dollar by definition.
const CreditDenom = "ucredit"

// Treasury is how payouts name the community pool, which governance spends.
const Treasury = "treasury"

// Bank moves credit between accounts and the module's.
type Bank interface {
	SendCoinsFromAccountToModule(ctx context.Context, from sdk.AccAddress, module string, amount sdk.Coins) error
	SendCoinsFromModuleToAccount(ctx context.Context, module string, to sdk.AccAddress, amount sdk.Coins) error
	SendCoinsFromModuleToModule(ctx context.Context, from, to string, amount sdk.Coins) error
	MintCoins(ctx context.Context, module string, amount sdk.Coins) error
	BurnCoins(ctx context.Context, module string, amount sdk.Coins) error
	GetSupply(ctx context.Context, denom string) sdk.Coin
	GetBalance(ctx context.Context, account sdk.AccAddress, denom string) sdk.Coin
	BlockedAddr(account sdk.AccAddress) bool
}

// Pool is the treasury.
type Pool interface {
	FundCommunityPool(ctx context.Context, amount sdk.Coins, sender sdk.AccAddress) error
}

// Models knows how a model version's earnings are split.
type Models interface {
	Policy(ctx context.Context, digest string) (split.Policy, error)
	Version(ctx context.Context, digest string) (modelv1.Version, error)
}

// Royalties are what a model earns for whoever owns it.
type Royalties interface {
	// Pay takes a royalty from a module's account, and returns what stays there
	// because nobody can be paid.
	Pay(ctx context.Context, from, model string, ucredit uint64) (uint64, error)
	// Held is how many of a model's shares somebody holds, of how many there are.
	Held(ctx context.Context, model, holder string) (shares, all uint64, err error)
}

// Stakes knows what accounts have staked.
type Stakes interface {
	GetDelegatorBonded(ctx context.Context, delegator sdk.AccAddress) (sdkmath.Int, error)
}

// Rights says who may call which version.
type Rights interface {
	// Admit refuses a grant that its payer may not make, and sets its calls aside.
	Admit(ctx context.Context, g receipt.Grant) error
	// Settle counts the calls that a grant made which has closed.
	Settle(ctx context.Context, g receipt.Grant, made uint64) error
}

// Providers knows who may take new grants, and who may be a party at all.
type Providers interface {
	MayServe(ctx context.Context, address string) error
	// MaySell refuses one whose offer of a model version is too dear for it.
	MaySell(ctx context.Context, model, address string) error
	Exposure(ctx context.Context, address string) (ucredit uint64, bounded bool, err error)
	MayJoin(ctx context.Context, address string) error
}

// Curators are those who signalled on listings.
type Curators interface {
	// Reward takes fees for a listing's curators from a module's account, and
	// returns what stays there because there are none.
	Reward(ctx context.Context, from, listing string, ucredit uint64) (uint64, error)
	// Spent notes the treasury's part of what a payer paid for listings.
	Spent(ctx context.Context, payer string, listings []string, ucredit uint64) error
}

type (
	timedKey  = collections.Pair[int64, string]
	payoutKey = collections.Triple[int64, string, string] // due time, source, role and recipient
	textsKey  = collections.Pair[string, string]
)

// Keeper stores the module's state.
type Keeper struct {
	authority string
	account   sdk.AccAddress
	addresses address.Codec
	bank      Bank
	pool      Pool
	models    Models
	royalties Royalties
	providers Providers
	curators  Curators
	rights    Rights
	stakes    Stakes

	schema     collections.Schema
	params     collections.Item[escrowv1.Params]
	escrows    collections.Map[string, escrowv1.Escrow]
	grants     collections.Map[string, escrowv1.ActiveGrant] // by id
	releases   collections.KeySet[timedKey]                  // when each grant lapses, if not closed before
	byPayer    collections.KeySet[textsKey]                  // grants
	byProvider collections.KeySet[textsKey]                  // grants
	payouts    collections.Map[payoutKey, escrowv1.Payout]
	byReceiver collections.KeySet[collections.Pair[string, payoutKey]] // payouts
	issuers    collections.Map[string, escrowv1.Issuer]
	freeUses   collections.Map[string, escrowv1.FreeUse]

	entries     collections.Map[textsKey, escrowv1.Entry]                           // by issuer and reference
	cashOuts    collections.Map[collections.Pair[string, uint64], escrowv1.CashOut] // by issuer and id
	nextCashOut collections.Sequence

	withheld  collections.KeySet[string]                           // providers whose pay does not mature
	disputed  collections.KeySet[collections.Pair[string, uint64]] // providers, with the cases that their pay waits for
	exposures collections.Map[string, uint64]                      // ucredit in active grants, by provider
}

// NewKeeper makes the module's keeper; account is the module's own, authority
// may admit issuers and change parameters.
func NewKeeper(cdc codec.BinaryCodec, service store.KVStoreService, addresses address.Codec, account sdk.AccAddress,
	bank Bank, pool Pool, models Models, royalties Royalties, providers Providers, curators Curators, rights Rights, stakes Stakes, authority string,
) *Keeper {
	b := collections.NewSchemaBuilder(service)
	timed := collections.PairKeyCodec(collections.Int64Key, collections.StringKey)
	payout := collections.TripleKeyCodec(collections.Int64Key, collections.StringKey, collections.StringKey)
	texts := collections.PairKeyCodec(collections.StringKey, collections.StringKey)
	k := &Keeper{
		authority: authority, account: account, addresses: addresses, bank: bank, pool: pool, models: models, royalties: royalties, providers: providers, curators: curators,
		rights: rights, stakes: stakes,
		params:     collections.NewItem(b, collections.NewPrefix(0), "params", codec.CollValue[escrowv1.Params](cdc)),
		escrows:    collections.NewMap(b, collections.NewPrefix(1), "escrows", collections.StringKey, codec.CollValue[escrowv1.Escrow](cdc)),
		grants:     collections.NewMap(b, collections.NewPrefix(2), "grants", collections.StringKey, codec.CollValue[escrowv1.ActiveGrant](cdc)),
		releases:   collections.NewKeySet(b, collections.NewPrefix(3), "releases", timed),
		byPayer:    collections.NewKeySet(b, collections.NewPrefix(4), "grants_by_payer", texts),
		byProvider: collections.NewKeySet(b, collections.NewPrefix(5), "grants_by_provider", texts),
		payouts:    collections.NewMap(b, collections.NewPrefix(6), "payouts", payout, codec.CollValue[escrowv1.Payout](cdc)),
		byReceiver: collections.NewKeySet(b, collections.NewPrefix(9), "payouts_by_recipient", collections.PairKeyCodec(collections.StringKey, payout)),
		issuers:    collections.NewMap(b, collections.NewPrefix(7), "issuers", collections.StringKey, codec.CollValue[escrowv1.Issuer](cdc)),
		freeUses:   collections.NewMap(b, collections.NewPrefix(8), "free_uses", collections.StringKey, codec.CollValue[escrowv1.FreeUse](cdc)),
		entries:    collections.NewMap(b, collections.NewPrefix(10), "entries", texts, codec.CollValue[escrowv1.Entry](cdc)),
		cashOuts: collections.NewMap(b, collections.NewPrefix(11), "cash_outs",
			collections.PairKeyCodec(collections.StringKey, collections.Uint64Key), codec.CollValue[escrowv1.CashOut](cdc)),
		nextCashOut: collections.NewSequence(b, collections.NewPrefix(12), "next_cash_out"),
		withheld:    collections.NewKeySet(b, collections.NewPrefix(13), "withheld", collections.StringKey),
		disputed:    collections.NewKeySet(b, collections.NewPrefix(15), "disputed", collections.PairKeyCodec(collections.StringKey, collections.Uint64Key)),
		exposures:   collections.NewMap(b, collections.NewPrefix(14), "exposures", collections.StringKey, collections.Uint64Value),
	}
	var err error
	if k.schema, err = b.Build(); err != nil {
		panic(err) // two prefixes alike: a mistake in the lines above
	}
	return k
}

func coins(amount uint64) sdk.Coins {
	return sdk.NewCoins(sdk.NewCoin(CreditDenom, sdkmath.NewIntFromUint64(amount)))
}

// emit tells indexers what happened.
func emit(ctx context.Context, event proto.Message) error {
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(event)
}
