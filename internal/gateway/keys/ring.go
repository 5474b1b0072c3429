package keys

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/koinon/koinon/internal/gateway/store"
)

// fresh is how long a key is taken for what it was when last read: as long as
// one that another process revokes goes on.
const fresh = time.Second

// Ring knows the keys that were used a moment ago, so that a request does not
// wait for the database.
type Ring struct {
	store   Store
	now     func() time.Time
	mu      sync.Mutex
	changes uint64 // of the store's keys when entries were read
	entries map[string]entry
}

type entry struct {
	key  store.Key
	read time.Time
}

// NewRing reads keys from a store.
func NewRing(s Store, now func() time.Time) *Ring {
	return &Ring{store: s, now: now, entries: map[string]entry{}}
}

// Authenticate finds the good key that a text is, or refuses with [ErrInvalid].
func (r *Ring) Authenticate(ctx context.Context, text string) (store.Key, error) {
	id, ok := identifier(text)
	if !ok {
		return store.Key{}, ErrInvalid
	}
	key, err := r.key(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return store.Key{}, ErrInvalid
	}
	if err != nil {
		return store.Key{}, err
	}
	return key, check(key, text, r.now())
}

func (r *Ring) key(ctx context.Context, id string) (store.Key, error) {
	now, changes := r.now(), r.store.KeyChanges()
	r.mu.Lock()
	if changes != r.changes {
		clear(r.entries)
		r.changes = changes
	}
	e, ok := r.entries[id]
	r.mu.Unlock()
	if ok && now.Sub(e.read) < fresh {
		return e.key, nil
	}
	key, err := r.store.Key(ctx, id)
	if err != nil {
		return key, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if changes == r.changes {
		r.entries[id] = entry{key, now}
	}
	return key, nil
}
