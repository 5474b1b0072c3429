package gateway

import (
	"context"
	"log/slog"
	"time"

	"github.com/koinon/koinon/internal/route"
)

// How the audit record is read: so many providers at a reading of the ledger, each
// again after so long. It changes slowly, and a market may be large.
const (
	recordsAtOnce = 64
	recordsFor    = 10 * time.Minute
)

// score is what the ledger said of a provider's audits, and when.
type score struct {
	value float64 // between 0 and 1, or route.Unaudited
	at    time.Time
}

// scores are providers' audit records as last read. One goroutine uses it.
type scores map[string]score

// of is a provider's, as far as it is known.
func (s scores) of(provider string) float64 {
	if known, ok := s[provider]; ok {
		return known.value
	}
	return route.Unaudited
}

// read asks for records that are unknown or old, and forgets those of providers
// that sell no more. A ledger that does not answer leaves what was known.
func (s scores) read(ctx context.Context, ledger Ledger, providers map[string]bool, now time.Time) {
	for p := range s {
		if !providers[p] {
			delete(s, p)
		}
	}
	asked := 0
	for p := range providers {
		if known, ok := s[p]; ok && now.Sub(known.at) < recordsFor {
			continue
		}
		if asked++; asked > recordsAtOnce {
			return
		}
		value, err := ledger.Audited(ctx, p)
		if err != nil {
			slog.DebugContext(ctx, "a provider's audit record could not be read; it counts as before", "provider", p, "error", err)
			continue
		}
		s[p] = score{value, now}
	}
}
