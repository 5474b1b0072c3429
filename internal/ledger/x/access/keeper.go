// Package access keeps on the ledger who may call which model version: policies
// of versions, plans by which access tokens are sold, and the tokens. Its rules
// are package mechanism/access's.
//
// Escrow asks it before it activates a grant, and tells it when the grant closes;
// so calls under a token are counted without a transaction of their own.
package access

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/address"
	"cosmossdk.io/core/store"
	"github.com/cosmos/gogoproto/proto"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	accessv1 "github.com/koinon/koinon/api/koinon/access/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/mechanism/access"
	"github.com/koinon/koinon/internal/mechanism/split"
	"github.com/koinon/koinon/receipt"
)

// ModuleName names the module, its account and its errors.
const ModuleName = "access"

// StoreKey names its store: none may begin as another does, and x/auth's is "acc".
const StoreKey = "rights"

// creditDenom is what tokens are paid in.
const creditDenom = "ucredit"

// first is the number of the first plan and of the first token: none is 0.
const first = 1

// Models is the registry.
type Models interface {
	Version(ctx context.Context, digest string) (modelv1.Version, error)
	// Policy is how a version's earnings are split.
	Policy(ctx context.Context, digest string) (split.Policy, error)
	// Owner is who owns a model or a namespace, by its name.
	Owner(ctx context.Context, name string) (string, error)
}

// Royalties pays models.
type Royalties interface {
	// Pay takes a royalty from a module's account, and returns what stays there
	// because nobody can be paid.
	Pay(ctx context.Context, from, model string, ucredit uint64) (uint64, error)
}

// Bank moves what tokens cost.
type Bank interface {
	SendCoinsFromAccountToModule(ctx context.Context, from sdk.AccAddress, module string, amount sdk.Coins) error
	SendCoinsFromModuleToAccount(ctx context.Context, module string, to sdk.AccAddress, amount sdk.Coins) error
	BlockedAddr(account sdk.AccAddress) bool
}

// Treasury is the network's.
type Treasury interface {
	FundCommunityPool(ctx context.Context, amount sdk.Coins, sender sdk.AccAddress) error
}

// Accounts knows the public keys of those who have signed before.
type Accounts interface {
	GetAccount(ctx context.Context, address sdk.AccAddress) sdk.AccountI
}

type (
	plansKey  = collections.Pair[string, uint64] // model, plan
	tokensKey = collections.Pair[string, uint64] // holder, token
	takenKey  = collections.Pair[string, string] // scope, holder
)

// Keeper stores policies, plans and tokens.
type Keeper struct {
	account   sdk.AccAddress
	addresses address.Codec
	models    Models
	royalties Royalties
	bank      Bank
	treasury  Treasury
	accounts  Accounts

	schema    collections.Schema
	policies  collections.Map[string, accessv1.Policy] // by digest
	plans     collections.Map[uint64, accessv1.Plan]
	byModel   collections.KeySet[plansKey]
	tokens    collections.Map[uint64, accessv1.Token]
	byHolder  collections.KeySet[tokensKey]
	nextPlan  collections.Sequence
	nextToken collections.Sequence
	taken     collections.Map[takenKey, accessv1.Revocation]
}

// NewKeeper makes the module's keeper; account is the module's own.
func NewKeeper(cdc codec.BinaryCodec, service store.KVStoreService, addresses address.Codec, account sdk.AccAddress,
	models Models, royalties Royalties, bank Bank, treasury Treasury, accounts Accounts,
) *Keeper {
	b := collections.NewSchemaBuilder(service)
	numbered := collections.PairKeyCodec(collections.StringKey, collections.Uint64Key)
	k := &Keeper{
		account: account, addresses: addresses, models: models, royalties: royalties, bank: bank, treasury: treasury, accounts: accounts,
		policies:  collections.NewMap(b, collections.NewPrefix(0), "policies", collections.StringKey, codec.CollValue[accessv1.Policy](cdc)),
		plans:     collections.NewMap(b, collections.NewPrefix(1), "plans", collections.Uint64Key, codec.CollValue[accessv1.Plan](cdc)),
		byModel:   collections.NewKeySet(b, collections.NewPrefix(2), "plans_by_model", numbered),
		tokens:    collections.NewMap(b, collections.NewPrefix(3), "tokens", collections.Uint64Key, codec.CollValue[accessv1.Token](cdc)),
		byHolder:  collections.NewKeySet(b, collections.NewPrefix(4), "tokens_by_holder", numbered),
		nextPlan:  collections.NewSequence(b, collections.NewPrefix(5), "next_plan"),
		nextToken: collections.NewSequence(b, collections.NewPrefix(6), "next_token"),
		taken: collections.NewMap(b, collections.NewPrefix(7), "revocations",
			collections.PairKeyCodec(collections.StringKey, collections.StringKey), codec.CollValue[accessv1.Revocation](cdc)),
	}
	var err error
	if k.schema, err = b.Build(); err != nil {
		panic(err) // two prefixes alike: a mistake in the lines above
	}
	return k
}

