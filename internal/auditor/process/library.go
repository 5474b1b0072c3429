package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/koinon/koinon/internal/auditor/judge"
	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/rows"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/internal/proof/party"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/receipt"
)

// library finds models by their digests: it fetches their weights from whoever
// offers them, and keeps those used last loaded.
type library struct {
	ledger *client.Client
	swarm  *weights.Swarm

	mu    sync.Mutex
	known map[string]party.Weights
	order []string // least recently used first
}

// loaded is how many models are kept in memory.
const loaded = 2

// find is a [judge.Models].
func (l *library) find(ctx context.Context, digest receipt.Digest) (party.Weights, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := digest.String()
	if w, ok := l.known[name]; ok {
		l.used(name)
		return w, nil
	}
	path, err := l.fetch(ctx, digest)
	if err != nil {
		return party.Weights{}, err
	}
	m, err := engine.Load(path)
	if err != nil {
		return party.Weights{}, fmt.Errorf("%w: %s cannot be loaded: %w", judge.ErrNoModel, digest, err)
	}
	r, err := rows.Open(path)
	if errors.Is(err, rows.ErrModel) {
		r, err = nil, nil // of no game, but its answers can be scored
	}
	if err != nil {
		return party.Weights{}, err
	}
	l.known[name] = party.Weights{Model: m, Rows: r}
	l.used(name)
	return l.known[name], nil
}

// version is a [judge.Versions].
func (l *library) version(ctx context.Context, digest receipt.Digest) (name, quantisation string, err error) {
	v, err := l.ledger.Version(ctx, digest.String())
	return v.Name, v.Quantization, err
}

// used puts a model last in line to be dropped, and drops the first if there are
// too many.
func (l *library) used(name string) {
	l.order = append(slices.DeleteFunc(l.order, func(other string) bool { return other == name }), name)
	if len(l.order) > loaded {
		// Its rows may be read by a game that runs: the file closes when nobody has it.
		delete(l.known, l.order[0])
		l.order = l.order[1:]
	}
}

// fetch makes a version's weights be here.
func (l *library) fetch(ctx context.Context, digest receipt.Digest) (string, error) {
	offers, err := l.ledger.Offers(ctx, digest.String(), "")
	if err != nil {
		return "", err
	}
	var peers []p2p.Peer
	for _, o := range offers {
		p, err := l.ledger.Provider(ctx, o.Provider)
		if err != nil {
			return "", err
		}
		peers = append(peers, p2p.Peer{Key: p.PublicKey, Addrs: p.Addrs})
	}
	path, err := l.swarm.Weights(ctx, digest, peers, nil)
	if errors.Is(err, weights.ErrUnavailable) {
		return "", fmt.Errorf("%w: %w", judge.ErrNoModel, err)
	}
	return path, err
}

func (l *library) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.known {
		if w.Rows != nil {
			w.Rows.Close()
		}
	}
}
