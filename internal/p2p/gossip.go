package p2p

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
)

// maxGossip bounds one message, in bytes.
const maxGossip = 8 << 10

// Verdict is what becomes of a message that was heard.
type Verdict int

// The values of [Verdict]: a message is passed on, dropped, or dropped and held
// against the peer that sent it.
const (
	PassOn Verdict = iota
	Drop
	Blame
)

// Topic is one subject of gossip that a host takes part in.
type Topic struct {
	topic  *pubsub.Topic
	cancel pubsub.RelayCancelFunc
	host   *Host
}

// Gossip takes part in a topic. Judge is given each new message, this host's
// own too, in any of several goroutines; it must not wait. Peers are found among
// those connected, by their exchange and, with bootstrap addresses, by
// themselves. Close the topic before the host.
func (h *Host) Gossip(name string, judge func(message []byte) Verdict) (*Topic, error) {
	ps, err := h.pubsub()
	if err != nil {
		return nil, fmt.Errorf("p2p: gossip: %w", err)
	}
	err = ps.RegisterTopicValidator(name, func(_ context.Context, _ peer.ID, m *pubsub.Message) pubsub.ValidationResult {
		switch judge(m.Data) {
		case PassOn:
			return pubsub.ValidationAccept
		case Blame:
			return pubsub.ValidationReject
		}
		return pubsub.ValidationIgnore
	})
	if err != nil {
		return nil, fmt.Errorf("p2p: topic %s: %w", name, err)
	}
	topic, err := ps.Join(name)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("p2p: topic %s: %w", name, err), ps.UnregisterTopicValidator(name))
	}
	cancel, err := topic.Relay() // judge hears all that a subscription would
	if err != nil {
		return nil, errors.Join(fmt.Errorf("p2p: topic %s: %w", name, err), topic.Close(), ps.UnregisterTopicValidator(name))
	}
	return &Topic{topic, cancel, h}, nil
}

// Publish sends a message to whoever takes part.
func (t *Topic) Publish(ctx context.Context, message []byte) error {
	return t.topic.Publish(ctx, message)
}

// Peers is how many of the connected peers take part.
func (t *Topic) Peers() int { return len(t.topic.ListPeers()) }

// Close leaves the topic.
func (t *Topic) Close() error {
	t.cancel()
	ps, err := t.host.pubsub()
	if err != nil {
		return err
	}
	return errors.Join(ps.UnregisterTopicValidator(t.topic.String()), t.topic.Close())
}

// pubsub starts the host's gossip once. Messages carry signatures of their own,
// of keys that the ledger knows, so gossipsub adds none.
func (h *Host) pubsub() (*pubsub.PubSub, error) {
	h.gossiping.Do(func() {
		options := []pubsub.Option{
			pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
			pubsub.WithMessageIdFn(func(m *pb.Message) string { sum := sha256.Sum256(m.Data); return string(sum[:16]) }),
			pubsub.WithMaxMessageSize(maxGossip),
			pubsub.WithPeerExchange(true),
			pubsub.WithSeenMessagesTTL(2 * time.Minute),
			pubsub.WithPeerScore(scores()),
		}
		if h.discovery != nil {
			options = append(options, pubsub.WithDiscovery(h.discovery))
		}
		h.gossip, h.gossipErr = pubsub.NewGossipSub(h.life, h.inner, options...)
	})
	return h.gossip, h.gossipErr
}

// scores make gossipsub leave out peers that send what is blamed on them: after
// some ten such messages they are ignored, for a few minutes.
func scores() (*pubsub.PeerScoreParams, *pubsub.PeerScoreThresholds) {
	return &pubsub.PeerScoreParams{
			AppSpecificScore: func(peer.ID) float64 { return 0 }, AppSpecificWeight: 1,
			Topics:                 map[string]*pubsub.TopicScoreParams{},
			BehaviourPenaltyWeight: -10, BehaviourPenaltyThreshold: 6, BehaviourPenaltyDecay: pubsub.ScoreParameterDecay(10 * time.Minute),
			DecayInterval: pubsub.DefaultDecayInterval, DecayToZero: pubsub.DefaultDecayToZero, RetainScore: 10 * time.Minute,
		}, &pubsub.PeerScoreThresholds{
			GossipThreshold: -40, PublishThreshold: -80, GraylistThreshold: -160, AcceptPXThreshold: 0, OpportunisticGraftThreshold: 1,
		}
}