// Admit refuses a grant that its payer may not make, and sets the calls aside that
// it may make under an access token.
func (k *Keeper) Admit(ctx context.Context, g receipt.Grant) error {
	id, stored, next, err := k.admission(ctx, access.Request{Payer: g.Payer, Right: g.Right, Calls: g.Calls}, g.Model.String())
	if err != nil || next == nil {
		return err
	}
	return k.tokens.Set(ctx, id, storedToken(stored, *next))
}

// admission judges a request of a version; next is the token as it would be then,
// or nil if none is used.
func (k *Keeper) admission(ctx context.Context, r access.Request, digest string) (id uint64, stored accessv1.Token, next *access.Token, err error) {
	v, err := k.models.Version(ctx, digest)
	if err != nil {
		return 0, stored, nil, err
	}
	r.Model = v.Name
	policy, err := k.policy(ctx, digest)
	if err != nil {
		return 0, stored, nil, err
	}
	id, named, err := access.TokenOf(r.Right)
	if err != nil {
		return 0, stored, nil, err
	}
	var token *access.Token
	if named {
		if stored, err = k.token(ctx, id); err != nil {
			return 0, stored, nil, err
		}
		t := tokenOf(stored)
		token = &t
	}
	next, err = access.Admit(access.Policy{Gated: policy.Gated, Accounts: policy.Accounts}, token, r, blockTime(ctx))
	return id, stored, next, err
}

// Settle counts the calls of a grant that has closed, and gives the others back to
// its token.
func (k *Keeper) Settle(ctx context.Context, g receipt.Grant, made uint64) error {
	id, named, err := access.TokenOf(g.Right)
	if err != nil || !named {
		return err
	}
	stored, err := k.token(ctx, id)
	if err != nil {
		return err
	}
	t, used := access.Settle(tokenOf(stored), g.Calls, made)
	err = k.tokens.Set(ctx, id, storedToken(stored, t))
	if !t.Metered {
		return err
	}
	return errors.Join(err, emit(ctx, &accessv1.EventCallsUsed{
		Token: id, Grant: g.ID().Hex(), Used: used, Returned: g.Calls - used, Left: t.Left}))
}

// revocation is the last of a holder's credentials for a scope; none is of time 0.
func (k *Keeper) revocation(ctx context.Context, scope, holder string) (accessv1.Revocation, error) {
	r, err := k.taken.Get(ctx, collections.Join(scope, holder))
	if errors.Is(err, collections.ErrNotFound) {
		return accessv1.Revocation{}, nil
	}
	return r, err
}

// policy is a version's, which is open if none was set.
func (k *Keeper) policy(ctx context.Context, digest string) (accessv1.Policy, error) {
	p, err := k.policies.Get(ctx, digest)
	if errors.Is(err, collections.ErrNotFound) {
		return accessv1.Policy{Digest: digest}, nil
	}
	return p, err
}

// token returns one, or ErrNoToken.
func (k *Keeper) token(ctx context.Context, id uint64) (accessv1.Token, error) {
	t, err := k.tokens.Get(ctx, id)
	if errors.Is(err, collections.ErrNotFound) {
		return t, fmt.Errorf("%w: %d", ErrNoToken, id)
	}
	return t, err
}

// plan returns one, or ErrNoPlan.
func (k *Keeper) plan(ctx context.Context, id uint64) (accessv1.Plan, error) {
	p, err := k.plans.Get(ctx, id)
	if errors.Is(err, collections.ErrNotFound) {
		return p, fmt.Errorf("%w: %d", ErrNoPlan, id)
	}
	return p, err
}

// setToken stores a token that is new or has a new holder, with what finds it.
func (k *Keeper) setToken(ctx context.Context, t accessv1.Token) error {
	return errors.Join(k.tokens.Set(ctx, t.Id, t), k.byHolder.Set(ctx, collections.Join(t.Holder, t.Id)))
}

func (k *Keeper) setRevocation(ctx context.Context, r accessv1.Revocation) error {
	return k.taken.Set(ctx, collections.Join(r.Scope, r.Holder), r)
}

// setPlan stores a plan with what finds it.
func (k *Keeper) setPlan(ctx context.Context, p accessv1.Plan) error {
	return errors.Join(k.plans.Set(ctx, p.Id, p), k.byModel.Set(ctx, collections.Join(p.Model, p.Id)))
}

// tokenOf and storedToken are the same facts as the rules know them and as they are
// kept.
func tokenOf(t accessv1.Token) access.Token {
	return access.Token{
		Scope: t.Scope, Holder: t.Holder, Until: t.Until, Metered: t.Metered, Left: t.Left, Reserved: t.Reserved, Used: t.Used,
		Grants: t.Grants, Transferable: t.Transferable,
	}
}

func storedToken(before accessv1.Token, t access.Token) accessv1.Token {
	before.Scope, before.Holder, before.Until, before.Transferable = t.Scope, t.Holder, t.Until, t.Transferable
	before.Metered, before.Left, before.Reserved, before.Used, before.Grants = t.Metered, t.Left, t.Reserved, t.Used, t.Grants
	return before
}

// emit tells indexers what happened.
func emit(ctx context.Context, event proto.Message) error {
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(event)
}

// blockTime is Unix seconds.
func blockTime(ctx context.Context) int64 { return sdk.UnwrapSDKContext(ctx).BlockTime().Unix() }
