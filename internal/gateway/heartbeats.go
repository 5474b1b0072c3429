package gateway

import (
	"crypto/ed25519"
	"fmt"
	"io"

	heartbeatv1 "github.com/koinon/koinon/api/koinon/heartbeat/v1"
	"github.com/koinon/koinon/internal/heartbeat"
	"github.com/koinon/koinon/internal/route"
	"github.com/koinon/koinon/receipt"
)

// Gossip hears the messages of a topic. Judge's errors that are not
// [heartbeat.Harmless] are held against the peer that sent the message.
type Gossip func(topic string, judge func(message []byte) error) (io.Closer, error)

// listen takes part in the gossip of heartbeats until the returned closer is
// closed.
func (g *Gateway) listen(gossip Gossip) (io.Closer, error) {
	if gossip == nil {
		return io.NopCloser(nil), nil
	}
	topic, err := gossip(heartbeat.Topic(g.config.ChainID), func(message []byte) error {
		h, err := g.heartbeats.Hear(message)
		if err != nil {
			g.metrics.heartbeats.WithLabelValues("refused").Inc()
			return err
		}
		g.metrics.heartbeats.WithLabelValues("good").Inc()
		g.heard(h)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listening for heartbeats: %w", err)
	}
	return topic, nil
}

// heard notes what a provider says of itself.
func (g *Gateway) heard(h *heartbeatv1.Heartbeat) {
	g.peers.provider(h.Provider).Hear(&route.Report{
		At: g.now().UnixNano(), Queue: h.Queue, Active: h.Active, Rate: float64(h.Rate) / 1000,
		Paused: h.State != heartbeatv1.State_STATE_OPEN,
	})
	if model, err := receipt.ParseDigest(h.ModelDigest); err == nil && len(h.Prefixes) > 0 {
		g.affinity.Remember(h.Prefixes, g.peers.lane(h.Provider, model), false)
	}
}

// providerKey is the registered key of a provider, or nil.
func (g *Gateway) providerKey(provider string) ed25519.PublicKey {
	if m := g.directory.current.Load(); m != nil {
		return m.keys[provider]
	}
	return nil
}
