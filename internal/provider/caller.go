package provider

import (
	"context"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/internal/inference"
)

// maxOwner is how long an owner's secret may be, in bytes.
const maxOwner = 32

// caller is which run of which gateway a stream is of.
type caller struct {
	owner   string // a secret of the gateway's; empty for none
	process uint64 // of its runs; 0 for none
}

// callerOf reads who opens a stream.
func callerOf(open *inferencev1.Open) caller {
	if len(open.Owner) > maxOwner {
		return caller{}
	}
	return caller{string(open.Owner), open.Process}
}

// follows says whether a caller is a later run of the gateway that another was.
func (c caller) follows(other caller) bool {
	return c.owner != "" && c.owner == other.owner && c.process != 0 && c.process != other.process
}

// admits says whether a caller may use the grant. Once it is active it lies on the
// ledger, where anybody reads it, and could leave its payer with the debt of streams
// that nobody pays for. So who is not the one that showed it first, when nobody else
// had it, must know the highest ticket, and one that the ledger has not.
func (b *book) admits(c caller, shown *inferencev1.Reveal) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.owner == nil || *b.owner == c.owner {
		return true
	}
	index, ticket, err := inference.TicketFromWire(shown)
	return err == nil && index > b.redeemed && index == b.index && ticket == b.ticket
}

// runs enters a stream that is being answered, and how it is ended. Those that an
// earlier run of its gateway left behind end now: nobody reads them any more, and
// until their connection is found dead they would go on taking what the grant lets run
// unpaid, of which the new run's answers would starve.
func (b *book) runs(s *session, end context.CancelCauseFunc) (over func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for other, end := range b.running {
		if s.from.follows(other.from) {
			end(errBroken)
		}
	}
	b.running[s] = end
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.running, s)
	}
}
