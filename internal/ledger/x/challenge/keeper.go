// Package challenge asks every provider, each epoch and for each model version it
// offers, to answer a prompt that the beacon draws, and notes who answered what.
// The rules are in internal/mechanism/challenge, the protocol in
// spec/challenge.md.
package challenge

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/codec"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/mechanism/penalty"
	"github.com/koinon/koinon/receipt"
)

// ModuleName names the module, its store and its errors.
const ModuleName = "challenge"

// Beacon is where prompts are drawn from.
type Beacon interface {
	Latest(ctx context.Context) (height int64, r receipt.Digest, err error)
}

// Models knows how a version's answers are compared.
type Models interface {
	Version(ctx context.Context, digest string) (modelv1.Version, error)
}

// Providers knows who offers what.
type Providers interface {
	Provider(ctx context.Context, address string) (providerv1.Provider, error)
	// OffersAfter lists up to n offers in the order of model and provider, from
	// the first after a given one.
	OffersAfter(ctx context.Context, model, provider string, n int) ([]providerv1.Offer, error)
	HasOffer(ctx context.Context, model, provider string) (bool, error)
}

// Court punishes those who did not answer, and has answers of the statistical class
// scored. An error stops the ledger: what can go wrong in punishing somebody must not
// be one.
type Court interface {
	Convict(ctx context.Context, c penalty.Conviction) error
	// Rate is a provider's audit rate, in millionths.
	Rate(ctx context.Context, provider string) (uint64, error)
	// Examine opens a case about a signed statement, at the fund's cost; false if
	// nobody could judge it.
	Examine(ctx context.Context, statement []byte) (bool, error)
}

type (
	// name is a challenge's: its epoch and model digest.
	name = collections.Pair[int64, string]
	// seat is a participant's: the challenge's name and its address.
	seat = collections.Triple[int64, string, string]
	// duty is the same in the order of providers.
	duty = collections.Triple[string, int64, string]
	// turn is when a challenge is looked at next: the deadline, and its name.
	turn = collections.Triple[int64, int64, string]
	// backed is an answer's digest, after the challenge's name.
	backed = collections.Triple[int64, string, []byte]
)

// Keeper stores challenges, from their enrolment until some epochs after.
type Keeper struct {
	authority string
	account   string
	beacon    Beacon
	models    Models
	providers Providers
	court     Court

	schema       collections.Schema
	params       collections.Item[challengev1.Params]
	clock        collections.Item[challengev1.Clock]
	challenges   collections.Map[name, challengev1.Challenge]
	participants collections.Map[seat, challengev1.Participant]
	duties       collections.KeySet[duty] // of challenges that are not judged
	turns        collections.KeySet[turn] // of challenges that are not closed
	tallies      collections.Map[backed, uint64]
	excuses      collections.Map[string, int64] // the epoch in which a provider was excused last
}

// NewKeeper makes the module's keeper; account is the module's
// own, which holds nothing; authority may change parameters.
func NewKeeper(cdc codec.BinaryCodec, service store.KVStoreService, account string, beacon Beacon, models Models, providers Providers, court Court, authority string) *Keeper {
	b := collections.NewSchemaBuilder(service)
	var (
		text    = collections.StringKey
		number  = collections.Int64Key
		seats   = collections.TripleKeyCodec(number, text, text)
		dutyKey = collections.TripleKeyCodec(text, number, text)
		turnKey = collections.TripleKeyCodec(number, number, text)
	)
	k := &Keeper{
		authority: authority, account: account, beacon: beacon, models: models, providers: providers, court: court,
		params:       collections.NewItem(b, collections.NewPrefix(0), "params", codec.CollValue[challengev1.Params](cdc)),
		clock:        collections.NewItem(b, collections.NewPrefix(1), "clock", codec.CollValue[challengev1.Clock](cdc)),
		challenges:   collections.NewMap(b, collections.NewPrefix(2), "challenges", collections.PairKeyCodec(number, text), codec.CollValue[challengev1.Challenge](cdc)),
		participants: collections.NewMap(b, collections.NewPrefix(3), "participants", seats, codec.CollValue[challengev1.Participant](cdc)),
		duties:       collections.NewKeySet(b, collections.NewPrefix(4), "duties", dutyKey),
		turns:        collections.NewKeySet(b, collections.NewPrefix(5), "turns", turnKey),
		tallies:      collections.NewMap(b, collections.NewPrefix(6), "tallies", collections.TripleKeyCodec(number, text, collections.BytesKey), collections.Uint64Value),
		excuses:      collections.NewMap(b, collections.NewPrefix(7), "excuses", text, collections.Int64Value),
	}
	var err error
	if k.schema, err = b.Build(); err != nil {
		panic(err) // two prefixes alike: a mistake in the lines above
	}
	return k
}

// load returns a challenge and one of its participants.
func (k *Keeper) load(ctx context.Context, epoch int64, model, provider string) (c challengev1.Challenge, q challengev1.Participant, err error) {
	if c, err = k.challenges.Get(ctx, collections.Join(epoch, model)); err == nil {
		q, err = k.participants.Get(ctx, collections.Join3(epoch, model, provider))
	}
	if errors.Is(err, collections.ErrNotFound) {
		err = fmt.Errorf("%w: epoch %d, %s, %s", ErrNotFound, epoch, model, provider)
	}
	return c, q, err
}

func (k *Keeper) storeParticipant(ctx context.Context, c challengev1.Challenge, q challengev1.Participant) error {
	return k.participants.Set(ctx, collections.Join3(c.Epoch, c.ModelDigest, q.Provider), q)
}

// storeChallenge stores a challenge that was due at a time, and puts it where it
// is looked at next.
func (k *Keeper) storeChallenge(ctx context.Context, c challengev1.Challenge, was int64) error {
	err := k.challenges.Set(ctx, collections.Join(c.Epoch, c.ModelDigest), c)
	closed := c.Stage == challengev1.Stage_STAGE_CLOSED
	if err != nil || was == c.Deadline && !closed {
		return err
	}
	err = k.turns.Remove(ctx, collections.Join3(was, c.Epoch, c.ModelDigest))
	if err != nil || closed {
		return err
	}
	return k.turns.Set(ctx, collections.Join3(c.Deadline, c.Epoch, c.ModelDigest))
}
