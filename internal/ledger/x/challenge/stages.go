package challenge

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/ledger/x/provider"
	"github.com/koinon/koinon/internal/mechanism/challenge"
	"github.com/koinon/koinon/internal/mechanism/penalty"
)

// advance looks at challenges whose time has come, the longest waiting first.
func (k *Keeper) advance(ctx context.Context, params challengev1.Params, enrolling bool) error {
	now := sdk.UnwrapSDKContext(ctx).BlockTime().Unix()
	var due []turn
	err := k.turns.Walk(ctx, new(collections.Range[turn]).EndExclusive(collections.Join3(now+1, int64(0), "")),
		func(t turn) (bool, error) {
			due = append(due, t)
			return len(due) == advancePerBlock, nil
		})
	if err != nil {
		return err
	}
	judges := judgePerBlock
	for _, t := range due {
		c, err := k.challenges.Get(ctx, collections.Join(t.K2(), t.K3()))
		if err != nil {
			return fmt.Errorf("challenge of %s in epoch %d: %w", t.K3(), t.K2(), err)
		}
		if c.Stage == challengev1.Stage_STAGE_ENROLLED && enrolling {
			continue
		}
		if err := k.step(ctx, params, c, &judges); err != nil {
			return err
		}
	}
	return nil
}

// step moves one challenge on if it is ready; judges is how many participants
// this block may still judge.
func (k *Keeper) step(ctx context.Context, params challengev1.Params, c challengev1.Challenge, judges *int) error {
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	now, height := sdkCtx.BlockTime().Unix(), sdkCtx.BlockHeight()
	was, before := c.Deadline, c.Stage
	switch c.Stage {
	case challengev1.Stage_STAGE_ENROLLED:
		if height < c.Until {
			return nil
		}
		_, r, err := k.beacon.Latest(ctx)
		if err != nil {
			return err
		}
		s, err := stateOf(c).Draw(rules(params), challenge.Seed(r, c.ModelDigest, c.Epoch), now, height)
		if err != nil {
			return err
		}
		c = with(c, s)
		err = sdkCtx.EventManager().EmitTypedEvent(&challengev1.EventDrawn{
			Epoch: c.Epoch, ModelDigest: c.ModelDigest, Seed: hex.EncodeToString(c.Seed), Participants: c.Participants, Deadline: c.Deadline})
		if err != nil {
			return err
		}
	case challengev1.Stage_STAGE_JUDGING:
		var err error
		if c, err = k.judge(ctx, params, c, judges); err != nil {
			return err
		}
	default:
		c = with(c, stateOf(c).Advance(rules(params), now, height))
	}
	if c.Stage != before && (c.Stage == challengev1.Stage_STAGE_CLOSED || c.Stage == challengev1.Stage_STAGE_DISPUTED) {
		err := sdkCtx.EventManager().EmitTypedEvent(&challengev1.EventClosed{Epoch: c.Epoch, ModelDigest: c.ModelDigest, Stage: c.Stage, Differing: c.Differing})
		if err != nil {
			return err
		}
	}
	return k.storeChallenge(ctx, c, was)
}

