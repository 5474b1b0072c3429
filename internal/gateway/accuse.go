package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/receipt"
)

// Evidence convicts a provider by itself: a receipt with proofs that it counts too
// many tokens, or two for one place of a grant.
type Evidence struct {
	Receipt receipt.Receipt
	Counts  *receipt.Counts  // of the first kind
	Other   *receipt.Receipt // of the second
}

// ErrNoConviction is what a [Ledger] returns when it answered, and will not convict
// by some evidence, or has done so before.
var ErrNoConviction = errors.New("the ledger does not convict by this")

// accuse shows the ledger what providers have signed against themselves. It is in
// the database since before anything was done about it, and stays there until the
// ledger has answered.
func (g *Gateway) accuse(ctx context.Context) {
	const often = 10 * time.Second
	for {
		if err := g.accuseNow(ctx); err != nil && ctx.Err() == nil {
			g.log.Warn("evidence against a provider is not on the ledger yet; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(often):
		}
	}
}

// accuseNow shows what has not been shown.
func (g *Gateway) accuseNow(ctx context.Context) error {
	list, err := g.store.Unshown(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, r := range list {
		evidence, ok, err := g.evidence(ctx, r)
		if err == nil && ok {
			limited, cancel := context.WithTimeout(ctx, 30*time.Second)
			err = g.ledger.Accuse(limited, evidence)
			cancel()
			g.log.Warn("a provider is accused on the ledger", "provider", r.Provider, "receipt", r.ID, "error", err)
		}
		if err == nil || errors.Is(err, ErrNoConviction) {
			err = g.store.Shown(r.ID)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// evidence is what a false receipt convicts its provider by; false if by nothing.
func (g *Gateway) evidence(ctx context.Context, stored store.Receipt) (Evidence, bool, error) {
	r, err := receipt.Decode(stored.Body)
	e := Evidence{Receipt: r}
	if err != nil || r.VerifySignature() != nil {
		return e, false, nil // garbage, or not what its provider signed
	}
	if e.Counts = stored.Counts; e.Counts != nil {
		return e, true, nil
	}
	others, err := g.store.Neighbours(ctx, stored.Grant, stored.Sequence)
	for _, o := range others {
		other, bad := receipt.Decode(o.Body)
		if bad == nil && receipt.Equivocates(other, r) == nil {
			e.Other = &other
			return e, true, err
		}
	}
	return e, false, err
}
