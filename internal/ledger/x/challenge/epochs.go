package challenge

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/mechanism/challenge"
)

// Bounds of one block's work: offers enrolled, challenges looked at,
// participants judged, records forgotten. The rest waits for the next block.
const (
	enrolPerBlock   = 100
	advancePerBlock = 50
	judgePerBlock   = 100
	forgetPerBlock  = 200
)

// margin is how many blocks after the last enrolment a prompt is drawn, so that
// nobody could know it when it chose whom to enrol (spec/beacon.md, 4).
const margin = 2

// endBlock does what is due.
func (k *Keeper) endBlock(ctx context.Context) error {
	params, err := k.params.Get(ctx)
	if err != nil {
		return err
	}
	clock, err := k.clock.Get(ctx)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return err
	}
	if clock, err = k.tick(ctx, params, clock); err != nil {
		return err
	}
	if err := k.clock.Set(ctx, clock); err != nil {
		return err
	}
	if err := k.advance(ctx, params, clock.Enrolling); err != nil {
		return err
	}
	return k.forget(ctx, clock.Epoch)
}

// tick begins epochs, announces their challenges and enrols who must answer.
func (k *Keeper) tick(ctx context.Context, params challengev1.Params, clock challengev1.Clock) (challengev1.Clock, error) {
	now := sdk.UnwrapSDKContext(ctx).BlockTime().Unix()
	if params.EpochSeconds > 0 && !clock.Enrolling && (clock.Start == 0 || now >= clock.Start+params.EpochSeconds) {
		start := clock.Start + params.EpochSeconds
		if clock.Start == 0 || now >= start+params.EpochSeconds { // the first, or after a long stillness
			start = now
		}
		clock = challengev1.Clock{Epoch: clock.Epoch + 1, Start: start, Before: clock.Before}
	}
	if !clock.Announced {
		_, r, err := k.beacon.Latest(ctx)
		if err != nil {
			return clock, err
		}
		clock.Announced = challenge.Announce(rules(params), r, clock.Start, clock.Before, now)
		clock.Enrolling = clock.Announced
	}
	clock.Before = now
	if !clock.Enrolling {
		return clock, nil
	}
	offers, err := k.providers.OffersAfter(ctx, clock.Model, clock.Provider, enrolPerBlock)
	if err != nil {
		return clock, err
	}
	for _, o := range offers {
		if err := k.enrol(ctx, params, clock.Epoch, o); err != nil {
			return clock, err
		}
		clock.Model, clock.Provider = o.ModelDigest, o.Provider
	}
	clock.Enrolling = len(offers) == enrolPerBlock
	return clock, nil
}

// enrol makes the provider of an offer answer this epoch's challenge of the
// model version. Those that drain or are in jail need not, nor do those of the
// statistical class while scored_steps is 0.
func (k *Keeper) enrol(ctx context.Context, params challengev1.Params, epoch int64, offer providerv1.Offer) error {
	p, err := k.providers.Provider(ctx, offer.Provider)
	if err != nil || p.Status != providerv1.Status_STATUS_ACTIVE {
		return err
	}
	version, err := k.models.Version(ctx, offer.ModelDigest)
	if err != nil {
		return err
	}
	statistical := version.Class != modelv1.VerificationClass_VERIFICATION_CLASS_EXACT
	steps := params.Steps
	if statistical {
		steps = params.ScoredSteps
	}
	if steps == 0 {
		return nil
	}
	c, err := k.challenges.Get(ctx, collections.Join(epoch, offer.ModelDigest))
	if errors.Is(err, collections.ErrNotFound) {
		c, err = challengev1.Challenge{
			Epoch: epoch, ModelDigest: offer.ModelDigest, Stage: challengev1.Stage_STAGE_ENROLLED, Statistical: statistical,
			Tokens: min(params.Tokens, int64(version.ContextLength)-steps), Steps: steps, Payer: k.account,
		}, nil
		if c.Tokens < 2 {
			return nil // its context has no room for a prompt
		}
	}
	if err != nil {
		return err
	}
	c.Participants++
	c.Until = sdk.UnwrapSDKContext(ctx).BlockHeight() + margin
	return errors.Join(
		k.challenges.Set(ctx, collections.Join(epoch, offer.ModelDigest), c),
		k.turns.Set(ctx, collections.Join3(c.Deadline, epoch, offer.ModelDigest)),
		k.duties.Set(ctx, collections.Join3(p.Address, epoch, offer.ModelDigest)),
		k.storeParticipant(ctx, c, challengev1.Participant{Provider: p.Address, Bond: p.Bond}))
}

// kept is for how many epochs closed challenges can be asked for.
const kept = 2

// forget removes the oldest challenge bit by bit, once it is closed and old.
func (k *Keeper) forget(ctx context.Context, epoch int64) error {
	var oldest *challengev1.Challenge
	err := k.challenges.Walk(ctx, nil, func(_ name, c challengev1.Challenge) (bool, error) {
		oldest = &c
		return true, nil
	})
	if err != nil || oldest == nil || oldest.Epoch >= epoch-kept || oldest.Stage != challengev1.Stage_STAGE_CLOSED {
		return err
	}
	left := forgetPerBlock
	var seats []seat
	err = k.participants.Walk(ctx, collections.NewSuperPrefixedTripleRange[int64, string, string](oldest.Epoch, oldest.ModelDigest),
		func(key seat, _ challengev1.Participant) (bool, error) {
			seats = append(seats, key)
			return len(seats) == left, nil
		})
	if err != nil {
		return err
	}
	for _, key := range seats {
		if err := k.participants.Remove(ctx, key); err != nil {
			return err
		}
	}
	left -= len(seats)
	var answers []backed
	if left > 0 {
		err = k.tallies.Walk(ctx, collections.NewSuperPrefixedTripleRange[int64, string, []byte](oldest.Epoch, oldest.ModelDigest),
			func(key backed, _ uint64) (bool, error) {
				answers = append(answers, key)
				return len(answers) == left, nil
			})
	}
	if err != nil {
		return err
	}
	for _, key := range answers {
		if err := k.tallies.Remove(ctx, key); err != nil {
			return err
		}
	}
	if left == len(answers) {
		return nil // more may be there
	}
	return k.challenges.Remove(ctx, collections.Join(oldest.Epoch, oldest.ModelDigest))
}
