package offering

import (
	"context"
	"fmt"

	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
	"github.com/koinon/koinon/internal/mechanism/offering"
)

// proved refuses a milestone that the ledger cannot see to be reached; digest is
// of the version that an evaluation's is said to be reached with.
func (k *Keeper) proved(ctx context.Context, o offeringv1.Offering, m offeringv1.Milestone, digest string) error {
	switch m.Proof {
	case offeringv1.Proof_PROOF_CLOSING: // a sale that has succeeded releases at all
		return nil
	case offeringv1.Proof_PROOF_LISTING:
		return k.listed(ctx, o, m.Digest)
	case offeringv1.Proof_PROOF_EVALUATION:
		if err := k.listed(ctx, o, digest); err != nil {
			return err
		}
		return k.reached(ctx, m, digest)
	}
	return fmt.Errorf("%w: the shareholders of %s must vote for it", ErrProof, o.Terms.Model)
}

// listed refuses what is no listed version of an offering's model.
func (k *Keeper) listed(ctx context.Context, o offeringv1.Offering, digest string) error {
	model, err := k.models.Listed(ctx, digest)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	if model != o.Terms.Model {
		return fmt.Errorf("%w: %s is a version of %s, not of %s", ErrProof, digest, model, o.Terms.Model)
	}
	return nil
}

// ReleaseByVote pays a milestone's part that a model's shareholders have voted
// for, whatever its proof. It is for the module that counts their votes.
func (k *Keeper) ReleaseByVote(ctx context.Context, model string, id uint64, milestone uint32) error {
	o, err := k.Offering(ctx, id)
	if err != nil {
		return err
	}
	if o.Terms.Model != model {
		return fmt.Errorf("%w: %d is of %s", ErrModel, id, o.Terms.Model)
	}
	_, err = k.release(ctx, o, milestone)
	return err
}

// release pays a milestone's part, whose proof was checked.
func (k *Keeper) release(ctx context.Context, o offeringv1.Offering, milestone uint32) (uint64, error) {
	sale, amount, err := offering.Release(termsOf(o.Terms), saleOf(o), int(milestone))
	if err != nil {
		return 0, err
	}
	if err := k.offerings.Set(ctx, o.Id, withSale(o, sale)); err != nil {
		return 0, err
	}
	if err := k.pay(ctx, o.Terms.Beneficiary, coins(creditDenom, amount)); err != nil {
		return 0, err
	}
	return amount, emit(ctx, &offeringv1.EventReleased{Offering: o.Id, Milestone: milestone, Amount: amount, To: o.Terms.Beneficiary})
}