// judge compares the next participants with the leader, and convicts those who
// did not answer.
func (k *Keeper) judge(ctx context.Context, params challengev1.Params, c challengev1.Challenge, judges *int) (challengev1.Challenge, error) {
	var list []challengev1.Participant
	span := collections.NewSuperPrefixedTripleRange[int64, string, string](c.Epoch, c.ModelDigest)
	err := k.participants.Walk(ctx, span, func(key seat, q challengev1.Participant) (bool, error) {
		if key.K3() <= c.Judged {
			return false, nil
		}
		if len(list) == *judges {
			return true, nil
		}
		list = append(list, q)
		return false, nil
	})
	if err != nil {
		return c, err
	}
	finished := len(list) < *judges
	*judges -= len(list)
	for _, q := range list {
		if c, err = k.judgeOne(ctx, params, c, q); err != nil {
			return c, err
		}
		c.Judged = q.Provider
	}
	if !finished {
		return c, nil
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	s, err := stateOf(c).Conclude(rules(params), sdkCtx.BlockTime().Unix(), sdkCtx.BlockHeight())
	return with(c, s), err
}

func (k *Keeper) judgeOne(ctx context.Context, params challengev1.Params, c challengev1.Challenge, q challengev1.Participant) (challengev1.Challenge, error) {
	excused := false
	var err error
	if len(q.Answer) == 0 {
		if excused, err = k.excused(ctx, params, c, q.Provider); err != nil {
			return c, err
		}
	}
	drawn, err := k.drawn(ctx, params, c, q)
	if err != nil {
		return c, err
	}
	s, judged, err := stateOf(c).Judge(participantOf(q), leaderOf(c), excused, drawn)
	if err != nil {
		return c, err
	}
	err = errors.Join(
		k.storeParticipant(ctx, c, decided(q, judged)),
		k.duties.Remove(ctx, collections.Join3(q.Provider, c.Epoch, c.ModelDigest)))
	if err != nil {
		return c, err
	}
	if judged.Outcome == challenge.NoAnswer {
		err := k.court.Convict(ctx, penalty.Conviction{
			Provider: q.Provider, Offence: penalty.NoAnswer, Reference: reference(c) + "/" + q.Provider,
			Done: c.Deadline, // of all models that were asked at once, it is one absence
		})
		if err != nil {
			return c, err
		}
	}
	return with(c, s), k.tell(ctx, c, judged)
}

// drawn says whether chance draws an answer of the statistical class to be scored, and
// a committee will.
func (k *Keeper) drawn(ctx context.Context, params challengev1.Params, c challengev1.Challenge, q challengev1.Participant) (bool, error) {
	if !c.Statistical || len(q.Answer) == 0 {
		return false, nil
	}
	_, r, err := k.beacon.Latest(ctx)
	if err != nil {
		return false, err
	}
	rate, err := k.court.Rate(ctx, q.Provider)
	if err != nil || !rules(params).Draws(r, reference(c)+"/"+q.Provider, rate) {
		return false, err
	}
	return k.court.Examine(ctx, q.Receipt)
}

// decided is a stored participant with its outcome.
func decided(q challengev1.Participant, judged challenge.Participant) challengev1.Participant {
	q.Outcome = challengev1.Outcome(judged.Outcome)
	return q
}

// reference names a challenge; with a provider's address after it, a conviction.
func reference(c challengev1.Challenge) string {
	return fmt.Sprintf("challenge/%d/%s", c.Epoch, c.ModelDigest)
}

// tell emits an outcome, unless it is what is expected.
func (k *Keeper) tell(ctx context.Context, c challengev1.Challenge, q challenge.Participant) error {
	if q.Outcome == challenge.Agreed {
		return nil
	}
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(&challengev1.EventJudged{
		Epoch: c.Epoch, ModelDigest: c.ModelDigest, Provider: q.Provider, Outcome: challengev1.Outcome(q.Outcome)})
}

// excused says whether a provider that gave no answer need not have given one:
// it is gone or in jail; or it drains or has withdrawn the offer, and did not do
// so in another epoch of late, which would be a way out.
func (k *Keeper) excused(ctx context.Context, params challengev1.Params, c challengev1.Challenge, address string) (bool, error) {
	p, err := k.providers.Provider(ctx, address)
	if errors.Is(err, provider.ErrNotFound) {
		return true, nil
	}
	if err != nil || p.Status == providerv1.Status_STATUS_JAILED {
		return err == nil, err
	}
	offered, err := k.providers.HasOffer(ctx, c.ModelDigest, address)
	if err != nil || offered && p.Status == providerv1.Status_STATUS_ACTIVE {
		return false, err
	}
	last, err := k.excuses.Get(ctx, address)
	switch {
	case errors.Is(err, collections.ErrNotFound):
	case err != nil:
		return false, err
	case last != c.Epoch && c.Epoch-last < params.ExcuseEpochs:
		return false, nil
	}
	return true, k.excuses.Set(ctx, address, c.Epoch)
}
