// Package audit is the ledger's justice: the register of bonded auditors, the
// court that hears disputes about answers, mystery audits and their fund, and
// what a conviction costs. Its rules are packages mechanism/court's, penalty's
// and eprocess's; what is here loads, calls them and stores. spec/audit.md says
// how it works.
//
// The module's account holds auditors' bonds in KOIN, and in credit what open
// cases hold; the rest of its credit is the audit fund.
package audit

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/address"
	"cosmossdk.io/core/store"
	sdkmath "cosmossdk.io/math"
	"github.com/cosmos/gogoproto/proto"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/receipt"
)

// ModuleName names the module, its store, its account and its errors.
const ModuleName = "audit"

// What the module's account holds.
const (
	bondDenom   = "ukoin"
	creditDenom = "ucredit"
)

// Bank moves bonds, fees and fines.
type Bank interface {
	SendCoinsFromAccountToModule(ctx context.Context, from sdk.AccAddress, module string, amount sdk.Coins) error
	SendCoinsFromModuleToAccount(ctx context.Context, module string, to sdk.AccAddress, amount sdk.Coins) error
	BurnCoins(ctx context.Context, module string, amount sdk.Coins) error
	GetBalance(ctx context.Context, account sdk.AccAddress, denom string) sdk.Coin
	BlockedAddr(account sdk.AccAddress) bool
}

// Beacon is the ledger's randomness.
type Beacon interface {
	// Latest is the newest randomness and its height; nobody knew it before.
	Latest(ctx context.Context) (height int64, r receipt.Digest, err error)
}

// Models knows the model versions.
type Models interface {
	Version(ctx context.Context, digest string) (modelv1.Version, error)
}

// Providers knows the accused, and punishes them.
type Providers interface {
	Provider(ctx context.Context, address string) (providerv1.Provider, error)
	// Bonded is all that a provider can lose, in ukoin.
	Bonded(ctx context.Context, address string) (uint64, error)
	// Slash moves a part of it into a module's account.
	Slash(ctx context.Context, address string, ukoin uint64, module string) error
	Jail(ctx context.Context, address string, until int64, tombstone bool) error
}

// Earnings are what providers have earned and have not been paid.
type Earnings interface {
	// Forfeit moves them into this module's account.
	Forfeit(ctx context.Context, provider string) (ucredit uint64, err error)
	// Withhold keeps them from maturing, or lets them.
	Withhold(ctx context.Context, provider string, withheld bool) error
	// Dispute keeps them from maturing while a case is open.
	Dispute(ctx context.Context, provider string, id uint64, open bool) error
}

// Signals are what curators staked on providers.
type Signals interface {
	// Slash moves a part of them into a module's account.
	Slash(ctx context.Context, provider string, bps uint32, module string) (ukoin uint64, err error)
}

// Challenges are those of an epoch, whose answers are disputed by their statements.
type Challenges interface {
	// Disputed says whether a receipt is a provider's statement to a challenge in
	// which answers differ, and which the court may judge now.
	Disputed(ctx context.Context, statement receipt.Receipt) (bool, error)
	// Judged takes the court's judgement of a statement, if the challenge still
	// waits for it.
	Judged(ctx context.Context, statement receipt.Receipt, right bool) error
}

type (
	timedKey = collections.Pair[int64, string]
	dueKey   = collections.Pair[int64, uint64]
	partyKey = collections.Pair[string, uint64]
	textsKey = collections.Pair[string, string]
)

// Keeper stores the module's state.
type Keeper struct {
	authority string
	account   sdk.AccAddress
	addresses address.Codec
	bank      Bank
	beacon    Beacon
	models    Models
	providers Providers
	earnings  Earnings
	signals   Signals
	// challenges are there once [Keeper.Hear] has said which.
	challenges Challenges

	schema     collections.Schema
	params     collections.Item[auditv1.Params]
	auditors   collections.Map[string, auditv1.Auditor]
	unbondings collections.Map[timedKey, auditv1.Unbonding]        // by time and auditor
	leaving    collections.KeySet[collections.Pair[string, int64]] // auditor and time of each unbonding
	cases      collections.Map[uint64, auditv1.Case]
	nextCase   collections.Sequence
	held       collections.Item[uint64]        // ucredit, by all open cases
	due        collections.KeySet[dueKey]      // open cases by deadline
	closed     collections.KeySet[dueKey]      // closed cases by when they are forgotten
	drawing    collections.KeySet[uint64]      // cases that wait for randomness
	parties    collections.KeySet[partyKey]    // open cases by accuser, accused, auditor
	sealed     collections.Map[uint64, []byte] // of open cases
	byReceipt  collections.Map[[]byte, uint64] // the last case about a receipt
	records    collections.Map[string, auditv1.Record]
	profiles   collections.Map[string, auditv1.Profile]    // by model digest
	verdicts   collections.Map[string, auditv1.Conviction] // by reference
	byConvict  collections.KeySet[textsKey]                // convict and reference
	plants     collections.Map[[]byte, auditv1.Plant]      // by commitment
	epoch      collections.Item[auditv1.Epoch]
	reports    collections.Map[collections.Pair[uint64, string], auditv1.Report] // by epoch, and auditor/provider
	reported   collections.KeySet[collections.Pair[uint64, []byte]]              // epoch and receipt
}

