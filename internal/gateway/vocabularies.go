package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/koinon/koinon/receipt"
)

// vocabularyCache fetches each model's vocabulary once, in the background.
type vocabularyCache struct {
	source Vocabularies
	life   context.Context // of the gateway; fetches outlive requests
	retry  time.Duration
	now    func() time.Time
	mu     sync.Mutex
	models map[receipt.Digest]*fetch
}

// fetch is one vocabulary, there or on its way.
type fetch struct {
	done       chan struct{}
	vocabulary Vocabulary
	err        error
	at         time.Time // when it ended
}

func newVocabularyCache(life context.Context, source Vocabularies, retry time.Duration, now func() time.Time) *vocabularyCache {
	return &vocabularyCache{source: source, life: life, retry: retry, now: now, models: map[receipt.Digest]*fetch{}}
}

// get waits for a version's vocabulary as long as the context lets it.
func (c *vocabularyCache) get(ctx context.Context, v *version) (Vocabulary, error) {
	f := c.start(v)
	select {
	case <-f.done:
		return f.vocabulary, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// start makes sure that a vocabulary is being fetched. One that failed is tried
// again after a while.
func (c *vocabularyCache) start(v *version) *fetch {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.models[v.digest]; f != nil {
		select {
		case <-f.done:
			if f.err == nil || c.now().Sub(f.at) < c.retry {
				return f
			}
		default:
			return f
		}
	}
	f := &fetch{done: make(chan struct{})}
	c.models[v.digest] = f
	peers := v.peers()
	go func() {
		f.vocabulary, f.err = c.source.Vocabulary(c.life, v.digest, peers)
		f.at = c.now()
		close(f.done)
	}()
	return f
}

// has says whether a vocabulary is there.
func (c *vocabularyCache) has(model receipt.Digest) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.models[model]
	if f == nil {
		return false
	}
	select {
	case <-f.done:
		return f.err == nil
	default:
		return false
	}
}
