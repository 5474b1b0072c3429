package challenge

import (
	"bytes"
	"context"
	"errors"

	"cosmossdk.io/collections"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	"github.com/koinon/koinon/receipt"
)

// about finds the disputed challenge that a receipt is a provider's statement to;
// false if it is none, or is over. There are a few challenges at a time, three
// epochs of each model version.
func (k *Keeper) about(ctx context.Context, statement receipt.Receipt) (c challengev1.Challenge, q challengev1.Participant, found bool, err error) {
	if statement.Grant != statement.Request || statement.Payer != k.account {
		return c, q, false, nil
	}
	err = k.challenges.Walk(ctx, nil, func(_ name, stored challengev1.Challenge) (bool, error) {
		found = stored.Stage == challengev1.Stage_STAGE_DISPUTED && bytes.Equal(stored.Seed, statement.Grant[:]) && stored.ModelDigest == statement.Model.String()
		c = stored
		return found, nil
	})
	if err != nil || !found {
		return c, q, false, err
	}
	q, err = k.participants.Get(ctx, collections.Join3(c.Epoch, c.ModelDigest, statement.Provider))
	if errors.Is(err, collections.ErrNotFound) {
		return c, q, false, nil
	}
	return c, q, err == nil && bytes.Equal(q.Receipt, statement.Encode()), err
}

// Disputed says whether a receipt is what a provider answered to a challenge in
// which answers differ, while the court may judge that.
func (k *Keeper) Disputed(ctx context.Context, statement receipt.Receipt) (bool, error) {
	_, _, found, err := k.about(ctx, statement)
	return found, err
}

// Judged takes the court's judgement of what a provider answered, if the challenge
// still waits for it. Whoever is found wrong is for the court to punish.
func (k *Keeper) Judged(ctx context.Context, statement receipt.Receipt, right bool) error {
	c, q, found, err := k.about(ctx, statement)
	if err != nil || !found {
		return err
	}
	judged, err := stateOf(c).Decide(participantOf(q), right)
	if err != nil {
		return nil // it was judged before: a case that is over changes nothing
	}
	return errors.Join(k.storeParticipant(ctx, c, decided(q, judged)), k.tell(ctx, c, judged))
}
