// Package assembly is where a model's shareholders decide about it: what its
// name stands for, its highest price, how its earnings are split, how it is to
// behave, what it learns from, what its treasury pays and when an offering's
// milestone is reached. What passes is done by the ledger itself. How votes are
// counted is package mechanism/ballot's.
package assembly

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
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/mechanism/ballot"
)

// ModuleName names the module, its store and its errors.
const ModuleName = "assembly"

// Shareholders is the house of those who hold a model's shares.
const Shareholders = "shareholders"

// Electorate is a house of a ballot: those who hold something that votes. Badges
// and a council become houses by implementing it.
type Electorate interface {
	// Power is what somebody's vote about a model weighs, by what was held at the
	// end of a second, in Unix time, that is over; an empty voter is for all.
	Power(ctx context.Context, model, voter string, at int64) (uint64, error)
}

// Models is what decisions change in the registry.
type Models interface {
	Version(ctx context.Context, digest string) (modelv1.Version, error)
	// Point moves one of a model's tags to one of its versions.
	Point(ctx context.Context, model, tag, digest string) error
	// SetPolicy splits a version's earnings anew.
	SetPolicy(ctx context.Context, digest string, policy modelv1.Policy) error
}

// Offerings releases milestones that were voted for.
type Offerings interface {
	ReleaseByVote(ctx context.Context, model string, offering uint64, milestone uint32) error
}

// Bank pays from models' treasuries.
type Bank interface {
	SendCoins(ctx context.Context, from, to sdk.AccAddress, amount sdk.Coins) error
	BlockedAddr(account sdk.AccAddress) bool
}

type (
	dueKey   = collections.Pair[int64, uint64]            // time, proposal
	modelKey = collections.Pair[string, uint64]           // model, proposal
	voteKey  = collections.Triple[uint64, string, string] // proposal, house, voter
)

// Keeper stores proposals, votes and what was decided.
type Keeper struct {
	authority    string
	addresses    address.Codec
	shareholders Electorate
	models       Models
	offerings    Offerings
	bank         Bank
	silent       []string

	schema       collections.Schema
	params       collections.Item[assemblyv1.Params]
	settings     collections.Map[string, assemblyv1.Settings] // by model
	proposals    collections.Map[uint64, assemblyv1.Proposal]
	byModel      collections.KeySet[modelKey]
	due          collections.KeySet[dueKey]
	votes        collections.Map[voteKey, assemblyv1.Vote]
	nextProposal collections.Sequence
}

// NewKeeper makes the module's keeper; authority may change parameters. Silent
// are accounts that hold shares and never vote, as they are for sale or in a pool:
// those do not count.
func NewKeeper(cdc codec.BinaryCodec, service store.KVStoreService, addresses address.Codec,
	shareholders Electorate, models Models, offerings Offerings, bank Bank, silent []string, authority string,
) *Keeper {
	b := collections.NewSchemaBuilder(service)
	k := &Keeper{
		authority: authority, addresses: addresses, shareholders: shareholders, models: models, offerings: offerings, bank: bank, silent: silent,
		params:    collections.NewItem(b, collections.NewPrefix(0), "params", codec.CollValue[assemblyv1.Params](cdc)),
		settings:  collections.NewMap(b, collections.NewPrefix(1), "settings", collections.StringKey, codec.CollValue[assemblyv1.Settings](cdc)),
		proposals: collections.NewMap(b, collections.NewPrefix(2), "proposals", collections.Uint64Key, codec.CollValue[assemblyv1.Proposal](cdc)),
		byModel:   collections.NewKeySet(b, collections.NewPrefix(3), "by_model", collections.PairKeyCodec(collections.StringKey, collections.Uint64Key)),
		due:       collections.NewKeySet(b, collections.NewPrefix(4), "due", collections.PairKeyCodec(collections.Int64Key, collections.Uint64Key)),
		votes: collections.NewMap(b, collections.NewPrefix(5), "votes",
			collections.TripleKeyCodec(collections.Uint64Key, collections.StringKey, collections.StringKey), codec.CollValue[assemblyv1.Vote](cdc)),
		nextProposal: collections.NewSequence(b, collections.NewPrefix(6), "next_proposal"),
	}
	var err error
	if k.schema, err = b.Build(); err != nil {
		panic(err) // two prefixes alike: a mistake in the lines above
	}
	return k
}

