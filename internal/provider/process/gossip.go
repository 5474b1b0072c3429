package process

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"sync"
	"time"

	"github.com/koinon/koinon/internal/heartbeat"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/p2p"
)

// gossip joins the provider to the topic of heartbeats, where it passes on those
// of others, and returns what publishes its own.
func gossip(ctx context.Context, host *p2p.Host, ledger *client.Client, self string, key ed25519.PublicKey, log *slog.Logger) (*p2p.Topic, error) {
	r := &roster{keys: map[string]ed25519.PublicKey{self: key}}
	listener := heartbeat.NewListener(ledger.ChainID(), r.keyOf, time.Now)
	topic, err := host.Gossip(heartbeat.Topic(ledger.ChainID()), func(message []byte) p2p.Verdict {
		_, err := listener.Hear(message)
		switch {
		case err == nil:
			return p2p.PassOn
		case heartbeat.Harmless(err):
			return p2p.Drop
		}
		return p2p.Blame
	})
	if err != nil {
		return nil, err
	}
	go func() {
		for ctx.Err() == nil {
			if err := r.read(ctx, ledger, self, key); err != nil && ctx.Err() == nil {
				log.Debug("the list of providers could not be read; heartbeats are checked against the last", "error", err)
			}
			listener.Forget()
			select {
			case <-ctx.Done():
			case <-time.After(time.Minute):
			}
		}
	}()
	return topic, nil
}

// roster are the keys of all providers.
type roster struct {
	mu   sync.RWMutex
	keys map[string]ed25519.PublicKey
}

func (r *roster) keyOf(provider string) ed25519.PublicKey {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.keys[provider]
}

// read asks the ledger; this provider is known before it is registered.
func (r *roster) read(ctx context.Context, ledger *client.Client, self string, key ed25519.PublicKey) error {
	providers, err := ledger.Providers(ctx)
	if err != nil {
		return err
	}
	keys := map[string]ed25519.PublicKey{self: key}
	for _, p := range providers {
		keys[p.Address] = p.PublicKey
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = keys
	return nil
}