// NewKeeper makes the module's keeper; account is the module's own, authority
// may change parameters and profiles.
func NewKeeper(cdc codec.BinaryCodec, service store.KVStoreService, addresses address.Codec, account sdk.AccAddress,
	bank Bank, beacon Beacon, models Models, providers Providers, earnings Earnings, signals Signals, authority string,
) *Keeper {
	b := collections.NewSchemaBuilder(service)
	prefix := collections.NewPrefix[int]
	k := &Keeper{
		authority: authority, account: account, addresses: addresses,
		bank: bank, beacon: beacon, models: models, providers: providers, earnings: earnings, signals: signals,
		params:     collections.NewItem(b, prefix(0), "params", codec.CollValue[auditv1.Params](cdc)),
		auditors:   collections.NewMap(b, prefix(1), "auditors", collections.StringKey, codec.CollValue[auditv1.Auditor](cdc)),
		unbondings: collections.NewMap(b, prefix(2), "unbondings", collections.PairKeyCodec(collections.Int64Key, collections.StringKey), codec.CollValue[auditv1.Unbonding](cdc)),
		leaving:    collections.NewKeySet(b, prefix(3), "unbondings_by_auditor", collections.PairKeyCodec(collections.StringKey, collections.Int64Key)),
		cases:      collections.NewMap(b, prefix(4), "cases", collections.Uint64Key, codec.CollValue[auditv1.Case](cdc)),
		nextCase:   collections.NewSequence(b, prefix(5), "next_case"),
		held:       collections.NewItem(b, prefix(6), "held", collections.Uint64Value),
		due:        collections.NewKeySet(b, prefix(7), "due", collections.PairKeyCodec(collections.Int64Key, collections.Uint64Key)),
		drawing:    collections.NewKeySet(b, prefix(8), "drawing", collections.Uint64Key),
		parties:    collections.NewKeySet(b, prefix(9), "parties", collections.PairKeyCodec(collections.StringKey, collections.Uint64Key)),
		sealed:     collections.NewMap(b, prefix(10), "sealed", collections.Uint64Key, collections.BytesValue),
		byReceipt:  collections.NewMap(b, prefix(11), "cases_by_receipt", collections.BytesKey, collections.Uint64Value),
		records:    collections.NewMap(b, prefix(12), "records", collections.StringKey, codec.CollValue[auditv1.Record](cdc)),
		profiles:   collections.NewMap(b, prefix(13), "profiles", collections.StringKey, codec.CollValue[auditv1.Profile](cdc)),
		verdicts:   collections.NewMap(b, prefix(14), "convictions", collections.StringKey, codec.CollValue[auditv1.Conviction](cdc)),
		byConvict:  collections.NewKeySet(b, prefix(15), "convictions_by_convict", collections.PairKeyCodec(collections.StringKey, collections.StringKey)),
		plants:     collections.NewMap(b, prefix(16), "plants", collections.BytesKey, codec.CollValue[auditv1.Plant](cdc)),
		epoch:      collections.NewItem(b, prefix(17), "epoch", codec.CollValue[auditv1.Epoch](cdc)),
		reports:    collections.NewMap(b, prefix(18), "reports", collections.PairKeyCodec(collections.Uint64Key, collections.StringKey), codec.CollValue[auditv1.Report](cdc)),
		closed:     collections.NewKeySet(b, prefix(20), "closed", collections.PairKeyCodec(collections.Int64Key, collections.Uint64Key)),
		reported:   collections.NewKeySet(b, prefix(19), "reported_receipts", collections.PairKeyCodec(collections.Uint64Key, collections.BytesKey)),
	}
	var err error
	if k.schema, err = b.Build(); err != nil {
		panic(err) // two prefixes alike: a mistake in the lines above
	}
	return k
}

// Hear has the court judge answers to epoch challenges, too, whose module needs
// this one.
func (k *Keeper) Hear(c Challenges) { k.challenges = c }

// Fund is what the audit fund has, in ucredit: all credit that no case holds.
func (k *Keeper) Fund(ctx context.Context) (uint64, error) {
	held, err := k.heldCredit(ctx)
	if err != nil {
		return 0, err
	}
	balance := k.bank.GetBalance(ctx, k.account, creditDenom).Amount
	if !balance.IsUint64() || balance.Uint64() < held {
		return 0, fmt.Errorf("%w: %s ucredit of %d", ErrBooks, balance, held)
	}
	return balance.Uint64() - held, nil
}

func (k *Keeper) heldCredit(ctx context.Context) (uint64, error) {
	held, err := k.held.Get(ctx)
	if errors.Is(err, collections.ErrNotFound) {
		return 0, nil
	}
	return held, err
}

// pay sends from the module's account. Who may not hold money, such as a
// module's account, gives way: its credit stays in the fund, its KOIN is burnt.
func (k *Keeper) pay(ctx context.Context, to, denom string, amount uint64) error {
	if amount == 0 {
		return nil
	}
	account, err := k.addresses.StringToBytes(to)
	if err != nil || k.bank.BlockedAddr(account) {
		if denom == bondDenom {
			return k.bank.BurnCoins(ctx, ModuleName, coins(denom, amount))
		}
		return nil
	}
	return k.bank.SendCoinsFromModuleToAccount(ctx, ModuleName, account, coins(denom, amount))
}

func coins(denom string, amount uint64) sdk.Coins {
	return sdk.NewCoins(sdk.NewCoin(denom, sdkmath.NewIntFromUint64(amount)))
}

// emit tells indexers what happened.
func emit(ctx context.Context, event proto.Message) error {
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(event)
}

// blockTime is Unix seconds.
func blockTime(ctx context.Context) int64 { return sdk.UnwrapSDKContext(ctx).BlockTime().Unix() }