// Treasury is a model's account: anybody may pay to it, its shareholders decide
// what it pays.
func Treasury(model string) sdk.AccAddress {
	return authtypes.NewModuleAddress(ModuleName + "/" + model)
}

// Settings returns what was decided for a model; nothing yet, if nothing was.
func (k *Keeper) Settings(ctx context.Context, model string) (assemblyv1.Settings, error) {
	s, err := k.settings.Get(ctx, model)
	if errors.Is(err, collections.ErrNotFound) {
		return assemblyv1.Settings{Model: model}, nil
	}
	return s, err
}

// Allows refuses prices, in ucredit for a million tokens, that are above what
// the shareholders of a version's model let it be sold at.
func (k *Keeper) Allows(ctx context.Context, digest string, input, output uint64) error {
	v, err := k.models.Version(ctx, digest)
	if err != nil {
		return err
	}
	s, err := k.Settings(ctx, v.Name)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		field          string
		price, highest uint64
	}{{"input_price", input, s.Ceiling.InputPrice}, {"output_price", output, s.Ceiling.OutputPrice}} {
		if c.highest > 0 && c.price > c.highest {
			return fmt.Errorf("%w: %s is %d ucredit for a million tokens, shareholders of %s allow %d: lower the offer", ErrCeiling, c.field, c.price, v.Name, c.highest)
		}
	}
	return nil
}

// charter is how a model decides: as it decided itself, or as all do.
func (k *Keeper) charter(ctx context.Context, model string) (assemblyv1.Charter, error) {
	s, err := k.Settings(ctx, model)
	if err != nil {
		return assemblyv1.Charter{}, err
	}
	if s.Charter != nil {
		return *s.Charter, nil
	}
	p, err := k.params.Get(ctx)
	return p.Charter, err
}

// proposal returns one, or ErrNotFound.
func (k *Keeper) proposal(ctx context.Context, id uint64) (assemblyv1.Proposal, error) {
	p, err := k.proposals.Get(ctx, id)
	if errors.Is(err, collections.ErrNotFound) {
		return p, fmt.Errorf("%w: %d", ErrNotFound, id)
	}
	return p, err
}

// add stores a proposal for the first time, with what finds it.
func (k *Keeper) add(ctx context.Context, p assemblyv1.Proposal) error {
	err := errors.Join(k.proposals.Set(ctx, p.Id, p), k.byModel.Set(ctx, collections.Join(p.Model, p.Id)))
	switch p.Status {
	case assemblyv1.Status_STATUS_VOTING:
		return errors.Join(err, k.due.Set(ctx, collections.Join(p.ClosesAt, p.Id)))
	case assemblyv1.Status_STATUS_WAITING:
		return errors.Join(err, k.due.Set(ctx, collections.Join(p.EffectAt, p.Id)))
	}
	return err
}

// houseOf is a stored house as the rules know it.
func houseOf(h assemblyv1.House) ballot.House {
	return ballot.House{
		Rules: ballot.Rules{QuorumBps: h.QuorumBps, ThresholdBps: h.ThresholdBps},
		Tally: ballot.Tally{Yes: h.Yes, No: h.No, Abstain: h.Abstain}, Total: h.Total,
	}
}

func housesOf(p assemblyv1.Proposal) []ballot.House {
	list := make([]ballot.House, len(p.Houses))
	for i, h := range p.Houses {
		list[i] = houseOf(h)
	}
	return list
}

// total is what all votes of shareholders weigh.
func (k *Keeper) total(ctx context.Context, model string, at int64) (uint64, error) {
	total, err := k.shareholders.Power(ctx, model, "", at)
	if err != nil {
		return 0, err
	}
	for _, account := range k.silent {
		none, err := k.shareholders.Power(ctx, model, account, at)
		if err != nil {
			return 0, err
		}
		total -= none
	}
	return total, nil
}

// electorate is who sits in a house.
func (k *Keeper) electorate(house string) (Electorate, error) {
	if house != Shareholders {
		return nil, fmt.Errorf("%w: nobody sits in the house %q", ErrBooks, house)
	}
	return k.shareholders, nil
}

// emit tells indexers what happened.
func emit(ctx context.Context, event proto.Message) error {
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(event)
}

// blockTime is Unix seconds.
func blockTime(ctx context.Context) int64 { return sdk.UnwrapSDKContext(ctx).BlockTime().Unix() }
