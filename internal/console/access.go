package console

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/koinon/koinon/internal/mechanism/access"
	"github.com/koinon/koinon/internal/web"
)

// Plans implements [web.Ledger].
func (s standing) Plans(ctx context.Context, model string) ([]web.Plan, error) {
	found, err := s.ledger.Plans(ctx, model)
	list := []web.Plan{}
	for _, p := range found {
		if !p.Closed {
			list = append(list, web.Plan{ID: p.Id, Model: p.Model, Good: access.Terms{Calls: p.Calls, Seconds: p.Seconds}.String(),
				Transferable: p.Transferable, Price: p.Price, Sold: p.Sold})
		}
	}
	slices.SortStableFunc(list, func(a, b web.Plan) int { return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Price, b.Price)) })
	return list, err
}

// Gated implements [web.Ledger].
func (s standing) Gated(ctx context.Context, digest string) (bool, error) {
	policy, err := s.ledger.Access(ctx, digest)
	return policy.Gated, err
}

// tokens are what an account may call, but for what has ended.
func (s standing) tokens(ctx context.Context, holder string) ([]web.Token, error) {
	found, err := s.ledger.AccessTokens(ctx, holder)
	list := []web.Token{}
	for _, t := range found {
		if t.Until > 0 && t.Until <= time.Now().Unix() {
			continue
		}
		good := access.Terms{}.String()
		if t.Metered {
			good = fmt.Sprintf("%d calls left", t.Left)
		}
		if t.Until > 0 {
			good += ", until " + time.Unix(t.Until, 0).UTC().Format("2006-01-02 15:04 UTC")
		}
		list = append(list, web.Token{ID: t.Id, Scope: t.Scope, Good: good})
	}
	return list, err
}
