package auditor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	"github.com/koinon/koinon/internal/auditor/judge"
	"github.com/koinon/koinon/internal/auditor/store"
	"github.com/koinon/koinon/internal/proof"
	"github.com/koinon/koinon/internal/proof/party"
	"github.com/koinon/koinon/receipt"
)

// challenges looks at epoch challenges whose answers differ. Who is right is not
// what most bonds say: each answer is computed again, and whose is wrong is
// accused, be it the leader's.
func (a *Auditor) challenges(ctx context.Context) error {
	list, err := a.out.Ledger.Challenges(ctx)
	if err != nil {
		return fmt.Errorf("asking for epoch challenges: %w", err)
	}
	disputed := map[string]bool{}
	var failed []error
	for _, c := range list {
		name := fmt.Sprintf("%d/%s", c.Epoch, c.ModelDigest)
		if c.Stage != challengev1.Stage_STAGE_DISPUTED || c.Statistical {
			continue
		}
		if disputed[name] = true; a.looked[name] {
			continue
		}
		if err := a.challenge(ctx, c); err != nil {
			failed = append(failed, fmt.Errorf("epoch challenge %s: %w", name, err))
			continue
		}
		a.looked[name] = true
	}
	for name := range a.looked {
		if !disputed[name] {
			delete(a.looked, name)
		}
	}
	return errors.Join(failed...)
}

// challenge keeps the wrong answers of one, to be accused like what was bought.
func (a *Auditor) challenge(ctx context.Context, c challengev1.Challenge) error {
	self, err := a.out.Ledger.Self(ctx)
	if err != nil {
		return err
	}
	participants, err := a.out.Ledger.Participants(ctx, c.Epoch, c.ModelDigest)
	if err != nil {
		return err
	}
	verdicts := map[string]bool{} // of answers that several gave
	for _, p := range participants {
		if len(p.Receipt) == 0 || slices.Contains(append(self.Ties, self.Address), p.Provider) {
			continue
		}
		r, err := receipt.Decode(p.Receipt)
		if err != nil {
			return err
		}
		said := fmt.Sprintf("%x %s %s", p.Answer, r.PromptDigest, r.OutputDigest)
		t := receipt.Transcript{Output: p.Tokens}
		wrong, known := verdicts[said]
		if !known {
			if wrong, err = a.wrong(ctx, r, t); err != nil {
				return err
			}
			verdicts[said] = wrong
		}
		if !wrong {
			continue
		}
		finding := proof.Finding{Verdict: proof.Refuted, Step: -1, Reason: fmt.Sprintf("Its answer to the challenge of epoch %d is not the model's.", c.Epoch)}
		bought := store.Purchase{Record: receipt.Record{Receipt: r, Transcript: &t}, Provider: p.Provider, Bought: a.out.Now()}
		if err := errors.Join(a.out.Store.Keep(ctx, bought), a.out.Store.Found(ctx, r.Hash(), finding)); err != nil {
			return err
		}
		a.note(func(s *Status) { s.Refuted++ })
	}
	return nil
}

// wrong says whether the model does not say what a statement says it does. What
// cannot be computed again is not accused of anything.
func (a *Auditor) wrong(ctx context.Context, r receipt.Receipt, t receipt.Transcript) (bool, error) {
	answer, err := a.out.Judge.Answer(ctx, r, t)
	switch {
	case errors.Is(err, judge.ErrNoModel), errors.Is(err, party.ErrUnreadable):
		a.log.Warn("an answer to an epoch challenge cannot be computed again", "provider", r.Provider, "error", err)
		return false, nil
	case err != nil:
		return false, err
	}
	return !answer.Agrees(), nil
}
