package gateway

import (
	"context"
	"io"
	"time"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/heartbeat"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/internal/reference"
	"github.com/koinon/koinon/receipt"
)

// OnNetwork reaches providers over libp2p.
func OnNetwork(h *p2p.Host) Network { return onNetwork{h} }

// OnGossip hears what is gossiped over libp2p.
func OnGossip(h *p2p.Host) Gossip {
	return func(topic string, judge func([]byte) error) (io.Closer, error) {
		return h.Gossip(topic, func(message []byte) p2p.Verdict {
			err := judge(message)
			switch {
			case err == nil:
				return p2p.PassOn
			case heartbeat.Harmless(err):
				return p2p.Drop
			}
			return p2p.Blame
		})
	}
}

type onNetwork struct{ host *p2p.Host }

func (n onNetwork) Open(ctx context.Context, p Peer) (Stream, error) {
	return n.host.Open(ctx, p2p.Peer(p), inference.Protocol)
}

func (n onNetwork) Probe(ctx context.Context, p Peer) (time.Duration, error) {
	return n.host.Ping(ctx, p2p.Peer(p))
}

// Files fetches the files of model versions by content address.
type Files interface {
	// Vocabulary is the path of a version's vocabulary, a GGUF file without
	// weights, every byte of which was checked against the version's digest.
	Vocabulary(ctx context.Context, version receipt.Digest, from []p2p.Peer) (path string, err error)
}

// FromFiles reads vocabularies with the reference engine's tokenizer.
func FromFiles(f Files) Vocabularies { return fromFiles{f} }

type fromFiles struct{ files Files }

func (f fromFiles) Vocabulary(ctx context.Context, model receipt.Digest, peers []Peer) (Vocabulary, error) {
	from := make([]p2p.Peer, len(peers))
	for i, p := range peers {
		from[i] = p2p.Peer(p)
	}
	path, err := f.files.Vocabulary(ctx, model, from)
	if err != nil {
		return nil, err
	}
	v, err := engine.OpenVocabulary(path)
	if err != nil {
		return nil, err
	}
	return reference.Vocabulary{Vocabulary: v}, nil
}
