package web

import (
	"context"
	"sync"
	"time"
)

// issuers are the names of who issues credit, of which no event tells those that
// were there from the first block. They are asked for again once they are old.
type issuers struct {
	mu    sync.Mutex
	names map[string]string
	asked time.Time
}

const issuersAge = time.Minute

// name is an issuer's, or "". A ledger that does not answer names nobody.
func (i *issuers) name(ctx context.Context, l Ledger, address string, now time.Time) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if now.Sub(i.asked) > issuersAge {
		i.asked = now
		if list, err := l.Issuers(ctx); err == nil {
			i.names = map[string]string{}
			for _, one := range list {
				i.names[one.Address] = one.Name
			}
		}
	}
	return i.names[address]
}
